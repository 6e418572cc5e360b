"""The report page in a real Chromium: four stories, the list of cases, keys, access, hostile texts, paper.

With LM_EVAL_SO_SCREENSHOTS set to a folder, a picture of every story is written there, in both languages,
light and dark, narrow and wide.
"""

import io
import json
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from full_comparison import full_comparison, labelled
from hostile_reports import PAYLOADS, hostile
from made_reports import changed, comparison
from page_stories import STORIES, story
from pypdf import PdfReader
from rendering import render
from servers.chromium import Browser, browser
from servers.markdown import code_texts, dangers

from lm_eval_so.core.records.changes import RewordedCase
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.templates.safe import cut

SCREENSHOTS = os.environ.get("LM_EVAL_SO_SCREENSHOTS")
LOOKS = [*product((Language.EN, Language.KO), (False, True), (1280, 390))]
"""Language, whether it is dark, and width in pixels."""
WIDTHS = (320, 390, 640, 700, 960, 1280, 1920)
HOSTILE = {
    **PAYLOADS,
    "script end": "</script><script>window.owned = 1</script><!--<script>",
    "handlers": "<img src=x onerror='window.owned = 1'><svg onload='window.owned = 1'>",
    "attribute": "\" autofocus onfocus='window.owned = 1' x='",
    "separators": "a\u2028b\u2029c",
    "surrogate": "\ud800 \udfff",
    "names": "__proto__",
}
WATCH = """
window.told = [];
addEventListener("securitypolicyviolation", (event) => told.push(event.violatedDirective));
Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { window.handed = text; } } });
"""
AXE_RUN = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`))"""
WIDER = """[Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
  [...document.querySelectorAll("#list .row")].filter((row) => row.scrollWidth > row.clientWidth).length]"""
"""By how much the page is wider than the screen, and how many rows are wider than the list."""
OPEN = """[...document.querySelectorAll("#list .row")].filter((row) => row.childElementCount > 1)
  .map((row) => row.querySelector(".id").textContent)"""
ROWS = """[...document.querySelectorAll("#list .row > h3 > button")]
  .map((row) => [row.querySelector(".verd").textContent, row.querySelector(".id").textContent, row.querySelector(".sc").textContent])"""
VIEWS = """Object.fromEntries([...document.querySelectorAll("#views button")]
  .map(({ dataset, lastChild }) => [dataset.view, lastChild.textContent]))"""
PIECES = """[...document.querySelectorAll("#list .row")].map((row) => [...row.querySelectorAll(".pair .answer")].map((text) =>
  [...text.childNodes].map((node) => [node.nodeType === 3 ? "same" : node.className || "only", node.className ? "" : node.textContent])))"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        made.ask("Network.enable")
        yield made


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe-core, which finds faults that keep people out."""
    found = find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core-python is not installed")
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


def write(folder: Path, report: Any, compared: Any = None, **style: Any) -> Path:
    file = folder / "report.html"
    file.write_text(render(report, compared, format="html", **style), "utf-8")
    return file


def show(chromium: Browser, fragment: str) -> None:
    """Go to a fragment of the page, and wait until the page has heard of it."""
    heard = 'new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }))'
    chromium.run(
        f"(() => {{ const heard = {heard}; location.hash = {json.dumps(fragment)}; return heard; }})()"
    )


def quiet(chromium: Browser) -> bool:
    """Return whether nothing was executed, asked for or refused."""
    logged = [e["params"]["entry"] for e in chromium.events if e["method"] == "Log.entryAdded"]
    noisy = [each for each in logged if each["source"] in {"security", "network", "javascript"}]
    asked = [e for e in chromium.events if e["method"] == "Network.requestWillBeSent"]
    noisy += [e for e in asked if e["params"]["documentURL"] != e["params"]["request"]["url"]]
    return not noisy and chromium.run("[told.length, window.owned ?? 0]") == [0, 0]


@pytest.mark.parametrize("name", STORIES)
def test_page__every_story_fits_every_screen_and_everyone_can_use_it(
    chromium: Browser, axe: str, tmp_path: Path, name: str
) -> None:
    looks = LOOKS if SCREENSHOTS else [LOOKS[STORIES.index(name) * 3 % len(LOOKS)]]
    for language, dark, width in looks:
        page = write(tmp_path, *story(name, language), language=language)
        chromium.look(width, dark=dark)
        chromium.open(page, before=WATCH)
        chromium.press("j")
        chromium.press("o")
        assert chromium.run("document.documentElement.lang") == language
        assert len(chromium.run(ROWS)) == 12
        if SCREENSHOTS:
            _picture(
                chromium,
                Path(SCREENSHOTS) / f"{name}.{language}.{'dark' if dark else 'light'}.{width}.png",
            )
        chromium.run(f"{axe}; 1")
        assert chromium.run(AXE_RUN) == []
        assert quiet(chromium)
    for width in WIDTHS:
        chromium.look(width)
        assert chromium.run(WIDER) == [0, 0], width


def _picture(chromium: Browser, file: Path) -> None:
    chromium.run("scrollTo(0, 0)")
    taken = chromium.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b64decode(taken["data"]))


def test_page__stands_without_scripts(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(write(tmp_path, *story("regression")))
        told = chromium.run("document.body.innerText")
        fields = chromium.run(
            """[...document.querySelectorAll("button:not(.pick), select, input, dialog")].filter((field) => field.checkVisibility()).length"""
        )
    finally:
        chromium.ask("Emulation.setScriptExecutionDisabled", value=False)
    for text in (
        "2 of 60 cases broke",
        "Can I return a sale item after 20 days?",
        "only if they are faulty",
        "제주도는 배송비가 얼마인가요?",
        "exact_match",
        "The list needs scripts. The cases that decide stand above.",
        "Cost and time",
    ):
        assert text in told
    assert fields == 0


def test_list__filters_search_order_and_the_open_case_live_in_the_fragment(
    chromium: Browser, tmp_path: Path
) -> None:
    page = write(tmp_path, *story("regression"))
    chromium.look(1280)
    chromium.open(page, before=WATCH)
    assert chromium.run(VIEWS) == {
        "all": "60", "broke": "2", "slip": "2", "worse": "2", "better": "2",
        "both": "2", "same": "52", "reworded": "3", "failing": "6",
    }  # fmt: skip
    assert chromium.run(ROWS)[:5] == [
        ["Broke", "refund-014", "3/3 → 0/11"],
        ["Broke", "ship-003", "3/3 → 0/11"],
        ["Slipped once", "promo-007", "3/3 → 1/2"],
        ["Slipped once", "acct-006", "2/3 → 1/2"],
        ["Wrong in both", "promo-011", "0/1"],
    ]
    chromium.run("document.querySelector('#cases').scrollIntoView()")
    languages = "[...document.querySelectorAll('#language option')].map((each) => each.textContent)"
    assert chromium.run(languages) == ["Any language", "English", "Korean"]
    chromium.click("[data-view=same]")
    assert len(chromium.run(ROWS)) == 52
    chromium.run(
        "document.querySelector('#language').value = 'ko'; document.querySelector('#language').dispatchEvent(new Event('change'))"
    )
    chromium.press("/")
    chromium.write(normalize("NFD", "배송"))  # as some systems type it
    assert {name for _, name, _ in chromium.run(ROWS)} == {
        row[1] for row in chromium.run(ROWS) if row[0] == "Unchanged"
    }
    rows = chromium.run(ROWS)
    assert 3 < len(rows) < 20
    chromium.press("Escape")
    chromium.press("j")
    chromium.press("j")
    chromium.press("o")
    assert chromium.run(OPEN) == [rows[1][1]]
    address = chromium.run("location.hash")
    there = f"history.replaceState(null, '', {json.dumps(address)});"
    chromium.open(page, before=WATCH + there)
    assert (chromium.run(ROWS), chromium.run(OPEN), chromium.run(VIEWS)["same"]) == (
        rows,
        [rows[1][1]],
        str(len(rows)),
    )
    assert chromium.text("#list .row.at .id") == rows[1][1]
    chromium.open(page, before=WATCH + "history.replaceState(null, '', '#open=s000000000000003b');")
    assert (len(chromium.run(ROWS)), chromium.run(OPEN)) == (60, ["none-005"])
    show(chromium, "#view=failing&sort=(dataset)")
    assert [name for _, name, _ in chromium.run(ROWS)][-2:] == ["promo-011", "none-004"]
    show(chromium, "#cases")  # a place on the page is no filter
    assert len(chromium.run(ROWS)) == 6
    show(chromium, "#view=nonsense&tag=nonsense&by=x&is=y&sort=z")
    assert (len(chromium.run(ROWS)), chromium.run("location.hash")) == (12, "")


def test_list__by_keyboard_alone_with_korean_input(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.open(write(tmp_path, *story("regression")), before=WATCH)
    focus = "document.activeElement.closest('#list .row')?.querySelector('.id').textContent ?? ''"
    for _ in range(80):
        chromium.press("Tab")
        assert chromium.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if chromium.run(focus):
            break
    assert chromium.run(focus) == "refund-014"
    chromium.press("Enter")
    assert chromium.run(OPEN) == ["refund-014"]
    chromium.press("Enter")
    assert chromium.run(OPEN) == []
    chromium.press("ㅓ", code="KeyJ")
    chromium.press("Process", code="KeyJ", number=229)
    chromium.press("ㅏ", code="KeyK")
    chromium.press("k")
    chromium.press("ㅓ", code="KeyJ")
    chromium.press("ㅐ", code="KeyO")
    assert (chromium.run(focus), chromium.run(OPEN)) == ("ship-003", ["ship-003"])
    chromium.press("/", code="Slash")
    for key in "jo?":
        chromium.press(key)
    chromium.ask("Input.imeSetComposition", text="한", selectionStart=1, selectionEnd=1)
    chromium.press("ㅓ", code="KeyJ", number=229)
    assert chromium.run("document.querySelector('#query').value") == "jo?한"
    assert chromium.text("#count") == "No case fits these filters."
    chromium.press("Escape", number=27)
    chromium.run("document.querySelector('#query').blur()")
    chromium.press("?", code="Slash")
    assert chromium.run("document.querySelector('#help').open")
    chromium.press("Escape")
    assert not chromium.run("document.querySelector('#help').open")


def test_list__a_case_opened(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.open(write(tmp_path, labelled(), full_comparison()), before=WATCH)
    show(chromium, "#open=refund-014")
    row = "#list .row:has(article)"
    parts = chromium.run(
        f"""[...document.querySelectorAll("{row} dt")].map((name) => `${{name.textContent}}: ${{name.nextElementSibling.textContent}}`)"""
    )
    assert parts == [
        "Why: exact_match: 기대한 답과 다릅니다",
        ("Why: helpful: bad 1, partial 1gpt-4.1 bad: 정책은 영업일 기준 3일인데 답변은 일주일이라고 합니다.일주일 정도"
        "claude-x partial: 기간이 다릅니다.gemini-y judge_invalid: no JSON"),
        "Expected: 영업일 기준 3일",
        "Other answers: 보통 일주일 정도 걸립니다. ×1",
        "Scores: exact_match 0helpful badlatency_ms 1,184 ms",
        "How sure: worse again in 1 of 2 re-runs",
        "Tags: delivery, 배송 | 교환",
        "Id: refund-014",
    ]  # fmt: skip
    chromium.run(f"document.querySelector('{row} .acts').scrollIntoView({{ block: 'center' }})")
    chromium.click(f"{row} .acts button")
    chromium.run("new Promise((done) => setTimeout(done))")
    assert chromium.text(f"{row} .acts button") == "Copied"
    assert chromium.run("handed").startswith(
        "**Got worse** ` refund-014 `\n\nQuestion:\n\n```text\n"
    )
    for block in ("Baseline", "Now", "Expected", "Why"):
        assert f"\n{block}:\n\n```text\n" in chromium.run("handed")


def test_list__another_answer_with_the_same_score_is_no_fault(
    chromium: Browser, tmp_path: Path
) -> None:
    report = labelled()
    scores = {"exact_match": (0.3125,) * len(report.samples.ids)}
    report = replace(report, samples=replace(report.samples, scores=scores))
    name, answer = report.samples.ids[20], report.answer_texts[20]
    made = RewordedCase(sample_id=name, baseline_answer=f"{answer} 감사합니다.")
    compared = replace(full_comparison(), reworded=(made,))
    chromium.open(write(tmp_path, report, compared), before=WATCH)
    show(chromium, f"#view=reworded&open={name}")
    assert [state for state, *_ in chromium.run(ROWS)] == ["Reworded"]
    sides = "[...document.querySelectorAll('#list .pair > div')].map((side) => [side.className, side.querySelector('.answer').textContent])"
    gap = "[words missing here]"
    assert chromium.run(sides) == [["", made.baseline_answer], ["", f"{answer}{gap}"]]
    told = chromium.text("#list .row")
    assert "Other answers" not in told
    assert f"exact_match {0.3125:.3g}" in told  # a half is rounded as everywhere else


def test_list__marks_what_the_reports_mark(chromium: Browser, tmp_path: Path) -> None:
    table = json.loads((Path(__file__).parents[1] / "data" / "marks.json").read_text("utf-8"))
    table = [each for each in table if each["before"] and each["now"]]
    report = labelled()
    ids = [f"s{n:04d}" for n in range(len(table))]
    moved = comparison(
        changed=tuple(
            changed(name, baseline_answer=each["before"], candidate_answer=each["now"])
            for name, each in zip(ids, table, strict=True)
        )
    )
    chromium.open(write(tmp_path, report, moved), before=WATCH)
    show(chromium, "#view=worse")
    chromium.run(
        "document.querySelectorAll('#list .row > h3 > button').forEach((button) => button.click())"
    )
    for each, (left, right) in zip(table, chromium.run(PIECES), strict=True):
        assert (left, right) == (each["left"], each["right"]), each["why"]


def test_page__hostile_texts_do_nothing(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.open(write(tmp_path, *everywhere([*HOSTILE.values()])), before=WATCH)
    click = "document.querySelectorAll({}).forEach((button) => button.click())"
    chromium.run(click.format("'#more'"))
    chromium.run(click.format("'#list .row > h3 > button'"))
    assert len(chromium.run(OPEN)) == len(HOSTILE)
    assert chromium.run("document.querySelector('.bar nav').offsetHeight") < 48
    texts = chromium.run("document.querySelector('#list').textContent")
    for payload in HOSTILE.values():
        assert cut(payload, 4000)[:60] in texts
    chromium.run("window.all = []; navigator.clipboard.writeText = async (text) => all.push(text)")
    chromium.run(click.format("'#list .acts button'"))
    handed = chromium.run("all")
    assert len(handed) == len(HOSTILE)
    for payload, text in zip(HOSTILE.values(), handed, strict=True):
        name, *blocks = code_texts(text)
        assert not dangers(text)
        assert name == " ".join(cut(payload, 4000).split())
        assert blocks.count(f"{cut(payload, 4000)}\n") >= 4
    chromium.run(click.format("'.pick'"))
    strangers = "img, iframe, object, embed, link, a[href^='javascript']"
    assert chromium.run(f"document.querySelectorAll({json.dumps(strangers)}).length") == 0
    for width in WIDTHS:
        chromium.look(width)
        assert chromium.run(WIDER) == [0, 0], width
    assert quiet(chromium)


def everywhere(payloads: list[str]) -> tuple[Any, Any]:
    """Return a report with a case of each text, all of them wherever else one stands, and a comparison."""
    made, given = hostile("\n".join(payloads))
    rows, size = given.samples, len(payloads)
    columns: Mapping[str, Any] = {
        "ids": tuple(payloads),
        "refs": tuple(payloads),
        "sample_hashes": rows.sample_hashes[:size],
        "revs": rows.revs[:size],
        "groups": (None,) * size,
        "repeats": (0,) * size,
        "statuses": ("ok",) * size,
        "inputs": tuple(payloads),
        "expected": tuple(payloads),
        "answers": tuple(payloads),
        "tags": tuple((each,) for each in payloads),
        "languages": tuple(payloads),
        "references": tuple((each,) for each in payloads),
        "scores": dict.fromkeys(payloads, (0.0,) * size),
    }
    told = changed(metric="exact_match")
    texts = (
        "sample_id",
        "input",
        "expected",
        "baseline_answer",
        "candidate_answer",
        "reason",
        "ref",
    )
    moved = tuple(replace(told, **dict.fromkeys(texts, each)) for each in payloads)
    return replace(given, samples=replace(rows, **columns)), replace(made, changed=moved)


def test_page__on_paper_the_first_page_is_complete(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.open(write(tmp_path, *story("regression")), before=WATCH)
    printed = chromium.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    paper = PdfReader(io.BytesIO(b64decode(printed["data"])))
    pages = [" ".join(page.extract_text().split()) for page in paper.pages]
    for text in ("2 of 60 cases broke", "refund-014", "faulty", "ship-003", "exact_match"):
        assert text in pages[0], pages[0]
    whole = " ".join(pages)
    assert whole.count("only if they are faulty") == 1
    assert "Search" not in whole
