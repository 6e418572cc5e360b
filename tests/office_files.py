"""Small office files and PDFs, written byte by byte, as the programs that make them do."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_HANCOM = "http://www.hancom.co.kr/hwpml/2011"
_NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
)
_STYLES = ("Title", "heading 1", "heading 2", "toc 1")


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def docx_paragraph(text: str, *, style: str = "", list_id: int = 0) -> str:
    """A paragraph of a DOCX; list 1 has bullets, list 2 numbers."""
    shape = f'<w:pStyle w:val="{style.replace(" ", "")}"/>' if style else ""
    if list_id:
        shape += f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{list_id}"/></w:numPr>'
    return f"<w:p><w:pPr>{shape}</w:pPr><w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def docx_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ["".join(f"<w:tc>{docx_paragraph(cell)}</w:tc>" for cell in row) for row in rows]
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def write_docx(path: Path, body: str) -> Path:
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
        for name in _STYLES
    )
    part = f"{_PACKAGE}/relationships"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{part}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
        'Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{part}">'
        f'<Relationship Id="r1" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="r2" Type="{_OFFICE}/numbering" Target="numbering.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{_WORD}">{styles}</w:styles>',
        "word/numbering.xml": f'<w:numbering xmlns:w="{_WORD}">{_NUMBERING}</w:numbering>',
        "word/document.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
    }
    return write_zip(path, files)


def hwpx_paragraph(text: str, *, shape: int = 0, more: str = "") -> str:
    """A paragraph of an HWPX; shape 1 and 2 are outlines, 3 has bullets, 4 numbers; `more` follows in its run."""
    run = f'<hp:run charPrIDRef="0"><hp:t>{escape(text)}</hp:t>{more}</hp:run>'
    return f'<hp:p id="0" paraPrIDRef="{shape}" styleIDRef="0">{run}</hp:p>'


def hwpx_table(rows: Sequence[Sequence[str]]) -> str:
    def cell(text: str, row: int, column: int) -> str:
        return (
            f'<hp:tc><hp:subList>{hwpx_paragraph(text)}</hp:subList><hp:cellAddr colAddr="{column}" '
            f'rowAddr="{row}"/><hp:cellSpan colSpan="1" rowSpan="1"/></hp:tc>'
        )

    trs = [
        "<hp:tr>" + "".join(cell(text, i, j) for j, text in enumerate(row)) + "</hp:tr>"
        for i, row in enumerate(rows)
    ]
    return f'<hp:tbl rowCnt="{len(rows)}">{"".join(trs)}</hp:tbl>'


def write_hwpx(path: Path, *sections: str, extra: Mapping[str, str | bytes] | None = None) -> Path:
    kinds = ("NONE", "OUTLINE", "OUTLINE", "BULLET", "NUMBER")
    levels = (0, 0, 1, 0, 0)
    shapes = "".join(
        f'<hh:paraPr id="{i}"><hh:heading type="{kind}" idRef="0" level="{level}"/></hh:paraPr>'
        for i, (kind, level) in enumerate(zip(kinds, levels, strict=True))
    )
    files: dict[str, str | bytes] = {
        "mimetype": "application/hwp+zip",
        "Contents/header.xml": f'<hh:head xmlns:hh="{_HANCOM}/head"><hh:paraProperties>{shapes}'
        "</hh:paraProperties></hh:head>",
    }
    for number, body in enumerate(sections):
        spaces = f'xmlns:hs="{_HANCOM}/section" xmlns:hp="{_HANCOM}/paragraph"'
        files[f"Contents/section{number}.xml"] = f"<hs:sec {spaces}>{body}</hs:sec>"
    return write_zip(path, {**files, **(extra or {})})


def write_xlsx(path: Path, sheets: Mapping[str, str], *, hidden: Sequence[str] = ()) -> Path:
    """Write sheets, given as the XML of their `sheetData` and what follows it."""
    part = f"{_PACKAGE}/relationships"
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{i}" r:id="r{i}"'
        + (' state="hidden"/>' if name in hidden else "/>")
        for i, name in enumerate(names, start=1)
    )
    targets = "".join(
        f'<Relationship Id="r{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(names) + 1)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{part}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{part}">{targets}</Relationships>',
    }
    for i, name in enumerate(names, start=1):
        files[f"xl/worksheets/sheet{i}.xml"] = (
            f'<worksheet xmlns="{_SHEET}">{sheets[name]}</worksheet>'
        )
    return write_zip(path, files)


def xlsx_rows(rows: Sequence[Sequence[str | float]], *, first: int = 1) -> str:
    """The XML of rows of texts and numbers."""

    def cell(value: str | float, place: str) -> str:
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    parts = [
        f'<row r="{i}">'
        + "".join(cell(v, f"{chr(65 + j)}{i}") for j, v in enumerate(row))
        + "</row>"
        for i, row in enumerate(rows, start=first)
    ]
    return f"<sheetData>{''.join(parts)}</sheetData>"


def write_ods(path: Path, table: str) -> Path:
    """Write one sheet, given as the XML of its rows."""
    base = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{base}:office:1.0" xmlns:table="{base}:table:1.0" '
        f'xmlns:text="{base}:text:1.0"><office:body><office:spreadsheet><table:table table:name="표">{table}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f'<manifest:manifest xmlns:manifest="{base}:manifest:1.0"/>'
    return write_zip(
        path, {"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content}
    )


def write_pdf(path: Path, pages: Sequence[Sequence[tuple[float, float, str]]]) -> Path:
    """Write pages of (x, y, Latin text), in the order in which they are drawn; Helvetica of 10 points."""
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    fonts = "/Resources << /Font << /F1 3 0 R >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        font,
    ]
    for i, page in enumerate(pages):
        texts = [
            t.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for _, _, t in page
        ]
        drawn = "\n".join(
            f"BT /F1 10 Tf {x} {y} Td ({text}) Tj ET"
            for (x, y, _), text in zip(page, texts, strict=True)
        )
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * i} 0 R {fonts} >>",
            f"<< /Length {len(drawn.encode('latin-1'))} >>\nstream\n{drawn}\nendstream",
        ]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    data += (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
        f"startxref\n{len(data)}\n%%EOF\n"
    ).encode("latin-1")
    path.write_bytes(data)
    return path
