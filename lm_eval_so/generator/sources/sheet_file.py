"""Workbooks (XLSX, XLS, ODS): the cells of their sheets as texts, and their rows as records; the only room of calamine."""

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.parsers.expat import ParserCreate

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.sources.archive import open_archive
from lm_eval_so.generator.sources.base import (
    BadFileError,
    Columns,
    Item,
    Noted,
    RawItem,
    Reason,
    SourceFile,
    listed,
)

_MOST_CELLS: Final = 5_000_000
_SHEET_MARKS: Final = (b"sheetData", b"table-row")
_PLACE: Final = re.compile("([A-Za-z]{1,7})([0-9]{1,10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet: its rows from the first, with None for a cell that a merged one covers."""

    name: str
    rows: list[list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbook:
    """The sheets that are read, and the names of hidden ones that are not."""

    sheets: tuple[Sheet, ...]
    hidden: tuple[str, ...] = ()


def read_sheet_rows(file: SourceFile, options: SourceSection, /) -> Iterator[Item]:
    """Read the rows of a workbook's sheets as records: of the first with rows, and of all with the same columns.

    `sheets` names others. The header is `header_row`, else the first row with more than one cell.
    """
    book = read_workbook(file.path, sheets=options.sheets)
    names: tuple[str, ...] = ()
    other = list(book.hidden)
    number = 0
    for sheet in book.sheets:
        top = _header(sheet, options.header_row)
        if top is None:
            continue
        columns = tuple(clean_text(cell or "") for cell in sheet.rows[top])
        twice = next((name for name in columns if name and columns.count(name) > 1), None)
        if not names and twice is not None:
            what = f'the column "{twice}" stands twice in the header of {sheet.name}'
            raise BadFileError(Reason.UNREADABLE, what, "rename one of them")
        if not names:
            names = columns
            yield Columns(names=names, line=top + 1)
        elif {*columns} != {*names}:
            other.append(sheet.name)
            continue
        for row, cells in enumerate(sheet.rows[top + 1 :], start=top + 2):
            number += 1
            named = zip(columns, cells, strict=False)
            payload = {name: cell for name, cell in named if name} if any(cells) else {}
            yield RawItem(
                file=file, at={"sheet": sheet.name, "row": row, "record": number}, payload=payload
            )
    if not names:
        raise BadFileError(Reason.NO_ROWS, "no visible sheet has rows")
    if other:
        yield Noted(code="other_sheets", figures={"names": listed(other)})


def _header(sheet: Sheet, given: int | None) -> int | None:
    """Return the position of the header; None if the sheet has no row below it."""
    if given is not None:
        return given - 1 if len(sheet.rows) > given else None
    wide = (at for at, row in enumerate(sheet.rows) if sum(map(bool, row)) > 1)
    found = next(wide, None)
    return found if found is not None and found + 1 < len(sheet.rows) else None


def read_workbook(path: Path, *, sheets: Sequence[str] = ()) -> Workbook:
    """Return the cells of the visible sheets of an XLSX, XLS or ODS file as texts.

    Numbers without a fraction are integers, dates ISO 8601, formulas their stored value. Formats such as
    percent are not known: 3 % is 0.03.

    Args:
        path: The file.
        sheets: Names of the sheets to read; empty: all that are visible.

    Raises:
        BadFileError: If it cannot be read, is too large, or has no such sheet.
    """
    if path.suffix.lower() != ".xls" or zipfile.is_zipfile(path):
        _refuse_large(path)
    try:
        # by its content: a file that is named .xls is often an XLSX
        with path.open("rb") as data, CalamineWorkbook.from_filelike(data) as book:
            return _read_book(book, sheets)
    except PasswordError:
        hint = "save it without a password"
        raise BadFileError(Reason.ENCRYPTED, "a password protects it", hint) from None
    except (CalamineError, ValueError, OSError) as error:
        if isinstance(error, BadFileError):
            raise
        raise _broken(error) from None
    except BaseException as error:  # a panic of its Rust code is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _broken(error) from None


def _read_book(book: CalamineWorkbook, sheets: Sequence[str]) -> Workbook:
    tables = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in tables]
    missing = [name for name in sheets if name not in names]
    if missing:
        what = f'there is no sheet "{missing[0]}"'
        raise BadFileError(Reason.UNREADABLE, what, f"it has {listed(names)}")
    hidden = [
        sheet.name
        for sheet in tables
        if sheet.visible != SheetVisibleEnum.Visible and sheet.name not in sheets
    ]
    chosen = sheets or [name for name in names if name not in hidden]
    read = [Sheet(name=name, rows=_rows(book.get_sheet_by_name(name))) for name in chosen]
    return Workbook(sheets=tuple(read), hidden=tuple(hidden))


def _rows(sheet: CalamineSheet) -> list[list[str | None]]:
    if sheet.total_height * sheet.total_width > _MOST_CELLS:
        raise _too_many(sheet.total_height * sheet.total_width)
    rows: list[list[str | None]] = [
        [cell_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)
    ]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        text = rows[top][left]
        for row in rows[top : bottom + 1]:
            row[left : right + 1] = [text, *[None] * (len(row[left : right + 1]) - 1)]
    return rows


def cell_text(value: object) -> str:
    """Return the text of a cell, as people write it."""
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


def _too_many(cells: int) -> BadFileError:
    what = f"a sheet spans {cells:,} cells, more than {_MOST_CELLS:,}"
    return BadFileError(
        Reason.TOO_LARGE, what, "delete the empty rows and columns, or save it as CSV"
    )


def _broken(error: BaseException) -> BadFileError:
    what = f"it is no spreadsheet that can be read ({type(error).__name__})"
    return BadFileError(Reason.UNREADABLE, what, "open it and save it anew as XLSX")
