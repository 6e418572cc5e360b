"""The HTML report: one file, inert whatever stands in it."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from full_report import full_report, with_rows
from hostile_reports import PAYLOADS, hostile
from made_reports import comparison, report

from lm_eval_so.core.records.enums import Language, ReportFormat, Verdict
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.render import render

HOSTILE = {
    **PAYLOADS,
    "acceptance": "|x|<script>@team ``` ",
    "script end": "</script><script>alert(1)</script><!--<script>",
    "attribute": "\" onmouseover=alert(1) x='",
    "separators": "a\u2028b\u2029c",
    "surrogate": "\ud800",
    "json": "\\u003c/script\\u003e",
    "url": "javascript:alert(1)",
}
OURS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "script"),
    *(
        "h1",
        "h2",
        "h3",
        "p",
        "span",
        "strong",
        "small",
        "code",
        "pre",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
    ),
    *("div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "blockquote"),
    *("form", "input", "select", "option", "button", "noscript", "svg", "line", "rect"),
}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts = [], [], []
        self.texts, self.styles = [], []
        self._in = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._in = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        if self._in == "script":
            given, text = self.scripts[-1]
            self.scripts[-1] = (given, text + data)
        elif self._in == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def data(self):
        return json.loads(next(text for given, text in self.scripts if given.get("id") == "data"))


def page(made=None, compared=None, **options):
    return render(made or with_rows(full_report()), compared, format=ReportFormat.HTML, **options)


def everywhere(text):
    made, given = hostile(text)
    rows = replace(
        given.samples,
        inputs=(text,) * 240,
        expected=(text,) * 240,
        answers=(text,) * 240,
        tags=((text,),) * 240,
        languages=(text,) * 240,
        scores={text: (0.0,) * 240},
    )
    return page(replace(given, samples=rows), made)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", ["full", "regression"])
def test_html__golden(name, language, golden):
    text = page(None, comparison() if name == "regression" else None, language=language)
    shown = text.partition("</style>")[2].partition('<script type="application/json"')[0]
    golden(f"report/{name}.{language}.html", shown)


def test_html__same_input_same_bytes():
    assert page(None, comparison()) == page(None, comparison())


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_html__hostile_texts_do_nothing(payload):
    found = Page(everywhere(payload))
    assert set(found.tags) <= OURS
    assert found.tags.count("script") == 3
    assert [given.get("type") for given, _ in found.scripts] == [
        "application/json",
        "application/json",
        None,
    ]
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"href", "src", "style", "action", "srcdoc"}
    assert found.data["texts"]
    shown = " ".join(normalise(payload)[:40].split())
    assert any(shown in " ".join(text.split()) for text in found.texts)


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_html__the_script_gets_texts_as_they_are(payload):
    texts = Page(everywhere(payload)).data["texts"]
    assert any(text.startswith(normalise(payload)[:40]) for text in texts)


def test_html__policy_allows_nothing_but_what_stands_there():
    text = page(None, comparison())
    found = Page(text)
    policy = next(v for name, v in found.attributes if name == "content" and "src" in v)
    script = next(code for given, code in found.scripts if "type" not in given)
    for kind, code in (("script", script), ("style", found.styles[0])):
        digest = b64encode(sha256(code.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", script + found.styles[0])


def test_html__secrets_are_taken_out_of_page_and_data():
    secret = "hunter2-long-password`|<x>"
    made, given = hostile(f"see {secret} now")
    text = page(given, made, redactor=make_redactor({"BOT_PASSWORD": secret}))
    assert "hunter2" not in text
    assert "[redacted:BOT_PASSWORD]" in text


def test_html__rows__every_one_with_its_flags():
    made = with_rows(full_report(), 1000)
    data = Page(page(made, comparison())).data
    texts = data["texts"]
    assert len(data["id"]) == 1000
    by_id = {texts[place]: row for row, place in enumerate(data["id"])}
    flags = {name: data["flags"][row] for name, row in by_id.items()}
    assert flags["deliver-044"] == 2
    assert flags["refund-020"] == 2 + 4
    assert flags["refund-014"] == 1 + 4
    assert flags["s0001"] == 0
    row = by_id["refund-014"]
    assert texts[data["input"][row]] == "환불은 며칠 걸리나요?"
    votes = data["more"][str(row)]["why"][1]["votes"]
    assert [texts[vote["said"]] for vote in votes] == ["bad", "partial", "judge_invalid"]
    before = data["before"][str(data["id"][row])]
    assert texts[before] == "Yes, within 30 days, with the receipt."


def test_html__1000_rows_stay_small():
    assert len(page(with_rows(full_report(), 1000)).encode()) < 300_000


def test_html__a_report_without_texts_still_shows_its_rows():
    made = with_rows(full_report())
    bare = replace(
        made.samples, inputs=None, expected=None, answers=None, tags=None, languages=None
    )
    data = Page(page(replace(made, samples=bare))).data
    assert set(data["answer"]) == {-1}
    assert len(data["id"]) == 240


@pytest.mark.parametrize("verdict", list(Verdict))
def test_html__every_verdict_has_a_word_and_a_sign(verdict):
    text = page(report(), comparison(verdict))
    assert re.search(r'<p class="verdict"><span aria-hidden="true">[✓✕≈○]</span> <strong>\w', text)


def test_html__says_so_where_nothing_was_compared():
    assert "비교하지 않음" in page(report(), language=Language.KO)


def test_html__needs_the_scores():
    with pytest.raises(NothingToDo, match="needs the scores"):
        render(None, comparison(), format=ReportFormat.HTML)
