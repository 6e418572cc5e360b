"""`generate --check`: tests of a dataset held against its sources."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from office_files import write_xlsx, xlsx_rows

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import ignore
from lm_eval_so.core.records.codec import loads, to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.errors import InputError
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.staleness.find_stale import find_stale
from lm_eval_so.generator.staleness.screen import screen

POLICY = """# 배송

## 1. 배송 요금

기본 배송비는 3,000원입니다. 50,000원부터 무료입니다.

## 2. 배송 기간

보통 2일 걸립니다. 제주는 5일 걸립니다.

## 3. 교환 기간

7일 안에 교환해 드립니다.
"""
FAQ = "질문,답변\n전화는 언제 되나요?,9시부터 됩니다.\n주말에도 하나요?,아니요.\n"
PRICES = [["코드", "상품 이름", "판매 가격"], ["00101", "이어폰", 89000], ["00102", "스피커", 129000], ["00103", "충전기", 32000]]  # fmt: skip


def config(folder: Path, *, tests: int = 20, rows: bool = True) -> Config:
    sources = [{"id": "docs", "as": "documents", "path": ["*.md", "*.xlsx"]}]
    faq = [{"id": "faq", "path": "faq.csv"}] if rows else []
    wanted = {"questions": tests, "mix": {"fact": 1}, "twins": 0}
    section = {"sources": [*faq, *sources], "synthesise": wanted}
    values = {"version": 1, "suite": "shop", "dataset": {"path": "made"}, "generator": section}
    return make_config(values, folder=folder)


def made(shop: Any, **options: Any) -> Config:
    shop.write("policy.md", POLICY)
    shop.write("faq.csv", FAQ)
    write_xlsx(shop.folder / "prices.xlsx", {"상품": xlsx_rows(PRICES)})
    found = config(shop.folder, **options)
    generate(found, shop.resources())
    return found


def stale(found: Staleness) -> list[tuple[str, str]]:
    return [(test.state, test.question) for test in found.tests if test.is_stale]


def test_check__all_fits_after_changes_of_form(shop: Any) -> None:
    settings = made(shop)
    (shop.folder / "policy.md").unlink()
    first, _, rest = POLICY.partition("## 2. 배송 기간")
    shop.write("a.md", first.replace("\n", "\r\n"), "utf-16")
    shop.write("b.md", f"# 안내\n\n지금 읽는 글은 안내입니다.\n\n## 5. 배송 기간{rest}")
    shop.write("faq.csv", FAQ.replace("질문,답변\n", "질문,답변\n\n"))  # other lines
    before = {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    found = find_stale(settings, ignore)
    assert stale(found) == []
    assert not found.fails(strict=True)
    assert found.of == len(found.tests) + 2
    assert found.new_passages == 1
    assert screen(found, Language.EN) == f"{found.of} tests: all fit their sources\n"
    assert before == {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    assert loads(json.dumps(to_json(found)), Staleness) == found


def test_check__a_price_of_a_sheet_is_of_its_row_alone(shop: Any) -> None:
    settings = made(shop, rows=False)
    prices = [*PRICES[:2], ["00102", "스피커", 139000], PRICES[3]]
    write_xlsx(shop.folder / "prices.xlsx", {"상품": xlsx_rows(prices)})
    found = find_stale(settings, ignore)
    changed = [test for test in found.tests if test.is_stale]
    assert changed
    assert {test.old for test in changed} == {"| 00102 | 스피커 | 129000 |"}
    assert {(test.state, test.file, test.heading) for test in changed} == {
        ("changed", "prices.xlsx", "상품")
    }
    assert {test.numbers for test in changed} == {(("129000", "139000"),)}
    asked = next(test for test in changed if test.still_says)
    assert asked.still_says == ("129000",)
    assert found.fails(strict=False)


def test_check__what_is_around_a_quote_fails_only_if_strict(shop: Any) -> None:
    settings = made(shop)
    shop.write("policy.md", POLICY.replace("교환해 드립니다.", "교환해 드립니다. 속옷은 빼고요."))
    found = find_stale(settings, ignore)
    assert [state for state, _ in stale(found)] == ["near"]
    assert not found.fails(strict=False)
    assert found.fails(strict=True)


def test_check__rows_are_compared_by_id(shop: Any) -> None:
    settings = made(shop)
    shop.write("faq.csv", "질문,답변\n새 질문인가요?,네.\n전화는 언제 되나요?,10시부터 됩니다.\n")
    found = find_stale(settings, ignore)
    assert stale(found) == [
        ("changed", "전화는 언제 되나요?"),
        ("gone", "주말에도 하나요?"),
        ("new", "새 질문인가요?"),
    ]
    assert found.rows[0].numbers == (("9시", "10시"),)
    assert found.fails(strict=False)
    generate(settings, shop.resources())
    assert stale(find_stale(settings, ignore)) == []


def test_check__generate_does_not_hide_what_is_stale(shop: Any) -> None:
    settings = made(shop, rows=False)
    exception = POLICY.replace("7일 안에", "14일 안에").replace(
        "무료입니다.", "무료입니다. 섬은 빼고요."
    )
    shop.write("policy.md", exception)
    first = stale(find_stale(settings, ignore))
    assert sorted(state for state, _ in first) == ["changed", "near"]
    generate(settings, shop.resources())  # now sources.jsonl has the new text beside the old
    assert stale(find_stale(settings, ignore)) == first


def test_check__counts_twins_and_no_superseded_document(shop: Any) -> None:
    shop.write("old.md", POLICY)
    docs = {"id": "docs", "as": "documents", "path": "old.md"}
    wanted = {"questions": 9, "mix": {"fact": 1}, "twins": 9}
    values: dict[str, Any] = {"version": 1, "suite": "s", "dataset": {"path": "made"}}
    values["generator"] = {"sources": [docs], "synthesise": wanted}
    generate(make_config(values, folder=shop.folder), shop.resources())
    shop.write("new.md", POLICY.replace("7일 안에", "14일 안에"))
    newer = {"id": "new", "as": "documents", "path": "new.md", "supersedes": ["old.md"]}
    values["generator"]["sources"].append(newer)
    found = find_stale(make_config(values, folder=shop.folder), ignore)
    changed = [test for test in found.tests if test.state == "changed"]
    assert [test.numbers for test in changed] == [(("7일", "14일"),)] * 2  # its twin, too
    assert found.of == len(found.tests) == 6


def test_check__numbers_of_placeholders_say_nothing(shop: Any) -> None:
    settings = made(shop, rows=False)
    text = (
        "# 안내\n\n## 상담 전화\n\n평일에 받습니다. 9시부터입니다. 전화는 010-1234-5678번입니다.\n"
    )
    shop.write("policy.md", text)
    generate(settings, shop.resources(), out=shop.folder / "other")
    shop.write("policy.md", f"팩스는 010-8765-4321번입니다.\n\n{text}")
    found = find_stale(settings, ignore, out=shop.folder / "other")
    assert "상담 전화?" in {test.question for test in found.tests}
    assert stale(found) == []


def test_check__without_a_dataset(shop: Any) -> None:
    shop.write("faq.csv", FAQ)
    shop.write("policy.md", POLICY)
    write_xlsx(shop.folder / "prices.xlsx", {"상품": xlsx_rows(PRICES)})
    found = find_stale(config(shop.folder), ignore)
    assert (found.is_made, found.of, found.fails(strict=False)) == (False, 0, True)
    assert "there is no dataset yet" in screen(found, Language.EN)
    assert not (shop.folder / "made").exists()
    shop.write("made/test.jsonl", '{"id": "q", "input": "?"}')
    with pytest.raises(InputError, match="was not made by generate"):
        find_stale(config(shop.folder), ignore)


@pytest.mark.parametrize("language", [Language.EN, Language.KO])
def test_screen__golden(language: Language, golden: Callable[[str, str], None]) -> None:
    test = StaleTest(
        id="s1",
        origin="document",
        state="changed",
        question="며칠 안에 교환해야 하나요?",
        file="returns.docx",
        heading="1. 신청할 수 있는 기간",
        old="7일 안에 교환해 드립니다.",
        new="14일 안에 교환해 드립니다.",
        numbers=(("7일", "14일"),),
        still_says=("7일",),
    )
    reworded = replace(test, numbers=(), still_says=(), new="교환은\x1b[31m 7일 안에 됩니다.")
    row = replace(test, origin="row", file="faq.csv", heading=None, still_says=())
    found = Staleness(
        dataset="shop",
        of=120,
        new_passages=3,
        unanswerable=5,
        tests=(
            replace(test, state="near", numbers=(), old="7일\n안에", new=None),
            replace(test, id="same", state="same"),
            row,
            replace(row, state="new", old=None, numbers=()),
            replace(reworded, state="gone", new=None),
            reworded,
            test,
        ),
    )
    many = replace(found, tests=tuple(replace(reworded, id=str(n)) for n in range(22)))
    last = "\n".join(screen(many, language).splitlines()[-7:])
    shown = [screen(found, language), last]
    golden(f"terminal/stale.{language}.txt", "\n----\n".join(shown))
