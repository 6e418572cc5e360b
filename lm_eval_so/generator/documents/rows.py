"""Tables of people as documents: each row one unit with its header."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.documents.block import At, Block, Contents, Note
from lm_eval_so.generator.documents.compose import table_blocks
from lm_eval_so.generator.sources.base import (
    BadFileError,
    Columns,
    FileError,
    Item,
    RawItem,
    Reason,
    Reject,
)
from lm_eval_so.generator.sources.sheet_file import Sheet, cell_text, read_workbook


def read_records(items: Iterator[Item]) -> Contents:
    """Return the rows of records that a reader of sources yields; without a header their keys are the columns.

    Args:
        items: Records of one CSV, TSV, JSON or JSON Lines file.

    Raises:
        BadFileError: If the file cannot be read, or no record has a value.
    """
    names: list[str] = []
    header: At = {}
    records: list[RawItem] = []
    rejected: list[Reject] = []
    for item in items:
        if isinstance(item, FileError):
            raise BadFileError(item.reason, item.what, item.hint, at=item.at)
        if isinstance(item, Columns):
            names, header = [name for name in item.names if name], {"line": item.line}
        elif isinstance(item, Reject):
            rejected.append(item)
        elif isinstance(item, RawItem):
            records.append(item)
    names = names or list(dict.fromkeys(key for item in records for key in item.payload))
    rows = [[_shown(item.payload.get(name)) for name in names] for item in records]
    if not any(map(any, rows)):
        raise BadFileError(Reason.NO_ROWS, "it has no rows")
    ats = [header, *(item.at for item in records)]
    blocks = table_blocks([names, *rows], ats=ats, has_titles=False)
    return Contents(blocks=blocks, rejected=tuple(rejected))


def read_sheets(
    path: Path, *, sheets: Sequence[str] = (), header_row: int | None = None
) -> Contents:
    """Return the rows of the visible sheets of an XLSX, XLS or ODS file, each sheet below its name.

    Merged cells are repeated.

    Args:
        path: The file.
        sheets: Names of the sheets to read; empty: all that are visible.
        header_row: Row that names the columns, from 1; default: the first with more than one cell.

    Raises:
        BadFileError: If it cannot be read, is too large, or has no rows or no such sheet.
    """
    book = read_workbook(path, sheets=sheets)
    blocks: list[Block] = []
    for sheet in book.sheets:
        if rows := _sheet(sheet, header_row):
            at: At = {"sheet": sheet.name}
            blocks += [Block(kind="heading", text=sheet.name, level=1, at=at), *rows]
    if not blocks:
        raise BadFileError(Reason.NO_ROWS, "no visible sheet has rows")
    hidden = book.hidden
    notes = [Note(code="hidden_sheet", count=len(hidden), names=hidden)] if hidden else []
    return Contents(blocks=blocks, notes=tuple(notes))


def _sheet(sheet: Sheet, header_row: int | None) -> list[Block]:
    rows = sheet.rows
    ats: list[At] = [{"sheet": sheet.name, "row": number} for number in range(1, len(rows) + 1)]
    if header_row is None:
        return table_blocks(rows, ats=ats)
    above = header_row - 1
    titles = [
        Block(kind="paragraph", text=" ".join(dict.fromkeys(filter(None, row))), at=at)
        for row, at in zip(rows[:above], ats[:above], strict=True)
    ]
    return [*titles, *table_blocks(rows[above:], ats=ats[above:], has_titles=False)]


def _shown(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return "; ".join(map(_shown, value))
    if isinstance(value, dict | list):
        return dump_line(value)
    return cell_text(value)
