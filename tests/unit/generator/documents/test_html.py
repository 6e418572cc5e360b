"""What is read of a page, and how tables and lists become blocks."""

import pytest

from lm_eval_so.generator.documents.commonmark import read_markdown
from lm_eval_so.generator.documents.compose import compose
from lm_eval_so.generator.documents.html import read_html
from lm_eval_so.generator.sources.base import BadFileError


def text_of(html: str, selector: str | None = None) -> str:
    return compose(read_html(html, selector=selector).blocks).text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<br>b<p>c", "a b\n\nc"),
        ("<p><b>7</b>일<i> 안</i>", "7일 안"),
        ("text <div>box</div> after", "text\n\nbox\n\nafter"),
        ("<ul><li>a<ol><li>b<li>c</ol><li>d</ul>", "- a\n  1. b\n  2. c\n- d"),
        ('<ol start="3"><li>a<li>b</ol>', "3. a\n4. b"),
        ("<ol><li><p>a</p><p>more</p></li><li>b</li></ol>", "1. a\n\nmore\n\n2. b"),
        ("<pre>if x:\n    y\n</pre>", "```\nif x:\n    y\n```"),
        ("<h2>A <small>b</small></h2>", "## A b"),
        ("<dl><dt>Fee<dd>3,000</dl>", "Fee\n\n3,000"),
        ("<details><summary>Q?</summary>A.</details>", "Q?\n\nA."),
        (
            "<p>seen<span style='display: NONE'>not</span><span hidden>not</span><span aria-hidden=true>not",
            "seen",
        ),
        ("<header>top</header><p>a</p><footer>end</footer>", "a"),
        ("<p>out</p><article><header><h1>T</h1></header>in</article>", "# T\n\nin"),
        ("<article>a</article><article>b<article>c</article></article>", "a\n\nb\n\nc"),
        ("<article>out</article><main>in</main>", "in"),
        ("<form><p>log in</p></form><p>a</p>", "a"),
        ("<form id=aspnet><main><p>a</p></main></form>", "a"),
    ],
)
def test_page(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("<tr><th>a<th>b<tr><td>1<td>2", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("<tr><td>a<td>b<tr><td>1<td>2", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("<tr><th>a<td>1<tr><th>b<td>2", "| a | 1 |\n| b | 2 |"),
        ("<tr><td colspan=2>T<tr><td>a<td>b<tr><td>1<td>2", "T\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
        (
            "<caption>T</caption><tr><td>a<td>b<tr><td>1<td>2",
            "T\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        ),
        (
            "<tr><td>a<td>b<tr><td rowspan=2>x<td>1<tr><td>2",
            "| a | b |\n|---|---|\n| x | 1 |\n| x | 2 |",
        ),
        (
            "<tr><td>a<td>b<td>c<tr><td>x<td colspan=2>y",
            "| a | b | c |\n|---|---|---|\n| x | y | y |",
        ),
        ("<tr><td>a<td>b<tr><td>0<td>0", "| a | b |\n|---|---|\n| 0 | 0 |"),
        (
            "<tr><td>a<td>b<tr><td colspan=2>part<tr><td>1<td>2",
            "| a | b |\n|---|---|\n| part |\n| 1 | 2 |",
        ),
        ("<tr><td>a<td><td>b<tr><td>1<td><td>2", "| a | b |\n|---|---|\n| 1 | 2 |"),
        (
            "<tr><td>a|b<td>c<tr><td><ul><li>1<li>2</ul><td>3",
            "| a\\|b | c |\n|---|---|\n| 1 2 | 3 |",
        ),
        ("<tr><td><p>only</p>", "only"),
        ("<tr><td><h2>H</h2><p>t</p><td>side", "## H\n\nt\n\nside"),
        (
            "<tr><td><table><tr><td>a<td>b<tr><td>1<td>2</table><td>x",
            "| a | b |\n|---|---|\n| 1 | 2 |\n\nx",
        ),
    ],
)
def test_table(rows: str, text: str) -> None:
    assert text_of(f"<table>{rows}</table>") == text


def test_selector__chooses_or_says_what_is_wrong() -> None:
    html = "<main>no</main><div class=post>a<div class=post>b</div></div>"
    assert text_of(html, ".post") == "a\n\nb"
    for selector in ("#none", "!!["):
        with pytest.raises(BadFileError) as caught:
            text_of(html, selector)
        assert selector in caught.value.what


@pytest.mark.parametrize(
    "opening",
    [
        "<div>",
        "<ul><li>",
        "<x-y a='>'>",
        "<div a='<'>",
        "<div></x>",
        "<x/>",
        "<svg><div>",
        "<i><div></i>",
    ],
)
def test_deep_nesting__is_refused_before_it_takes_minutes(opening: str) -> None:
    with pytest.raises(BadFileError, match="deeper than 2,000"):
        read_html(opening * 20_000)


@pytest.mark.parametrize(
    "page",
    [
        "<p><b>a<br>" * 2500 + "<li>b" * 2500,
        "<div><span>a</div>" * 2500,
        "<svg><path d='a'/></svg>" * 2500 + "<svg>" + "<g/>" * 2500 + "</svg>a",
        "<td>a<img>" * 2500,
        "<div>" * 1999 + "a",
    ],
)
def test_long_pages__are_not_deep(page: str) -> None:
    assert "a" in text_of(page)


def test_huge_spans__stay_small() -> None:
    blocks = read_html("<table><tr><td rowspan=99999999 colspan=99999999>a<tr><td>b</table>").blocks
    assert sum(len(block.text) for block in blocks) < 20_000


def test_merged_cells__may_not_multiply_a_page() -> None:
    cells = f"<td rowspan=1000>{'a' * 1000}" * 50
    with pytest.raises(BadFileError, match="far more text"):
        read_html(f"<table><tr>{cells}{'<tr><td>b' * 300}</table>")


def test_markdown__html_inside_comments_and_lines() -> None:
    text = "\n".join(
        [
            "<!-- no -->",
            "# A *b*",
            "",
            "- [link](http://x.y) `code`",
            "",
            "<table><tr><td>a<td>b<tr><td>1<td>2</table>",
        ]
    )
    found = read_markdown(text)
    composed = compose(found.blocks)
    assert composed.text == "# A b\n\n- link code\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    assert [block.at.get("line") for block in composed.blocks[:2]] == [2, 4]
    assert found.metadata == {}


@pytest.mark.parametrize("front", ["---\n- a\n---\n", "---\na: [\n---\n", "---\n---\n"])
def test_markdown__front_matter_that_is_none_goes(front: str) -> None:
    found = read_markdown(f"{front}text")
    assert [block.text for block in found.blocks] == ["text"]
    assert found.metadata == {}
