"""Workbooks as tests: which sheets, which header, what a cell is."""

from typing import Any

import pytest

from lm_eval_so.errors import DatasetError
from tests.office_files import write_ods, write_xlsx, xlsx_rows


def book(shop: Any) -> None:
    sheets = {
        "3월": xlsx_rows([["고객 질문 모음"], ["번호", "질문", "답변", "필수 표현"], ["007", "환불은?", "3일", "3일; 영업일"], [8, "가격은?", 89000, ""]]),
        "4월": xlsx_rows([["질문", "번호", "답변", "필수 표현"], ["교환은?", "009", "7일", ""]]),
        "메모": xlsx_rows([["질문", "답변"], ["숨긴 질문?", "숨긴 답"]]),
        "가격": xlsx_rows([["상품", "값"], ["램프", 3.5]]),
    }  # fmt: skip
    write_xlsx(shop.folder / "faq.xlsx", sheets, hidden=["메모"])


def test_sheets__of_the_same_columns_are_read(shop: Any) -> None:
    book(shop)
    shop.generate({"path": "faq.xlsx"})
    found = [(s["ref"], s["messages"][0]["content"], s["expected"]) for s in shop.samples()]
    assert found == [
        ("007", "환불은?", "3일"),
        ("8", "가격은?", "89000"),
        ("009", "교환은?", "7일"),
    ]
    assert shop.samples()[0]["provenance"]["source"]["at"] == {
        "sheet": "3월",
        "row": 3,
        "record": 1,
    }
    assert (
        "faq.xlsx: sheets that are hidden or have other columns were not read: 메모, 가격"
        in shop.notices()
    )


@pytest.mark.parametrize(
    ("source", "questions"),
    [
        ({"sheets": ["메모"]}, ["숨긴 질문?"]),
        ({"sheets": ["4월", "3월"], "header_row": 1}, ["교환은?"]),
        ({"map": {"input": "질문", "keywords": "필수 표현"}}, ["환불은?", "가격은?", "교환은?"]),
        ({"sheets": ["가격"], "map": {"input": "상품", "expected": "값"}}, ["램프"]),
        ({"sheets": ["5월"]}, 'there is no sheet "5월"'),
        ({"map": {"input": "문의"}}, "'문의' not in header"),
        ({"sheets": ["가격"], "as": "samples"}, "no column looks like a question"),
    ],
)
def test_sheets__are_chosen_by_name(shop: Any, source: dict[str, Any], questions: Any) -> None:
    book(shop)
    if isinstance(questions, str):
        with pytest.raises(DatasetError, match=questions):
            shop.generate({"path": "faq.xlsx", **source})
        return
    shop.generate({"path": "faq.xlsx", **source})
    assert [sample["messages"][0]["content"] for sample in shop.samples()] == questions


def test_sheets__without_questions_are_documents(shop: Any) -> None:
    write_xlsx(shop.folder / "prices.xlsx", {"가격": xlsx_rows([["상품", "값"], ["램프", 3.5]])})
    shop.generate({"path": "prices.xlsx"})
    assert not shop.samples()
    assert "램프" in (shop.folder / "made" / "sources.jsonl").read_text("utf-8")


def test_sheets__ods(shop: Any) -> None:
    row = "".join(
        f"<table:table-cell office:value-type='string'><text:p>{t}</text:p></table:table-cell>"
        for t in ("질문", "답변")
    )
    table = f"<table:table-row>{row}</table:table-row><table:table-row>{row.replace('질문', '색은?')}</table:table-row>"
    write_ods(shop.folder / "faq.ods", table)
    shop.generate({"path": "faq.ods"})
    assert [sample["messages"][0]["content"] for sample in shop.samples()] == ["색은?"]
