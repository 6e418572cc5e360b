"""The HTML report: one file, inert whatever stands in it."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import pytest
from full_comparison import a_slice, exemption, full_comparison, labelled
from full_report import full_report, with_rows
from hostile_reports import PAYLOADS, hostile
from made_reports import comparison, first_run, lost, report
from outcomes import OUTCOMES
from rendering import render

from lm_eval_so.core.records.changes import FlakyCase
from lm_eval_so.core.records.enums import Language, ReportFormat, Verdict
from lm_eval_so.core.records.report import Labels
from lm_eval_so.core.records.sample import SourcePlace
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.errors import NothingToDo

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
    *(
        "form",
        "input",
        "select",
        "button",
        "label",
        "noscript",
        "ol",
        "dialog",
        "kbd",
        "svg",
        "line",
        "rect",
    ),
    *("a", "nav", "article", "b", "mark", "ol", "footer"),
    *("defs", "symbol", "use", "path", "circle", "text", "i"),
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


def first_screen(text):
    return text[text.index("<header") : text.index("</section>")]


def everywhere(text):
    made, given = hostile(text)
    rows = replace(
        given.samples,
        ids=(text, *given.samples.ids[1:]),
        sources=(SourcePlace(file=text, at={"path": text}, quote=text),) * 240,
        references=((text,),) * 240,
        inputs=(text,) * 240,
        expected=(text,) * 240,
        answers=(text,) * 240,
        tags=((text,),) * 240,
        languages=(text,) * 240,
        scores={text: (0.0,) * 240},
        labels={text: Labels(values=(text,), places=(0,) * 240)},
    )
    made = replace(
        made,
        changed=(
            replace(made.changed[0], again=(1, 2)),
            replace(made.changed[0], metric=f"{text} 2", again=(2, 2)),
            *made.changed[1:],
        ),
        slices=(
            a_slice(text, text, metric=text),
            a_slice("tag", text, proven=False),
            a_slice("language", text, small=True, p_adjusted=None),
        ),
        flaky=(FlakyCase(sample_id=text, metric=text, baseline=1.0, candidate=0.0, again=(1, 3)),),
        quarantine=(
            exemption(text, metric=text, reason=text, until=text, scores={text: (1, 0)}),
            exemption(text, state="unknown_sample", meant=text, where=text, scores={}),
        ),
        accept=(
            exemption(text, metric=text, reason=text, until=text, max_drop=1.0, on_base=False),
        ),
        rerun=text,
    )
    return page(replace(given, samples=rows), made)


def test_run__each_fact_is_told_once_without_a_baseline_too():
    for compared in (first_run(), comparison()):
        told = re.findall(r"<div><dt>(.*?)</dt><dd><code>", page(report(), compared))
        assert "lm-eval-so" in told
        assert len(told) == len({*told})


def everywhere_at_first(text):
    """Return the page of a run without a baseline, which says what is wrong and what to do next."""
    _, given = hostile(text)
    made, settings = first_run(), {"report": {"out": text}}
    place = replace(made.baseline, path=text, commit=text)
    experiment = replace(given.experiment, complete=True, evaluator_config=settings)
    wrong = replace(given, experiment=experiment, failed_ids=(text,))
    return page(wrong, replace(made, metrics={}, baseline=place))


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("table", ["forest", "stacked"])
def test_html__figures_keep_their_heads_where_a_narrow_screen_stacks_them(table, language):
    text = page(compared=full_comparison(), language=language)
    shown = text.split(f'<table class="{table}">')[1].partition("</table>")[0]
    head, _, rows = shown.partition("</thead>")
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', head)[1:]
    named = [each for each in heads if "<span" not in each]  # a drawing, and a note, have none
    named = named[:3] if table == "forest" else named  # a verdict is a word
    made = [row for row in rows.split("<tr>") if "data-head" in row]
    assert len(made) == len((full_comparison() if table == "forest" else full_report()).metrics)
    for row in made:
        assert re.findall(r'data-head="([^"]*)"', row) == named


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", ["full", "regression"])
def test_html__golden(name, language, golden):
    compared = full_comparison() if name == "regression" else None
    text = page(labelled(), compared, language=language)
    shown = text.partition("</style>")[2].partition('<script type="application/json"')[0]
    golden(f"report/{name}.{language}.html", shown)


def test_html__same_input_same_bytes():
    assert page(None, comparison()) == page(None, comparison())


@pytest.mark.parametrize("make", [everywhere, everywhere_at_first])
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_html__hostile_texts_do_nothing(payload, make):
    found = Page(make(payload))
    assert set(found.tags) <= OURS
    assert found.tags.count("script") == 3
    assert [given.get("type") for given, _ in found.scripts] == [
        "application/json",
        "application/json",
        None,
    ]
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "style", "action", "srcdoc"}
    assert all(
        re.fullmatch("#[a-z-]+", value) for name, value in found.attributes if name == "href"
    )
    assert found.data["texts"]
    shown = " ".join(normalise(payload)[:40].split())
    assert any(shown in " ".join(text.split()) for text in found.texts)


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_html__hostile_slices_and_samples_pick_what_the_rows_say(payload):
    found = Page(everywhere(payload))
    chosen = [value for name, value in found.attributes if name in {"data-value", "data-key"}]
    assert len({*chosen} - {""}) >= 1
    assert {*chosen} - {""} <= {*found.data["texts"]}


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
    asked = (script + found.styles[0]).replace("http://www.w3.org/2000/svg", "")  # a name
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", asked)


def test_html__secrets_are_taken_out_of_page_and_data():
    secret = "hunter2-long-password`|<x>"
    made, given = hostile(f"see {secret} now")
    text = page(given, made, redactor=make_redactor({"BOT_PASSWORD": secret}))
    assert "hunter2" not in text
    assert "[redacted:BOT_PASSWORD]" in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_html__every_verdict_has_a_word_and_a_sign(verdict):
    text = page(report(), comparison(verdict))
    assert re.search(r'<p class="word (\w+)"><svg [^>]*><use href="#i-\1"/></svg>\w', text)


def test_html__what_the_pull_request_accepts_stands_under_the_headline():
    head = first_screen(page(report(), OUTCOMES["accepted here"][0]))
    assert "2 drops accepted by this pull request</h1>" in head
    assert "<code>tone-002</code>" in head
    assert "<span>새 말투 안내</span>" in head


def test_html__says_so_where_nothing_was_compared():
    assert "비교 없음" in page(report(), language=Language.KO)


def picks(text):
    found = []
    for tag in re.findall(r'<button [^>]*class="pick"[^>]*>', text):
        given = dict(re.findall(r'data-(\w+)="([^"]*)"', tag))
        found.append((given["by"], given["key"], unescape(given["value"])))
    return found


def where(text):
    return text.partition('<section id="where"')[2].partition("</section>")[0]


def test_html__slices_of_a_comparison_pick_their_rows():
    shown, _, others = where(page(labelled(), full_comparison())).partition("<details")
    assert picks(shown) == [
        ("tag", "", "환불"),
        ("label", "product", "케이블 & 젠더"),
        ("language", "", "en"),
        ("label", "product", "(none)"),
    ]
    assert picks(others) == [("label", "length", "51–200")]
    assert re.findall(r'<span class="verd (\w+)">', shown) == ["bad", "bad", "pass"]
    assert "(7)</p>" in shown.partition("Fewer than 10 cases")[2]
    assert "By other metrics (1)" in others
    assert "84 slices and metrics were tested" in shown


def test_html__slices_without_a_proven_one_say_so():
    made = replace(full_comparison(), slices=(a_slice("tag", "환불", proven=False),))
    assert "No slice changed beyond chance." in where(page(labelled(), made))
    assert "No slice changed" not in page(labelled(), full_comparison())


def test_html__a_slice_that_no_row_tells_of_picks_nothing():
    made = with_rows(full_report())
    bare = replace(made, samples=replace(made.samples, tags=None, languages=None))
    assert {by for by, _, _ in picks(page(bare))} == {"status"}
    assert {by for by, _, _ in picks(where(page(bare, full_comparison())))} == set()


def test_html__a_status_is_picked_by_the_name_that_the_rows_have():
    text = page(labelled(), language=Language.KO)
    data = Page(text).data
    names = {data["texts"][row[1]] for rows in data["rows"] for row in rows}
    chosen = {value for by, _, value in picks(text) if by == "status"}
    assert chosen == {"정상"}
    assert chosen <= names


def test_html__what_does_not_count_and_what_to_run_again():
    text = page(labelled(), full_comparison())
    part = text.partition("Known flaky and accepted</h2>")[2].partition("</section>")[0]
    for told in ("worse again in 1 of 3 re-runs", "Known flaky, not gating (2)"):
        assert told in part
    assert [value for by, _, value in picks(part) if by == "q"] == [
        "s0011",
        "환불-9",
        "s0012",
        "s0013",
    ]
    assert "<pre>lm-eval-so run --config lm-eval-so.yaml -o runs/baseline\n" in text
    plain = page(labelled(), comparison())
    assert "Known flaky" not in plain
    assert "To measure the baseline again" not in plain


def test_html__needs_the_scores():
    with pytest.raises(NothingToDo, match="needs the scores"):
        render(None, comparison(), format=ReportFormat.HTML)


@pytest.mark.parametrize("language", list(Language))
def test_render__cases_that_lost_their_answer_stand_in_the_head(language, golden):
    made = comparison(Verdict.PASS, changed=(), lost=lost())
    text = render(report(), made, format="html", language=language)
    head = first_screen(text)
    assert '<header class="bar open">' in head
    golden(f"report/lost-head.{language}.html", head + "\n")


@pytest.mark.parametrize(
    ("change", "bar"),
    [
        ({"delta": 0.3}, [("pass", "100", "100")]),
        ({"delta": -0.3}, [("bad", "0", "100")]),
        ({"delta": 0.0}, []),
        ({"delta": None}, []),
        ({"metric": "latency_ms", "delta": 1.2}, [("bad", "0", "100")]),
        ({"metric": "latency_ms", "delta": 0.8}, [("pass", "100", "100")]),
    ],
)
def test_html__slices_are_coloured_by_their_change(change, bar):
    """A slice far below the mean of all samples is green if it got better; slower is worse."""
    made = replace(comparison(), slices=(a_slice("tag", "refund", **change),))
    found = re.findall(
        r'<rect class="f-(\w+)" x="(\d+)" y="6" width="(\d+)"', where(page(report(), made))
    )
    assert found == bar


def test_html__slices_of_a_score_come_before_those_of_a_cost_that_decides():
    made = comparison(Verdict.PASS)
    passed = {key: replace(m, gating=True, verdict=Verdict.PASS) for key, m in made.metrics.items()}
    ordered = {"latency_ms": passed.pop("latency_ms"), **passed}
    names = ("latency_ms", "exact_match")
    slices = tuple(a_slice("tag", "refund", metric=name, proven=False) for name in names)
    shown = where(page(report(), replace(made, metrics=ordered, slices=slices)))
    first, _, others = shown.partition("<details")
    assert "82.0% → 61.0%" in first
    assert "82.0%" not in others


def test_html__slices_without_a_comparison_are_coloured_by_their_distance():
    [cell] = re.findall(r'refund <small>tag</small></th><td class="num (\S+)"', page(report()))
    assert cell == "t-4"
