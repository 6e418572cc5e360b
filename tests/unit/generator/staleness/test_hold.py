"""Quotes held against documents that changed: what they say, or only how they are written."""

from pathlib import Path

import pytest
from office_files import docx_paragraph, docx_table, write_docx

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.documents.block import Document, cells
from lm_eval_so.generator.documents.compose import compose, split_text
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.staleness.hold import Held, Quote, changed_numbers, hold, quotes_of
from lm_eval_so.generator.staleness.keyed_text import Body, KeyedText, heading_key

OLD = """# 배송

## 1. 요금

기본 배송비는 3,000원입니다. 50,000원부터 무료입니다.

- 제주는 6,000원

| 지역 | 요금 |
|---|---|
| 서울 | 3 |
| 제주 | 6 |

## 2. 기간

보통 2일 걸립니다
"""
FEE, FREE, ITEM, ROW = (
    "기본 배송비는 3,000원입니다.",
    "50,000원부터 무료입니다.",
    "제주는 6,000원",
    "| 서울 | 3 |",
)
LAST = "보통 2일 걸립니다"


def text_of(markdown: str, file: str = "a.md") -> KeyedText:
    made = compose(split_text(markdown))
    return KeyedText(file, made.units, made.sections)


def held(quote: str, *new: str, old: str = OLD) -> Held:
    before = text_of(old)
    unit = next(unit.unit for unit in before.units if quote in unit.unit.text)
    now = Body(text_of(markdown, f"{n}.md") for n, markdown in enumerate(new))
    return hold(Quote(text=quote, unit=unit), Body([before]), now)


def edited(*changes: tuple[str, str]) -> str:
    text = OLD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("quote", "change", "state"),
    [
        # what is written otherwise, and says the same
        (FEE, (f"{FEE} {FREE}", f"{FEE}\n\n{FREE}"), "same"),
        (LAST, ("보통 2일", "보통  2일"), "same"),
        (FEE, ("3,000원", "３,000원"), "same"),
        (FEE, ("## 1. 요금", "## 제3조 요금"), "same"),
        (FEE, ("## 1. 요금", "### 요금"), "same"),
        (FEE, ("## 1. 요금", "요금"), "same"),  # a format that cannot tell headings
        (ITEM, ("- 제주는", "제주는"), "same"),
        (ITEM, ("- 제주는 6,000원", "- 제주는 6,000원\n- 독도는 배송하지 않습니다"), "same"),
        (ROW, ("| 제주 | 6 |", "| 제주 | 7 |"), "same"),
        # the quote stands, what is around it changed
        (FEE, (FREE, "70,000원부터 무료입니다."), "near"),
        (FEE, (f" {FREE}", ""), "near"),
        (FEE, (FREE, f"{FREE} 제주는 빼고요."), "near"),
        (FEE, ("## 1. 요금", "## 1. 회원 요금"), "near"),
        (ROW, ("| 지역 | 요금 |", "| 지역 | 무게 |"), "near"),
        (ITEM, ("제주는 6,000원", "제주는 6,000원, 예외 있음"), "near"),
        # it reads otherwise
        (FEE, ("3,000원입니다", "4,000원입니다"), "changed"),
        (FEE, ("3,000원입니다", "3,000원이 아닙니다"), "changed"),
        (ROW, ("| 서울 | 3 |", "| 서울 | 30 |"), "changed"),  # 3 is not in 30
        (ROW, ("| 서울 | 3 |", "| 서울 | 3.5 |"), "changed"),
        (ITEM, ("6,000원", "6,000.5원"), "changed"),
        (LAST, (f"\n{LAST}\n", ""), "gone"),
        (FEE, (f"{FEE} {FREE}", ""), "gone"),
    ],
)  # fmt: skip
def test_hold__tells_what_is_said_from_how_it_is_written(
    quote: str, change: tuple[str, str], state: str
) -> None:
    assert held(quote, edited(change)).state == state


def test_hold__a_piece_may_move_to_another_document() -> None:
    first, _, last = OLD.partition("## 2.")
    assert held(LAST, first, f"# 배송 안내\n\n## 2.{last}").state == "same"
    assert held(LAST, first, f"# 배송 안내\n\n## 옛 안내\n\n{LAST}").state == "near"


def test_hold__paragraphs_without_full_stops_may_become_one() -> None:
    old = "# 창구\n\n평일에 엽니다\n\n주말에 쉽니다\n"
    whole = "# 창구\n\n평일에 엽니다 주말에 쉽니다\n"
    assert held("평일에 엽니다", whole, old=old).state == "same"
    assert held("평일에 엽니다 주말에 쉽니다", old, old=whole).state == "same"
    assert held("평일에 엽니다", whole.replace("쉽", "안 쉽"), old=old).state == "near"


def test_hold__shows_what_the_sentence_has_become() -> None:
    found = held(FREE, edited(("50,000원", "70,000원")))
    assert (found.state, found.old, found.new) == ("changed", FREE, "70,000원부터 무료입니다.")
    assert found.numbers == (("50,000원", "70,000원"),)
    table = "| 코드 | 값 |\n|---|---|\n| A1 | 10000 |\n| A2 | 10000 |\n"
    row = held("| A1 | 10000 |", table.replace("A1 | 10000", "A1 | 25000"), old=table)
    assert row.new == "| A1 | 25000 |"  # by its first cell, though A2 is more like it
    assert row.numbers == (("10000", "25000"),)


def test_hold__cuts_no_number_in_two() -> None:
    old = "Fee: 3\n\n5 days at most\n"
    for quote, new in (
        ("Fee: 3", "Fee: 30"),
        ("Fee: 3", "Fee: 3.5"),
        ("5 days at most", "15 days at most"),
    ):
        assert held(quote, old.replace(quote, new), old=old).state == "changed"


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ("7일 안에", "14일 안에", [("7일", "14일")]),
        ("3,000원, 추가 3,000원", "3,500원, 추가 3,000원", [("3,000원", "3,500원")]),
        ("9:00~18:00", "10:00~18:00", [("9:00~18:00", "10:00~18:00")]),
        ("무료", "500원", [("", "500원")]),
        ("1 000 3%", "1 000", [("3%", "")]),
        ("같은 3개", "3개로 같음", []),
    ],
)
def test_changed_numbers__pairs(old: str, new: str, pairs: list[tuple[str, str]]) -> None:
    assert changed_numbers(old, new) == tuple(pairs)


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        ("1. 요금", "요금", True),
        ("제3조의2 (요금)", "제 4조 (요금)", True),
        ("2.1 Fees", "3.4 Fees", True),
        ("Section 4: Fees", "Article 5. Fees", True),
        ("가. 요금", "① 요금", True),
        ("14일 안에", "30일 안에", False),
        ("3kg", "5kg", False),
        ("1.", "2.", False),
        ("Fees", "Taxes", False),
    ],
)
def test_heading_key__knows_no_numbering(one: str, other: str, is_equal: bool) -> None:
    assert (heading_key(one) == heading_key(other)) is is_equal


def test_quotes_of__a_span_over_several_units_is_several_quotes() -> None:
    made = compose(split_text(OLD))
    start, end = made.text.index(FREE), made.text.index("| 제주") + 3
    found = [quote.text for quote in quotes_of(start, end, made.text, made.units)]
    assert found == [FREE, ITEM, ROW, "| 제주 | 6 |"]
    (heading,) = quotes_of(0, 4, made.text, made.units)
    assert heading == Quote(text="# 배송", unit=None)


def test_hold__formats_change_nothing(tmp_path: Path) -> None:
    made = compose(split_text(OLD))
    old = KeyedText("a.md", made.units, made.sections)
    html, body = [], []
    for block in made.blocks:
        row = cells(block.text)
        html.append(
            {
                "heading": f"<h{block.level}>{block.text}</h{block.level}>",
                "item": f"<ul><li>{block.text}</li></ul>",
                "row": f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>",
            }.get(block.kind, f"<p>{block.text}</p>")
        )
        if block.kind == "row" and block.level == 1:
            table = [cells(each.text) for each in made.blocks if each.kind == "row"]
            body.append(docx_table(table))
        elif block.kind != "row":
            style = f"heading {block.level}" if block.kind == "heading" else ""
            body.append(docx_paragraph(block.text, style=style))
    page = "".join(html)
    rows = page.index("<tr>"), page.rindex("</tr>") + 5
    page = f"{page[: rows[0]]}<table>{page[rows[0] : rows[1]]}</table>{page[rows[1] :]}"
    (tmp_path / "a.html").write_text(f"<main>{page}</main>", "utf-8")
    write_docx(tmp_path / "a.docx", "".join(body))
    for name in ("a.html", "a.docx"):
        document = read_document(name, tmp_path / name, SourceSection(id="docs", path=name))
        assert isinstance(document, Document)
        now = Body([KeyedText(name, document.units, document.sections)])
        for unit in old.units:
            quote = Quote(text=unit.unit.text, unit=unit.unit)
            assert hold(quote, Body([old]), now).state == "same", (name, unit)
