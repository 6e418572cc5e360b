"""The review page in a real Chromium: keys, Korean input, saving, access, labels."""

import csv
import io
import json
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers.chromium import Browser, browser
from servers.commands import lm_eval_so

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.review import Decision, ReviewHead
from lm_eval_so.core.records.review_page import (
    ReviewItem,
    ReviewPage,
    ShownCell,
    ShownDataset,
    ShownEvidence,
    ShownFlag,
    ShownTurn,
)
from lm_eval_so.core.review_page.pages import review_pages
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.take_review import take_review

NO_PICKER = "delete window.showSaveFilePicker;"
PICKER = """
window.offered = []; window.wrote = [];
window.showSaveFilePicker = async ({ suggestedName }) => {
  offered.push(suggestedName);
  if (window.refuses) throw new DOMException("no", "AbortError");
  return { name: "mine.jsonl", createWritable: async () => ({ write: async (text) => wrote.push(text), close: async () => {} }) };
};
"""
HOSTILE = "</script><img src=x onerror='window.owned = 1'>{n} **굵게**"
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = (color) => {
    const [r, g, b] = [...rgb(color)].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => { while (node && rgb(getComputedStyle(node).backgroundColor)[3] === 0) node = node.parentElement; return node ? getComputedStyle(node).backgroundColor : "white"; };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((kid) => kid.nodeType === 3 && kid.data.trim()) || node.value;
    if (!own || !node.checkVisibility({ visibilityProperty: true }) || node.closest("script")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.outerHTML.slice(0, 80)]);
  }
  return [found.length, ...found.sort((x, y) => x[0] - y[0])[0]];
})()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        yield made


def item(number: int, **changed: Any) -> ReviewItem:
    made = ReviewItem(
        id=f"s{number}",
        rev=f"r{number}",
        type="fact",
        language="ko",
        turns=(ShownTurn(role="user", text=f"{number}번 질문인가요?"),),
        expected=f"{number},000원입니다.",
        must_say=(f"{number},000원",),
        evidence=(
            ShownEvidence(
                role="gold",
                file="returns.docx",
                place="2쪽",
                heading="2. 배송비",
                before="앞 문장입니다. ",
                quote=f"배송비는 {number},000원입니다.",
            ),
        ),
        status="unreviewed",
    )
    return replace(made, **changed)


THIRTY = [
    item(0, turns=(ShownTurn(role="user", text=HOSTILE),), expected=HOSTILE),
    item(1, flags=(ShownFlag(code="conflict", text="faq.csv에는 다르게 적혀 있습니다."),)),
    item(2, type="unanswerable", expected=None, behavior="abstain", must_say=()),
    item(
        3,
        turns=tuple(
            ShownTurn(role=role, text=f"{role} 말") for role in ("user", "assistant", "user")
        ),
        evidence=(
            ShownEvidence(
                role="gold",
                file="가격.xlsx",
                quote="| 제주 | 6,000원 |",
                cells=tuple(
                    ShownCell(column=f"아주 긴 열 이름 {n}", text="6,000원", is_quoted=n == 1)
                    for n in range(7)
                ),
            ),
        ),
    ),
    item(
        4,
        type="scenario",
        expected=None,
        must_say=(),
        must_not=("공짜",),
        goal="반품을 끝낸다",
        facts=("주문: 어제",),
        success=("6,000원",),
    ),
    *map(item, range(5, 30)),
]


def write_page(
    folder: Path, *, name: str, sha: str = "0", items: list[ReviewItem] = THIRTY, **changed: Any
) -> Path:
    page = ReviewPage(
        mode="review",
        language="ko",
        dataset=ShownDataset(name=f"상점 {name}", sha256=sha),
        items=tuple(items),
        command="lm-eval-so dataset review import made {file}",
    )
    file = folder / "review.html"
    file.write_text(review_pages(replace(page, **changed))[0], "utf-8")
    return file


def decided(chromium: Browser) -> str:
    return chromium.text("#count")


def open_again(chromium: Browser, page: Path, count: str) -> bool:
    """Load a page that kept as many decisions, and return whether the browser asked if to leave.

    A busy Chromium may hand a page its storage as it was before; the next load has what was kept.
    """
    asked = chromium.open(page, before=NO_PICKER)
    for _ in range(3):
        if decided(chromium) != count:
            chromium.open(page, before=NO_PICKER)
    assert decided(chromium) == count
    return asked


def test_page__thirty_tests_by_keyboard_with_korean_input(
    chromium: Browser, tmp_path: Path
) -> None:
    page = write_page(tmp_path, name="1", sha="keys")
    chromium.look(1280)
    chromium.open(page, before=NO_PICKER)
    assert chromium.text("h2") == HOSTILE
    assert chromium.run("document.images.length") == 0
    chromium.press("ㅁ", code="KeyA")
    assert chromium.text("#live") == "승인 1/30"
    assert chromium.run("document.activeElement.tagName") == "H2"
    chromium.press("Process", code="KeyR", number=229)
    chromium.press("2")
    assert chromium.text("#live") == "반려: 답할 수 없음 2/30"
    chromium.press("ㅔ", code="KeyP")  # no command
    chromium.press("ㅓ", code="KeyJ")
    assert chromium.text("#panel code") == "s3"
    chromium.press("Process", code="KeyK", number=229)
    assert chromium.text("#panel code") == "s2"
    chromium.press("a")
    chromium.press("ㄷ", code="KeyE")
    for key in "jar":
        chromium.press(key)  # in a field no key is a command
    chromium.ask("Input.imeSetComposition", text="한글", selectionStart=2, selectionEnd=2)
    chromium.press("Enter", number=229)
    chromium.press("Enter", ctrl=True, number=229)
    chromium.press("Escape", number=229)
    assert decided(chromium) == "3 / 30"
    assert chromium.run("document.querySelector('[name=question]').value") == "user 말jar한글"
    chromium.write("한글")
    chromium.write(unicodedata.normalize("NFD", " 각각"))
    chromium.press("Enter", ctrl=True)
    assert decided(chromium) == "4 / 30"
    chromium.press("r")
    chromium.press("Escape")
    chromium.press("a")
    chromium.press("u")
    assert (decided(chromium), chromium.text("#panel code")) == ("4 / 30", "s4")
    chromium.press("Tab")
    chromium.write("왜냐하면 jk")
    chromium.press("Escape")
    chromium.press("r")
    chromium.press("5")
    chromium.press("f")
    assert (chromium.text("#items small"), chromium.text("#panel code")) == (
        "사실 · 먼저 확인할 것, 반려: 답할 수 없음",
        "s1",
    )
    assert chromium.run("document.querySelectorAll('#items button').length") == 1
    chromium.press("f")
    chromium.run("scrollTo(0, 0)")
    chromium.click("#items li:nth-child(6) button")
    chromium.press("a", held=True)  # nobody accepts by leaning on a key
    assert decided(chromium) == "5 / 30"
    for _ in range(25):
        chromium.press("a")
    assert decided(chromium) == "30 / 30"

    assert chromium.open(page, before=NO_PICKER, leaves=False)
    assert decided(chromium) == "30 / 30"
    assert open_again(chromium, page, "30 / 30")
    names = "Object.keys(localStorage).filter((name) => name.startsWith(`${store} `))"
    assert len(chromium.run(names)) == 30  # one each, so that no tab overwrites another's
    chromium.click("#who")
    chromium.write("김검토")
    chromium.press("Escape")
    chromium.press("s")
    saved = chromium.downloaded()
    assert saved.name == "decisions-상점_1.jsonl"
    assert "lm-eval-so dataset review import made decisions-상점_1.jsonl" in chromium.text(
        "#notice"
    )
    head, *lines = saved.read_bytes().splitlines()
    assert loads(head, ReviewHead) == ReviewHead(dataset_sha256="keys", reviewer="김검토")
    made = [loads(line, Decision) for line in lines]
    others = {
        "s1": Decision(id="s1", rev="r1", decision="reject", reason="not_answerable"),
        "s3": Decision(id="s3", rev="r3", decision="edit", question="user 말jar한글 각각"),
        "s4": Decision(id="s4", rev="r4", decision="reject", reason="other", note="왜냐하면 jk"),
    }
    assert made == [
        others.get(each.id) or Decision(id=each.id, rev=each.rev, decision="accept")
        for each in THIRTY
    ]
    assert not open_again(chromium, page, "30 / 30")
    assert chromium.text("#saved") == "저장됨"


def test_page__edits_only_what_changed_and_never_to_nothing(
    chromium: Browser, tmp_path: Path
) -> None:
    chromium.open(write_page(tmp_path, name="edits", items=[item(5)]), before=PICKER)
    chromium.press("e")
    chromium.run("document.querySelector('[name=expected]').value = '  '")
    chromium.press("Enter", ctrl=True)
    assert chromium.run("document.activeElement.name") == "expected"
    assert (chromium.text("#live"), decided(chromium)) == ("비워 둘 수 없습니다", "0 / 1")
    chromium.press("Escape")
    chromium.press("e")
    chromium.press("Enter", ctrl=True)
    assert chromium.text(".done") == "승인"  # nothing was changed
    chromium.press("e")
    chromium.run("document.querySelector('[name=must_say]').value = ' 오천 원\\n\\n5,000원 '")
    chromium.press("Enter", ctrl=True)
    chromium.run("window.refuses = true")
    chromium.press("s")
    assert (chromium.text("#live"), chromium.text("#saved")) == (
        "저장하지 않았습니다",
        "저장 안 됨",
    )
    chromium.run("window.refuses = false")
    chromium.press("s")
    chromium.press("s")
    offered, (first, second) = chromium.run("offered"), chromium.run("wrote")
    assert offered == ["decisions-상점_edits.jsonl"] * 2  # once it is granted, the same file again
    assert first == second
    assert json.loads(first.splitlines()[1]) == {
        "id": "s5",
        "rev": "r5",
        "decision": "edit",
        "must_say": ["오천 원", "5,000원"],
    }


def test_page__each_key_has_a_button(chromium: Browser, tmp_path: Path) -> None:
    chromium.look(1280)
    chromium.open(write_page(tmp_path, name="mouse", items=THIRTY[:4]), before=NO_PICKER)

    def click(key: str) -> None:
        chromium.click(f'[aria-keyshortcuts="{key}"]')

    seen = []
    for key in ("j", "k", "a", "u", "r", "3", "f", "f", "e", "Escape", "e", "Control+Enter", "s"):
        click(key)
        seen.append((key, chromium.text("#panel code"), decided(chromium)))
    assert seen == [
        ("j", "s1", "0 / 4"),
        ("k", "s0", "0 / 4"),
        ("a", "s1", "1 / 4"),
        ("u", "s0", "0 / 4"),
        ("r", "s0", "0 / 4"),
        ("3", "s1", "1 / 4"),
        ("f", "s1", "1 / 4"),
        ("f", "s1", "1 / 4"),
        ("e", "s1", "1 / 4"),
        ("Escape", "s1", "1 / 4"),
        ("e", "s1", "1 / 4"),
        ("Control+Enter", "s2", "2 / 4"),
        ("s", "s2", "2 / 4"),
    ]
    assert chromium.downloaded().stat().st_size > 0
    click("?")
    assert chromium.run("document.querySelector('dialog').open")


def test_page__offers_decisions_of_an_earlier_page_that_still_fit(
    chromium: Browser, tmp_path: Path
) -> None:
    items = [item(1), item(2), item(3)]
    chromium.open(write_page(tmp_path, name="earlier", sha="before", items=items))
    for _ in items:
        chromium.press("a")
    items[1] = replace(items[1], rev="changed")
    after = write_page(tmp_path, name="earlier", sha="after", items=[*items, item(4)])
    for _ in range(3):  # as in `open_again`
        chromium.open(after)
        if told := not chromium.run("document.querySelector('#notice').hidden"):
            break
    assert told
    assert "결정 2개" in chromium.text("#notice")
    assert decided(chromium) == "0 / 4"
    chromium.click("#notice button")
    assert decided(chromium) == "2 / 4"
    open_again(chromium, after, "2 / 4")
    assert chromium.run("document.querySelector('#notice').hidden")
    other_tab = """dispatchEvent(new StorageEvent("storage", {
      key: `${store} s4`, newValue: JSON.stringify({ made: { id: "s4", rev: "r4", decision: "reject" } }),
    }))"""
    chromium.run(other_tab)
    assert decided(chromium) == "3 / 4"


def test_page__what_it_saves_is_what_import_takes(chromium: Browser, tmp_path: Path) -> None:
    table = "| 지역 | 요금 |\n|---|---|\n" + "".join(
        f"| 지역{n} | {n},000원 |\n" for n in range(1, 5)
    )
    (tmp_path / "fees.md").write_text(f"# 배송비\n\n{table}", "utf-8")
    sources = [{"id": "docs", "as": "documents", "path": "fees.md"}]
    writing = {"sources": sources, "synthesise": {"questions": 4, "mix": {"fact": 1}}}
    values = {"version": 1, "suite": "s", "language": "ko", "dataset": {"path": "made"}}
    config = make_config({**values, "generator": writing}, folder=tmp_path)
    assert generate(config, Resources()).files[-1] == tmp_path / "made/review.html"
    chromium.look(1280)
    chromium.open(tmp_path / "made/review.html", before=NO_PICKER)
    assert chromium.run("document.querySelectorAll('mark').length") == 2
    for key in ("a", "r", "1", "e"):
        chromium.press(key)
    chromium.run("document.querySelector('[name=expected]').value += '입니다'")
    chromium.press("Enter", ctrl=True)
    chromium.press("s")
    taken = take_review(tmp_path / "made", chromium.downloaded())
    assert (taken.accepted, taken.rejected, taken.edited) == (1, 1, 1)
    chromium.open(tmp_path / "made/review.html")
    assert chromium.text("#count").endswith("/ 1")  # one is left


def test_page__ids_may_be_names_of_javascript(chromium: Browser, tmp_path: Path) -> None:
    named = [item(n, id=name) for n, name in enumerate(("constructor", "__proto__", "toString"))]
    chromium.open(write_page(tmp_path, name="ids", sha="ids", items=named), before=NO_PICKER)
    assert decided(chromium) == "0 / 3"
    chromium.press("j")
    chromium.press("e")
    chromium.write("!")
    assert chromium.run("({}).question === undefined")
    chromium.press("Enter", ctrl=True)
    assert (chromium.text("h2"), decided(chromium)) == ("2번 질문인가요?", "1 / 3")
    assert "__proto__" in chromium.run("written()")


def test_page__asks_nothing_and_runs_nothing_of_others(chromium: Browser, tmp_path: Path) -> None:
    told = "window.told = []; addEventListener('securitypolicyviolation', (e) => told.push(e.violatedDirective));"
    chromium.open(write_page(tmp_path, name="policy"), before=told + NO_PICKER)
    for key in "arajk?":
        chromium.press(key)
    chromium.press("Escape")
    chromium.press("s")
    chromium.downloaded()
    assert chromium.run("[told, window.owned]") == [[], None]
    logged = [e["params"]["entry"] for e in chromium.events if e["method"] == "Log.entryAdded"]
    assert not [entry for entry in logged if entry["source"] in {"security", "network"}]
    attack = """new Promise((done) => {
      addEventListener("securitypolicyviolation", (e) => done(e.violatedDirective));
      const script = document.createElement("script");
      script.textContent = "window.owned = 1";
      document.body.append(script);
    })"""
    assert chromium.run(attack) == "script-src-elem"
    assert chromium.run("window.owned") is None


@pytest.mark.parametrize("mode", ["review", "labels"])
def test_page__has_names_order_contrast_and_room(
    chromium: Browser, tmp_path: Path, mode: Any
) -> None:
    labels = {"metric": "helpful", "repeat": 0, "answer": "답변", "labels": tuple("54321")}
    items = (
        [replace(each, status=None, **labels) for each in THIRTY] if mode == "labels" else THIRTY
    )
    page = write_page(tmp_path, name=f"look-{mode}", items=items, mode=mode)
    state = ("1",) if mode == "labels" else ("a", "e", "Escape", "r", "Escape", "j", "j")
    for width, dark in ((1280, False), (360, True)):
        chromium.look(width, dark=dark)
        chromium.open(page)
        for key in ("", *state):
            if key:
                chromium.press(key)
            nodes = chromium.ask("Accessibility.getFullAXTree")["nodes"]
            told = [node for node in nodes if not node["ignored"]]
            named = [
                n for n in told if n["role"]["value"] in {"button", "textbox", "link", "region"}
            ]
            assert len(named) > 8
            assert not [node for node in named if not node.get("name", {}).get("value")]
            texts, worst, where = chromium.run(CONTRAST)
            assert texts > 10
            assert worst >= 4.5, where
            assert chromium.run("document.documentElement.scrollWidth - innerWidth") <= 0
        if width == 360:
            assert not chromium.run("document.querySelector('#items').checkVisibility()")
            chromium.click("#fold")
            assert chromium.run("document.querySelector('#items').checkVisibility()")
        headings = [n for n in told if n["role"]["value"] == "heading"]
        levels = [
            p["value"]["value"] for n in headings for p in n["properties"] if p["name"] == "level"
        ]
        assert levels == [1, 2]
    if mode == "review":  # a conversation to play cannot be edited here
        chromium.click("#items li:nth-child(5) button")
        names = [*chromium.run("[...document.querySelectorAll('dt')].map((x) => x.textContent)")]
        assert names[:4] == ["목표", "사용자가 아는 것", "성공 조건", "금지 표현"]
        chromium.press("e")
        assert not chromium.run("document.querySelector('[name=question], [aria-keyshortcuts=e]')")
    if mode == "labels":  # a label that is a digit has that key
        chromium.press("4")
        assert chromium.text("#live").startswith("4 ")
    chromium.look(1280)


CONFIG = """\
version: 1
suite: shop
dataset: {path: test.jsonl}
backend: {name: scripted, options: {default: echo}}
run: {cache: false}
metrics:
  - id: helpful
    name: llm_judge
    params: {rubric: "답이 맞는가?", labels: [good, bad]}
    backend:
      name: scripted
      options: {match: regex, default: '{"reason": "맞음", "label": "good"}', answers: {"나쁨": '{"reason": "틀림", "label": "bad"}'}}
  - id: versus
    name: pairwise
    only: {tags: [pair]}
    backend: {name: scripted, options: {default: '{"reason": "같음", "label": "TIE"}'}}
"""


def test_calibrate__labels_of_the_page_are_those_of_the_table(
    chromium: Browser, tmp_path: Path
) -> None:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, "utf-8")
    rows = [
        {"id": f"질문-{n}", "input": f'{"나쁨" if n % 3 else "=좋음"}, "{n}"\n<b>둘째</b> 줄'}
        for n in range(12)
    ]
    for row in rows[:2]:
        row |= {
            "tags": ["pair"],
            "metrics": {"versus": {"baseline_answer": f"옛 답변 {row['id']}"}},
        }
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    environ = {"SOURCE_DATE_EPOCH": "1790000000"}

    def command(*arguments: str) -> str:
        done = lm_eval_so(*arguments, cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    command("run", "-q")
    command("evaluate", "-q", "--export-labels", "12")
    file = tmp_path / "reports/labels_todo.csv"
    file.write_text(file.read_text("utf-8").replace(",,,\n", ",Bad,이,이유\n", 1), "utf-8")
    told = command("calibrate", "reports/labels_todo.csv", "--page")
    assert told == "reports/labels_todo.html\n"
    table = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    assert table[0]["label"] == "Bad"
    pairs, table = [r for r in table if r["answer_b"]], [r for r in table if not r["answer_b"]]
    chromium.look(1280)
    chromium.open(tmp_path / "reports/labels_todo.html", before=NO_PICKER)
    assert (decided(chromium), chromium.text(".done")) == ("1 / 14", "bad")
    chromium.press("j")
    for number, row in enumerate(table[1:-1]):  # the last one stays without a label
        assert chromium.text("#panel code") == row["id"]
        is_good = "좋음" in row["answer"] or number == 1
        chromium.press("1" if is_good else "2")
        row |= {"label": "good" if is_good else "bad", "annotator": "김"}
    chromium.press("j")
    for row, key in zip(pairs, "12", strict=True):
        shown = [row[side].removeprefix("'") for side in ("answer", "answer_b")]
        assert [chromium.text(f"#panel dd:nth-of-type({n})") for n in (1, 2)] == shown
        chromium.press(key)
        row |= {"label": "AB"[int(key) - 1], "annotator": "김"}
    assert "A is better" in chromium.text("#items li:nth-child(13)")
    table += pairs
    chromium.run("document.querySelector('#who').value = '김'")
    chromium.press("s")
    saved = chromium.downloaded()
    assert saved.name == "labels-shop.jsonl"
    first = json.loads(saved.read_bytes().splitlines()[0])
    assert (first["label"], first["annotator"], first["note"]) == ("bad", "이", "이유")
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    found = []
    for labels in (saved, tmp_path / "labels.csv"):
        told = json.loads(command("calibrate", str(labels), "--json", "-q"))
        for made in told.values():
            assert (made.pop("labels_file"), len(made.pop("labels_digest"))) == (labels.name, 64)
        found.append(told)
    assert found[0] == found[1]
    made, versus = found[0]["helpful"], found[0]["versus"]
    assert (made["n"], made["skipped"], made["annotators"]) == (11, {"empty": 1}, 1)
    assert (versus["n"], versus["pairs"]["chosen_first"]) == (2, 1)


def test_page__of_a_generated_dataset_saves_what_import_takes(
    chromium: Browser, tmp_path: Path
) -> None:
    config = (
        "version: 1\nsuite: shop\nlanguage: ko\ndataset: {path: made, name: 상점}\n"
        "generator: {sources: [{id: docs, as: documents, path: policy.md}],"
        " synthesise: {questions: 6, mix: {fact: 1}, twins: 0}}\n"
    )
    (tmp_path / "lm-eval-so.yaml").write_text(config, "utf-8")
    shutil.copy(Path(__file__).parents[1] / "data/shop/policy.md", tmp_path)
    assert lm_eval_so("generate", cwd=tmp_path).returncode == 0
    chromium.open(tmp_path / "made/review.html", before=NO_PICKER)
    for key in ("a", "a", "r", "1", "e"):
        chromium.press(key)
    chromium.write(" 알려 주세요")
    chromium.press("Enter", ctrl=True)
    chromium.press("s")
    saved = chromium.downloaded()
    done = lm_eval_so("dataset", "review", "import", "made", str(saved), cwd=tmp_path)
    said = "결정 4건: 승인 2, 수정 1, 반려 1. 빈자리 1개는 generate가 채웁니다\n"
    assert (done.returncode, done.stderr) == (0, said)
    lines = (tmp_path / "made/test.jsonl").read_text("utf-8").splitlines()
    tests = [json.loads(line) for line in lines]
    edited = [each for each in tests if each["review"]["status"] == "edited"]
    assert [each["messages"][-1]["content"][-7:] for each in edited] == [" 알려 주세요"]
    chromium.open(tmp_path / "made/review.html", before=NO_PICKER)
    assert decided(chromium) == "0 / 2"
