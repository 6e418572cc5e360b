"""CSV and TSV: streamed, with physical lines, and every row as wide as the header."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.sources.base import (
    BadFileError,
    Columns,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    listed,
)
from lm_eval_so.generator.sources.encoding import MOST_BYTES, Line, read_lines, refuse_bad

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_Row = tuple[Sequence[Line], list[str] | csv.Error]
_Items = Iterator[Columns | RawItem | Reject]


def read_csv(file: SourceFile, _: SourceSection, /) -> _Items:
    """Read comma-separated values; also semicolons, tabs or bars, as the header uses."""
    widths = {d: _header_width(file, d) for d in _DELIMITERS}
    widest = max(widths, key=lambda d: widths[d])
    return _read(file, widest if widths[widest] > 1 else ",")


def read_tsv(file: SourceFile, _: SourceSection, /) -> _Items:
    """Read tab-separated values."""
    return _read(file, "\t")


def _read(file: SourceFile, delimiter: str) -> _Items:
    rows = _rows(file, delimiter)
    columns = _columns(file, next(rows, None))
    yield columns
    for number, row in enumerate(rows, start=1):
        line = row[0][0].number
        at: dict[str, JsonValue] = {"line": line, "record": number}
        try:
            cells = _cells(file, row)
            is_blank = not any(map(str.strip, cells))
            if not is_blank and len(cells) != len(columns.names):
                raise _width_problem(len(cells), columns.names, delimiter)
        except BadFileError as error:
            where = {**at, **error.at} if error.at else {"line": line, "column": 1, **at}
            yield error.reject(file, where, "".join(line.text for line in row[0]))
            continue
        named = () if is_blank else zip(columns.names, cells, strict=True)
        yield RawItem(file=file, at=at, payload={name: cell for name, cell in named if name})


def _rows(file: SourceFile, delimiter: str) -> Iterator[_Row]:
    """Yield each row with its physical lines, without blank lines."""
    feed = _Feed(read_lines(file.path, file.encoding or "utf-8"))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            feed.take_back()
            yield feed.record, error
            continue
        if len(cells) > 1 or any(map(str.strip, cells)):
            yield feed.record, cells


class _Feed:
    """Iterator of physical lines for the csv module that remembers the lines of the current row."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.record: list[Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.record.append(line)
        return line.text

    def begin(self) -> None:
        """Begin a row."""
        self.record = []

    def take_back(self) -> None:
        """Keep the first line and read the others again, since an unclosed quote spoils one line only."""
        self._again.extendleft(reversed(self.record[1:]))
        self.record = self.record[:1]


def _header_width(file: SourceFile, delimiter: str) -> int:
    _, cells = next(_rows(file, delimiter), ((), []))
    return 0 if isinstance(cells, csv.Error) else len(cells)


def _columns(file: SourceFile, header: _Row | None) -> Columns:
    if header is None:
        raise BadFileError(Reason.EMPTY_FILE, "the file is empty")
    line = header[0][0].number
    try:
        names = tuple(map(clean_text, _cells(file, header)))
    except BadFileError as error:
        what = f"the header cannot be read: {error.what}"
        at = error.at or {"line": line, "column": 1}
        raise BadFileError(error.reason, what, error.hint, at=at) from None
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        what = f'the column "{twice}" stands twice in the header'
        raise BadFileError(Reason.UNREADABLE, what, "rename one of them", at={"line": line})
    return Columns(names=names, line=line)


def _cells(file: SourceFile, row: _Row) -> list[str]:
    """Return the cells of a row.

    Raises:
        BadFileError: If its text or its quotes are wrong.
    """
    lines, cells = row
    if sum(line.size for line in lines) > MOST_BYTES:
        raise BadFileError(Reason.TOO_LARGE, f"the record is longer than {MOST_BYTES:,} bytes")
    for line in lines:
        refuse_bad(line, file.encoding)
    if isinstance(cells, csv.Error):
        raise _quote_problem(str(cells))
    return cells


def _quote_problem(said: str) -> BadFileError:
    if "field limit" in said:
        what = f"a cell is longer than {csv.field_size_limit():,} characters"
        return BadFileError(Reason.TOO_LARGE, what, "is a quote never closed?")
    if "unexpected end" in said:
        what, hint = "a quote is opened and never closed", "close the quote"
    else:
        what, hint = "text after a closing quote", 'write a quote inside a cell twice: ""'
    return BadFileError(Reason.BAD_QUOTE, what, hint)


def _width_problem(width: int, names: Sequence[str], delimiter: str) -> BadFileError:
    remedy = (
        f"quote the field that contains a {_DELIMITERS[delimiter]}"
        if width > len(names)
        else "add the field that is missing, if need be empty"
    )
    what = f"{width} fields, header has {len(names)}"
    return BadFileError(Reason.ROW_WIDTH, what, f"{remedy}; columns: {listed(names)}")
