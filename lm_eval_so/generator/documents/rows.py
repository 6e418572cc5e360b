"""Tables of people as documents: each row one unit with its header; the only room of calamine."""

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers.expat import ParserCreate

from pydantic import JsonValue
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.documents.block import At, BadDocumentError, Block, Note
from lm_eval_so.generator.documents.compose import table_blocks
from lm_eval_so.generator.documents.office import open_archive
from lm_eval_so.generator.sources.base import Columns, FileError, RawItem, Reason, Reject, listed
from lm_eval_so.generator.sources.source_files import Item

_MOST_CELLS: Final = 5_000_000
_SHEET_MARKS: Final = (b"sheetData", b"table-row")
_PLACE: Final = re.compile("([A-Za-z]{1,7})([0-9]{1,10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Content of a table."""

    blocks: list[Block]
    notes: tuple[Note, ...] = ()
    rejected: tuple[Reject, ...] = ()


@dataclass(slots=True)
class _Gathered:
    names: list[str] = field(default_factory=list)
    header: At = field(default_factory=dict)
    items: list[RawItem] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)


def read_records(items: Iterator[Item]) -> Rows | FileError:
    """Return the rows of records that a reader of sources yields; without a header their keys are the columns.

    Args:
        items: Records of one CSV, TSV, JSON or JSON Lines file.

    Raises:
        BadDocumentError: If there is no record with a value.
    """
    found = _Gathered()
    for item in items:
        if isinstance(item, FileError):
            return item
        if isinstance(item, Columns):
            found.names = [name for name in item.names if name]
            found.header = {"line": item.line}
        elif isinstance(item, Reject):
            found.rejected.append(item)
        else:
            found.items.append(item)
    names = found.names or list(dict.fromkeys(key for item in found.items for key in item.payload))
    rows = [[_shown(item.payload.get(name)) for name in names] for item in found.items]
    if not any(map(any, rows)):
        raise BadDocumentError(Reason.NO_ROWS, "it has no rows")
    ats = [found.header, *(item.at for item in found.items)]
    blocks = _headed([names, *rows], ats)
    return Rows(blocks=blocks, rejected=tuple(found.rejected))


def read_sheets(path: Path, *, sheets: Sequence[str] = (), header_row: int | None = None) -> Rows:
    """Return the rows of the visible sheets of an XLSX, XLS or ODS file, each sheet below its name.

    Numbers without a fraction are integers, dates ISO 8601, formulas their stored value; merged cells are
    repeated. Formats such as percent are not known: 3 % is 0.03.

    Args:
        path: The file.
        sheets: Names of the sheets to read; empty: all that are visible.
        header_row: Row that names the columns, from 1; default: the first with more than one cell.

    Raises:
        BadDocumentError: If it cannot be read, is too large, or has no rows or no such sheet.
    """
    if path.suffix.lower() != ".xls" or zipfile.is_zipfile(path):
        _refuse_large(path)
    try:
        # by its content: a file that is named .xls is often an XLSX
        with path.open("rb") as data, CalamineWorkbook.from_filelike(data) as book:
            return _read_book(book, sheets, header_row)
    except PasswordError:
        hint = "save it without a password"
        raise BadDocumentError(Reason.ENCRYPTED, "a password protects it", hint) from None
    except (CalamineError, ValueError, OSError) as error:
        if isinstance(error, BadDocumentError):
            raise
        raise _broken(error) from None
    except BaseException as error:  # a panic of its Rust code is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _broken(error) from None


def _read_book(book: CalamineWorkbook, sheets: Sequence[str], header_row: int | None) -> Rows:
    tables = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in tables]
    missing = [name for name in sheets if name not in names]
    if missing:
        what = f'there is no sheet "{missing[0]}"'
        raise BadDocumentError(Reason.UNREADABLE, what, f"it has {listed(names)}")
    hidden = [
        sheet.name
        for sheet in tables
        if sheet.visible != SheetVisibleEnum.Visible and sheet.name not in sheets
    ]
    blocks: list[Block] = []
    for name in sheets or [name for name in names if name not in hidden]:
        rows = _sheet(book.get_sheet_by_name(name), name, header_row)
        if rows:
            at: At = {"sheet": name}
            blocks += [Block(kind="heading", text=name, level=1, at=at), *rows]
    if not blocks:
        raise BadDocumentError(Reason.NO_ROWS, "no visible sheet has rows")
    notes = [Note(code="hidden_sheet", count=len(hidden), names=tuple(hidden))] if hidden else []
    return Rows(blocks=blocks, notes=tuple(notes))


def _sheet(sheet: CalamineSheet, name: str, header_row: int | None) -> list[Block]:
    if sheet.total_height * sheet.total_width > _MOST_CELLS:
        raise _too_many(sheet.total_height * sheet.total_width)
    rows: list[list[str | None]] = [
        [_cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)
    ]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        text = rows[top][left]
        for row in rows[top : bottom + 1]:
            row[left : right + 1] = [text, *[None] * (len(row[left : right + 1]) - 1)]
    ats: list[At] = [{"sheet": name, "row": number} for number in range(1, len(rows) + 1)]
    if header_row is None:
        return table_blocks(rows, ats=ats)
    above = header_row - 1
    titles = [
        Block(kind="paragraph", text=" ".join(dict.fromkeys(filter(None, row))), at=at)
        for row, at in zip(rows[:above], ats[:above], strict=True)
    ]
    return [*titles, *_headed(rows[above:], ats[above:])]


def _headed(rows: Sequence[Sequence[str | None]], ats: Sequence[At]) -> list[Block]:
    """Return the blocks of rows whose first is known to be the header, even with one cell."""
    return table_blocks(rows, ats=ats, has_titles=False)


def _cell(value: object) -> str:
    match value:
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="minutes" if not value.second else "seconds")
        case datetime.time():
            return value.isoformat(timespec="minutes" if not value.second else "seconds")
        case _:
            return str(value)


def _shown(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return "; ".join(map(_shown, value))
    if isinstance(value, dict | list):
        return dump_line(value)
    return _cell(value)


def _refuse_large(path: Path) -> None:
    """Refuse a file whose sheets span more cells than can be held.

    calamine holds all cells between the first and the last, and ends the process if there is no memory for them.
    """
    with open_archive(path, path.suffix.lstrip(".").upper()) as archive:
        for name in archive.namelist():
            try:
                data = archive.read(name)
                is_sheet = any(mark in data.replace(b"\0", b"") for mark in _SHEET_MARKS)
                area = _Extent().of(data) if is_sheet else 0
            except Exception as error:  # noqa: BLE001 - each way to pack has an error of its own
                raise _broken(error) from None
            if area > _MOST_CELLS:
                raise _too_many(area)


class _Extent:
    """The rows and columns that the cells of a sheet reach, as its XML says."""

    def __init__(self) -> None:
        self._row = self._column = self._lowest = self._widest = 0
        self._repeats = 1
        """Rows for which the current row of an ODS file stands."""

    def of(self, data: bytes) -> int:
        """Return rows times columns of the largest sheet of a file, from the first cell of the sheet."""
        parser = ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.Parse(data, True)
        return self._lowest * self._widest

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        # names of attributes have their namespace before them in ODS, and none in XLSX
        given = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        match name.rpartition(" ")[2]:
            case "table":
                self._row = 0
            case "row":
                self._row, self._column = int(given.get("r", self._row + 1)), 0
            case "c":
                self._cell(given.get("r"))
            case "table-row":
                self._row += self._repeats
                self._repeats = int(given.get("number-rows-repeated", "1"))
                self._column = 0
            case "table-cell" | "covered-table-cell":
                self._column += int(given.get("number-columns-repeated", "1"))
                if "value-type" in given:
                    self._reach(self._row + self._repeats, self._column)
            case _:
                pass

    def _cell(self, place: str | None) -> None:
        match = _PLACE.fullmatch(place or "")
        if match is None:
            self._column += 1
        else:
            self._column = 0
            for letter in match[1]:
                self._column = self._column * 26 + ord(letter.upper()) - 64
            self._row = int(match[2])
        self._reach(self._row, self._column)

    def _reach(self, row: int, column: int) -> None:
        self._lowest, self._widest = max(self._lowest, row), max(self._widest, column)


def _refuse_doctype(*_: object) -> None:
    raise ValueError("a document type")


def _too_many(cells: int) -> BadDocumentError:
    what = f"a sheet spans {cells:,} cells, more than {_MOST_CELLS:,}"
    return BadDocumentError(
        Reason.TOO_LARGE, what, "delete the empty rows and columns, or save it as CSV"
    )


def _broken(error: BaseException) -> BadDocumentError:
    what = f"it is no spreadsheet that can be read ({type(error).__name__})"
    return BadDocumentError(Reason.UNREADABLE, what, "open it and save it anew as XLSX")
