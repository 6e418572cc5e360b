"""The documents of the shop: what is read of each format, and where it stands."""

from functools import cache
from pathlib import Path
from typing import Any

import office_files as office
import pytest

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.documents.block import Document, Note
from lm_eval_so.generator.documents.read import FORMATS, read_document
from lm_eval_so.generator.sources.base import FileError, Reason
from lm_eval_so.generator.sources.source_files import format_of

SHOP = Path(__file__).parents[3] / "data" / "shop"
SOURCES = Path(__file__).parents[4] / "example" / "quickstart" / "sources"


def read(path: Path, **options: Any) -> Document:
    found = read_document(path.name, path, SourceSection(id="docs", path=path.name, **options))
    assert isinstance(found, Document), found
    return found


@cache
def shop(name: str) -> Document:
    return read(SHOP / name)


def refused(path: Path, **options: Any) -> FileError:
    found = read_document(path.name, path, SourceSection(id="docs", path=path.name, **options))
    assert isinstance(found, FileError), found
    return found


@pytest.mark.parametrize(
    ("name", "title", "sections", "units", "rows"),
    [
        ("policy.md", "예시상점 이용 정책", 7, 15, 3),
        ("returns.docx", "반품·교환 안내", 6, 16, 4),
        ("warranty.pdf", "품질보증서", 9, 9, 0),
        ("shipping.html", "International shipping", 5, 12, 5),
        ("products.xlsx", "상품", 2, 16, 15),
    ],
)
def test_shop__has_its_sections_and_units(
    name: str, title: str, sections: int, units: int, rows: int
) -> None:
    document = shop(name)
    assert document.title == title
    assert len(document.sections) == sections
    assert len(document.units) == units
    assert sum(unit.kind == "row" for unit in document.units) == rows


@pytest.mark.parametrize("path", sorted(SHOP.glob("[!R]*.*")), ids=lambda path: path.name)
def test_shop__everything_stands_where_it_says(path: Path) -> None:
    document = shop(path.name)
    for block, (start, end) in zip(document.blocks, document.spans, strict=True):
        assert document.text[start:end] == block.text
    for unit in document.units:
        assert document.text[unit.start : unit.end] == unit.text
        section = document.sections[unit.section]
        assert section.path == unit.path
        assert section.start <= unit.start < unit.end <= section.end
    for section in document.sections:
        assert document.text[section.start :].startswith("#" * section.level + " " + section.title)


def test_markdown__front_matter_is_no_text() -> None:
    document = shop("policy.md")
    assert document.metadata == {"title": "예시상점 이용 정책", "version": "2.1", "lang": "ko"}
    assert "version" not in document.text
    row = next(unit for unit in document.units if unit.text.startswith("| 숲 |"))
    assert row.at == {"line": 24}
    assert row.path == ("예시상점 이용 정책", "2. 회원 등급과 적립금")
    assert row.named_cells()[2] == ("적립률", "3%")
    code = next(unit for unit in document.units if unit.kind == "code")
    assert code.text == "상담 분류 코드: A=배송, B=반품, C=결제, D=회원, Z=기타"


def test_html__main_part_only() -> None:
    text = shop("shipping.html").text
    assert "| Japan | KRW 9,000 | KRW 17,000 | 3–5 days |" in text
    assert "Products with lithium batteries above 100 Wh" in text
    for unwanted in (
        "Home",
        "dataLayer",
        "Hidden promotion",
        "All rights reserved",
        "internal note",
    ):
        assert unwanted not in text


def test_docx__rows_have_their_header_and_nothing_is_escaped() -> None:
    document = shop("returns.docx")
    row = next(unit for unit in document.units if "6,000원(왕복)" in unit.text)
    assert row.kind == "row"
    assert row.header == "| 사유 | 내는 사람 | 금액 |"
    assert row.path == ("반품·교환 안내", "4. 반품 배송비")
    assert "\\" not in document.text
    assert "2. 반품 사유를 고르고" in document.text


def test_pdf__articles_are_sections_and_page_numbers_are_gone() -> None:
    document = shop("warranty.pdf")
    assert document.pages == 2
    assert document.notes == (Note(code="running_lines", count=4),)
    assert any("구입일을 확인할 수 없으면" in unit.text for unit in document.units)
    assert "/ 2 -" not in document.text
    assert "제3판" not in document.text
    fifth = next(section for section in document.sections if section.title.startswith("제5조"))
    assert fifth.at == {"page": 2}


def test_sheets__values_as_people_wrote_them() -> None:
    document = shop("products.xlsx")
    row = next(unit for unit in document.units if unit.text.startswith("| 00101 |"))
    cells = dict(row.named_cells())
    assert cells["가격(원)"] == "89000"
    assert cells["출시일"] == "2023-03-02"
    assert cells["부가세 별도(원)"] == "80909"
    assert row.at == {"sheet": "상품", "row": 4}
    assert "숨긴 시트" not in document.text
    assert document.notes == (Note(code="hidden_sheet", count=1, names=("메모",)),)


def test_sheets__hidden_one_is_read_if_named() -> None:
    assert "숨긴 시트" in read(SHOP / "products.xlsx", sheets=("메모",)).text
    error = refused(SHOP / "products.xlsx", sheets=("가격",))
    assert (error.what, error.hint) == ('there is no sheet "가격"', "it has 상품, 매장, 메모")


def test_csv__rejected_rows_are_told() -> None:
    document = read(SOURCES / "faq.csv")
    assert len(document.units) == 19
    assert [(one.reason, one.at["line"]) for one in document.rejected] == [(Reason.ROW_WIDTH, 16)]
    assert dict(document.units[0].named_cells())["번호"] == "1"


def test_json__records_are_rows_with_all_keys() -> None:
    document = read(SOURCES / "support_qa.json", records="$.data")
    assert len(document.units) == len(read(SOURCES / "support_qa.json").units) == 12
    assert {column for column, _ in document.units[0].named_cells()} >= {"qid", "answers"}


def test_format__by_ending_and_every_format_has_one(tmp_path: Path) -> None:
    endings = [
        "md",
        "html",
        "docx",
        "hwpx",
        "pdf",
        "txt",
        "xlsx",
        "xls",
        "ods",
        "csv",
        "tsv",
        "json",
        "jsonl",
    ]
    assert [format_of(f"a.{ending.upper()}") for ending in endings] == list(FORMATS)
    (tmp_path / "notes.log").write_text("Opening hours are 9 to 6.", encoding="utf-8")
    assert refused(tmp_path / "notes.log").reason is Reason.UNKNOWN_FORMAT
    assert read(tmp_path / "notes.log", format="text").text == "Opening hours are 9 to 6."


@pytest.mark.parametrize(
    ("name", "content", "reason", "hint"),
    [
        ("old.hwp", b"\xd0\xcf\x11\xe0", Reason.UNKNOWN_FORMAT, "save it as HWPX, DOCX or PDF"),
        ("slides.pptx", b"PK", Reason.UNKNOWN_FORMAT, "save it as PDF"),
        ("empty.txt", b"", Reason.EMPTY_FILE, None),
        ("blank.md", b"<!-- nothing -->\n\n", Reason.NO_TEXT, None),
        (
            "noise.txt",
            b"\xff\xc0\x80\xfd" * 50,
            Reason.UNREADABLE,
            "name it by encoding: or save the file as UTF-8",
        ),
        (
            "torn.txt",
            "가나다\n".encode() * 9 + b"\xea",
            Reason.BAD_ENCODING,
            "save the file in one encoding",
        ),
        (
            "broken.pdf",
            b"%PDF-1.4 no more",
            Reason.UNREADABLE,
            "print it to a new PDF, or save it as DOCX",
        ),
        ("broken.docx", b"PK\x03\x04 no more", Reason.UNREADABLE, "save it anew as DOCX"),
        (
            "locked.docx",
            bytes.fromhex("d0cf11e0a1b11ae1"),
            Reason.ENCRYPTED,
            "save it as DOCX without a password",
        ),
        (
            "locked.xlsx",
            bytes.fromhex("d0cf11e0a1b11ae1"),
            Reason.ENCRYPTED,
            "save it as XLSX without a password",
        ),
        (
            "broken.xls",
            bytes.fromhex("d0cf11e0a1b11ae1"),
            Reason.UNREADABLE,
            "open it and save it anew as XLSX",
        ),
        (
            "company.hwpx",
            b"\x9b DRMONE This Document is encrypted",
            Reason.ENCRYPTED,
            "release it in the program that locked it, then save it anew",
        ),
        ("header.csv", b"question,answer\n", Reason.NO_ROWS, None),
    ],
)
def test_file_that_cannot_be_read__says_why_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, reason: Reason, hint: str | None
) -> None:
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert (error.reason, error.hint) == (reason, hint)


def test_missing_and_unreadable_file__is_no_traceback(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.pdf").reason is Reason.UNREADABLE
    assert refused(tmp_path).reason is Reason.UNREADABLE


def test_title__front_matter_then_heading_then_page_then_name(tmp_path: Path) -> None:
    texts = {
        "a.md": "---\ntitle: One\n---\n# Two\n\ntext",
        "b.md": "# Two\n\ntext",
        "c.html": "<title>Three</title><p>text",
        "d.md": "only text",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [read(tmp_path / name).title for name in texts] == ["One", "Two", "Three", "d"]


def test_html__encoding_it_declares(tmp_path: Path) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=euc-kr"><p>뷁'
    (tmp_path / "page.html").write_bytes(page.encode("cp949"))
    assert read(tmp_path / "page.html").text == "뷁"


def as_units(document: Document) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(unit.kind, unit.text, unit.path) for unit in document.units]


def test_one_text_in_all_formats__has_the_same_units(tmp_path: Path) -> None:
    lines = [
        ("h1", "배송과 교환 안내"),
        ("p", "예시상점은 평일 오후 2시까지 결제한 주문을 그날 보냅니다."),
        ("h2", "제1조 (배송비)"),
        ("p", "기본 배송비는 3,000원입니다. 50,000원부터는 받지 않습니다."),
        ("li", "제주와 도서 산간은 3,000원을 더 받습니다."),
        ("li", "일본은 3~5일 걸립니다."),
        ("h2", "제2조 (교환)"),
        ("p", "교환은 받은 날부터 7일 안에 신청합니다."),
    ]
    plain = "".join(
        f"{'- ' if kind == 'li' else ''}{text}\n{'' if kind == 'li' else chr(10)}"
        for kind, text in lines
    )
    marks = {"h1": "# ", "h2": "## ", "p": "", "li": "- "}
    markdown = "\n\n".join(marks[kind] + text for kind, text in lines)
    html = "".join(f"<ul><li>{t}</li></ul>" if k == "li" else f"<{k}>{t}</{k}>" for k, t in lines)
    (tmp_path / "a.txt").write_text(plain, encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(plain.encode("cp949"))
    (tmp_path / "c.txt").write_bytes(plain.replace("\n", "\r\n").encode("utf-16"))
    (tmp_path / "d.md").write_text(markdown, encoding="utf-8")
    (tmp_path / "e.html").write_text(html, encoding="utf-8")
    styles = {"h1": "Title", "h2": "heading 1"}
    office.write_docx(
        tmp_path / "f.docx",
        "".join(
            office.docx_paragraph(t, style=styles.get(k, ""), list_id=int(k == "li"))
            for k, t in lines
        ),
    )
    shapes = {"h1": 1, "h2": 2, "li": 3}
    office.write_hwpx(
        tmp_path / "g.hwpx",
        "".join(office.hwpx_paragraph(t, shape=shapes.get(k, 0)) for k, t in lines),
    )
    typed = "".join(office.hwpx_paragraph(("- " if k == "li" else "") + t) for k, t in lines)
    office.write_hwpx(tmp_path / "h.hwpx", typed)
    wanted = as_units(read(tmp_path / "d.md"))
    assert len(wanted) == 5
    assert wanted[2] == ("item", lines[4][1], (lines[0][1], lines[2][1]))
    for path in sorted(tmp_path.iterdir()):
        assert as_units(read(path)) == wanted, path.name
