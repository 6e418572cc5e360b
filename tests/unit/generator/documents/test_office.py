"""DOCX, HWPX and spreadsheets, and archives that are bombs."""

import random
import zipfile
from pathlib import Path

import office_files as office
import pytest

from lm_eval_so.generator.documents.compose import compose
from lm_eval_so.generator.documents.office import read_docx, read_hwpx
from lm_eval_so.generator.documents.rows import read_sheets
from lm_eval_so.generator.sources.base import BadFileError, Reason


def docx(path: Path, body: str) -> str:
    return compose(read_docx(office.write_docx(path / "a.docx", body))).text


def hwpx(path: Path, *sections: str) -> str:
    return compose(read_hwpx(office.write_hwpx(path / "a.hwpx", *sections))).text


def sheet(path: Path, data: str, **options: int) -> str:
    rows = read_sheets(office.write_xlsx(path / "a.xlsx", {"S": data}), **options)
    return compose(rows.blocks).text


def reason_of(path: Path) -> Reason:
    read = {".docx": read_docx, ".hwpx": read_hwpx}.get(path.suffix, read_sheets)
    with pytest.raises(BadFileError) as caught:
        read(path)
    assert caught.value.hint
    return caught.value.reason


def test_docx__title_stands_above_all_headings(tmp_path: Path) -> None:
    paragraph = office.docx_paragraph
    body = paragraph("안내", style="Title") + paragraph("1. 배송 3", style="toc 1")
    body += (
        paragraph("1. 배송", style="heading 1")
        + paragraph("무료", style="heading 2")
        + paragraph("본문")
    )
    assert docx(tmp_path, body) == "# 안내\n\n## 1. 배송\n\n### 무료\n\n본문"
    without = paragraph("1. 배송", style="heading 1") + paragraph("본문")
    assert docx(tmp_path, without) == "# 1. 배송\n\n본문"


def test_docx__articles_and_lists_typed_by_hand(tmp_path: Path) -> None:
    lines = (
        "회원 약관",
        "제1조(목적) 이 약관은 조건을 정합니다.",
        "- 하나",
        "2) 둘",
        "제3조에 따라 환불합니다.",
    )
    body = "".join(map(office.docx_paragraph, lines))
    assert docx(tmp_path, body) == (
        "# 회원 약관\n\n## 제1조(목적)\n\n이 약관은 조건을 정합니다.\n\n- 하나\n2. 둘\n\n제3조에 따라 환불합니다."
    )


def test_hwpx__paragraphs_and_tables_in_order(tmp_path: Path) -> None:
    table = office.hwpx_table([["구분", "금액"], ["제주", "3,000원"]])
    first = office.hwpx_paragraph("요금 안내", shape=1) + office.hwpx_paragraph(
        "표 앞", more=f"{table}<hp:t>표 뒤</hp:t>"
    )
    second = office.hwpx_paragraph("끝")
    row = "| 구분 | 금액 |\n|---|---|\n| 제주 | 3,000원 |"
    assert hwpx(tmp_path, first, second) == f"# 요금 안내\n\n표 앞\n\n{row}\n\n표 뒤\n\n끝"


def test_hwpx__sections_by_number_not_by_name(tmp_path: Path) -> None:
    sections = [office.hwpx_paragraph(f"문단 {i}입니다.") for i in range(12)]
    assert hwpx(tmp_path, *sections).split("\n\n") == [f"문단 {i}입니다." for i in range(12)]


def test_hwpx__lists_count_by_kind_and_start_again(tmp_path: Path) -> None:
    shapes = (3, 4, 4, 0, 4)
    body = "".join(office.hwpx_paragraph(f"{i}번입니다.", shape=s) for i, s in enumerate(shapes))
    marks = ["- 0", "1. 1", "2. 2", "3", "1. 4"]
    assert [line for line in hwpx(tmp_path, body).splitlines() if line] == [
        f"{m}번입니다." for m in marks
    ]


def test_hwpx__boxes_and_notes_but_no_headers_and_deleted_text(tmp_path: Path) -> None:
    inside = f"<hp:subList>{office.hwpx_paragraph('%s')}</hp:subList>"
    more = (
        f"<hp:ctrl><hp:header>{inside % '머리글'}</hp:header></hp:ctrl>"
        f"<hp:ctrl><hp:footNote>{inside % '각주입니다.'}</hp:footNote></hp:ctrl>"
        f"<hp:rect><hp:drawText>{inside % '상자입니다.'}</hp:drawText></hp:rect>"
        "<hp:t>새<hp:tab/>값<hp:deleteBegin/>옛값<hp:deleteEnd/>입니다.</hp:t>"
    )
    assert (
        hwpx(tmp_path, office.hwpx_paragraph("", more=more))
        == "새 값입니다.\n\n각주입니다.\n\n상자입니다."
    )


def test_hwpx__frame_of_one_cell_is_no_table(tmp_path: Path) -> None:
    frame = office.hwpx_table([["틀 안의 문단입니다."]])
    assert hwpx(tmp_path, office.hwpx_paragraph("", more=frame)) == "틀 안의 문단입니다."


def test_hwpx__hostile_xml_is_refused(tmp_path: Path) -> None:
    entities = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    deep = office.hwpx_paragraph("x")
    for _ in range(60):
        deep = office.hwpx_paragraph(
            "",
            more=f"<hp:tbl><hp:tr><hp:tc><hp:subList>{deep}</hp:subList></hp:tc></hp:tr></hp:tbl>",
        )
    wide = office.hwpx_table([["a", "b"]]).replace('colSpan="1"', 'colSpan="9999999"')
    for extra in ({"Contents/section0.xml": entities}, {"Contents/section0.xml": "<a>"}):
        path = tmp_path / "x.hwpx"
        office.write_zip(path, extra)
        assert reason_of(path) is Reason.UNREADABLE
    for body in (deep, office.hwpx_paragraph("", more=wide)):
        assert reason_of(office.write_hwpx(tmp_path / "y.hwpx", body)) is Reason.UNREADABLE


def test_hwpx__password(tmp_path: Path) -> None:
    manifest = {"META-INF/manifest.xml": "<m><odf:encryption-data/></m>"}
    path = office.write_hwpx(tmp_path / "a.hwpx", office.hwpx_paragraph("a"), extra=manifest)
    assert reason_of(path) is Reason.ENCRYPTED


@pytest.mark.parametrize("ending", ["docx", "hwpx", "xlsx", "ods"])
def test_zip_bomb__is_refused_by_its_ratio(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bomb.{ending}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Contents/section0.xml", b" " * 5_000_000)
    assert reason_of(path) is Reason.TOO_LARGE


@pytest.mark.parametrize("ending", ["docx", "hwpx"])
def test_xml_bomb__is_refused_by_its_tags_before_it_is_parsed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bomb.{ending}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Contents/section0.xml", f"<a>{'<p/>' * 1_000_000}</a>")
        archive.writestr("image.png", random.Random(1).randbytes(50_000))  # a sane ratio
    assert reason_of(path) is Reason.TOO_LARGE


def test_sheet__header_below_titles_and_merged_cells(tmp_path: Path) -> None:
    rows = office.xlsx_rows([["요금표", ""], ["지역", "금액"], ["제주", 3000.0], ["", 4500.5]])
    merged = '<mergeCells count="2"><mergeCell ref="A1:B1"/><mergeCell ref="A3:A4"/></mergeCells>'
    table = "| 지역 | 금액 |\n|---|---|\n| 제주 | 3000 |\n| 제주 | 4500.5 |"
    assert sheet(tmp_path, rows + merged) == f"# S\n\n요금표\n\n{table}"
    assert sheet(tmp_path, rows + merged, header_row=2) == f"# S\n\n요금표\n\n{table}"


def test_sheet__header_row_that_is_named_is_no_title(tmp_path: Path) -> None:
    rows = office.xlsx_rows([["기준일", "2026"], ["목록"], ["가", "나"]])
    assert (
        sheet(tmp_path, rows, header_row=2)
        == "# S\n\n기준일 2026\n\n| 목록 | |\n|---|---|\n| 가 | 나 |"
    )


def test_sheet__one_column_with_its_header(tmp_path: Path) -> None:
    rows = office.xlsx_rows([["이름"], ["가"], ["나"]])
    assert sheet(tmp_path, rows) == "# S\n\n| 이름 |\n|---|\n| 가 |\n| 나 |"


def test_ods__values_and_repeated_rows(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    day = '<table:table-cell office:value-type="date" office:date-value="2026-01-02"/>'
    rows = [
        cell.format("이름") + cell.format("날짜"),
        cell.format("00101") + day,
        '<table:table-cell table:number-columns-repeated="16384"/>',
    ]
    xml = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    xml = xml[: xml.rindex("<table:table-row>")] + xml[xml.rindex("<table:table-row>") :].replace(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="1048574">'
    )
    path = office.write_ods(tmp_path / "a.ods", xml)
    text = compose(read_sheets(path).blocks).text
    assert text == "# 표\n\n| 이름 | 날짜 |\n|---|---|\n| 00101 | 2026-01-02 |"


@pytest.mark.parametrize(
    "data",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "<row r = '1'><c><v>1</v></c></row><row r = '9999999'><c><v>1</v></c></row>",
        '<row><c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>',
    ],
)
def test_sheet__far_cells_would_take_all_memory(tmp_path: Path, data: str) -> None:
    path = office.write_xlsx(tmp_path / "a.xlsx", {"S": f"<sheetData>{data}</sheetData>"})
    assert reason_of(path) is Reason.TOO_LARGE


def test_ods__repeated_cells_would_take_all_memory(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="string" table:number-columns-repeated="9999"><text:p>a</text:p></table:table-cell>'
    xml = f'<table:table-row table:number-rows-repeated="9999">{cell}</table:table-row>'
    assert reason_of(office.write_ods(tmp_path / "a.ods", xml)) is Reason.TOO_LARGE


def test_hwpx__packed_data_of_each_kind_that_is_torn_is_told(tmp_path: Path) -> None:
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        path = tmp_path / f"{kind}.hwpx"
        with zipfile.ZipFile(path, "w", kind) as archive:
            archive.writestr("Contents/section0.xml", b"\0" * 50 + bytes(range(200)))
        data = bytearray(path.read_bytes())
        at = data.index(b"section0.xml") + 30  # inside of the packed data
        data[at : at + 20] = b"\xff" * 20
        path.write_bytes(data)
        assert reason_of(path) is Reason.UNREADABLE


def test_xlsx_named_xls__is_read_with_the_same_guard(tmp_path: Path) -> None:
    office.write_xlsx(tmp_path / "a.xls", {"S": office.xlsx_rows([["a", "b"], ["1", "2"]])})
    assert len(read_sheets(tmp_path / "a.xls").blocks) == 3
    far = '<sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    office.write_xlsx(tmp_path / "b.xls", {"S": far})
    assert reason_of(tmp_path / "b.xls") is Reason.TOO_LARGE


def test_sheets__only_hidden_ones_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    office.write_xlsx(
        path, {"S": office.xlsx_rows([]), "H": office.xlsx_rows([["a"]])}, hidden=["H"]
    )
    with pytest.raises(BadFileError) as caught:
        read_sheets(path)
    assert caught.value.reason is Reason.NO_ROWS
