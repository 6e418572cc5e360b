"""CSV and TSV: streamed, with physical lines, and every row as wide as the header."""

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.sources.base import (
    Columns,
    FileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    excerpt,
    listed,
)
from lm_eval_so.generator.sources.encoding import MOST_BYTES, Line, read_lines

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_Row = tuple[Sequence[Line], list[str] | csv.Error]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A row with its file, its place and its physical lines."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    lines: Sequence[Line]

    def reject(self, reason: Reason, what: str, hint: str | None) -> Reject:
        """Return the row as a reject."""
        text = excerpt("".join(line.text for line in self.lines))
        is_told = reason is Reason.BAD_ENCODING  # it names a byte of the line
        at = self.at if is_told else {"line": self.at["line"], "column": 1, **self.at}
        return Reject(file=self.file, at=at, reason=reason, what=what, hint=hint, excerpt=text)


def read_csv(
    file: SourceFile, _: SourceSection, /
) -> Iterator[Columns | RawItem | Reject | FileError]:
    """Read comma-separated values; also semicolons, tabs or bars, as the header uses."""
    widths = {d: _header_width(file, d) for d in _DELIMITERS}
    widest = max(widths, key=lambda d: widths[d])
    return _read(file, widest if widths[widest] > 1 else ",")


def read_tsv(
    file: SourceFile, _: SourceSection, /
) -> Iterator[Columns | RawItem | Reject | FileError]:
    """Read tab-separated values."""
    return _read(file, "\t")


def _read(file: SourceFile, delimiter: str) -> Iterator[Columns | RawItem | Reject | FileError]:
    rows = _rows(file, delimiter)
    header = next(rows, None)
    columns = _columns(file, header)
    yield columns
    if isinstance(columns, FileError):
        return
    for number, (lines, cells) in enumerate(rows, start=1):
        at: dict[str, JsonValue] = {"line": lines[0].number, "record": number}
        row = _Place(file=file, at=at, lines=lines)
        if problem := _problem(row):
            yield problem
        elif isinstance(cells, csv.Error):
            yield _quote_problem(row, str(cells))
        elif not any(map(str.strip, cells)):
            yield RawItem(file=file, at=at, payload={})
        elif len(cells) != len(columns.names):
            yield _width_problem(row, len(cells), columns.names, delimiter)
        else:
            named = zip(columns.names, cells, strict=True)
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


def _columns(file: SourceFile, header: _Row | None) -> Columns | FileError:
    if header is None:
        return FileError(file=file, reason=Reason.EMPTY_FILE, what="the file is empty")
    lines, cells = header
    at: dict[str, JsonValue] = {"line": lines[0].number}
    row = _Place(file=file, at=at, lines=lines)
    problem = _problem(row)
    if problem is None and isinstance(cells, csv.Error):
        problem = _quote_problem(row, str(cells))
    if problem is not None:
        what = f"the header cannot be read: {problem.what}"
        return FileError(
            file=file, reason=problem.reason, what=what, hint=problem.hint, at=problem.at
        )
    names = () if isinstance(cells, csv.Error) else tuple(map(clean_text, cells))
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        what = f'the column "{twice}" stands twice in the header'
        return FileError(
            file=file, reason=Reason.UNREADABLE, what=what, hint="rename one of them", at=at
        )
    return Columns(names=names, line=lines[0].number)


def _problem(row: _Place) -> Reject | None:
    """Return a reject if the text itself is wrong, before its cells."""
    if sum(line.size for line in row.lines) > MOST_BYTES:
        what = f"the record is longer than {MOST_BYTES:,} bytes"
        return row.reject(Reason.TOO_LARGE, what, None)
    bad = next((line for line in row.lines if line.bad_byte is not None), None)
    if bad is None:
        return None
    encoding = row.file.encoding
    return replace(row, at={**row.at, "line": bad.number, "byte": bad.bad_byte}).reject(
        Reason.BAD_ENCODING,
        f"no {encoding} at byte {bad.bad_byte}",
        "save the file in one encoding",
    )


def _quote_problem(row: _Place, said: str) -> Reject:
    if "field limit" in said:
        what = f"a cell is longer than {csv.field_size_limit():,} characters"
        return row.reject(Reason.TOO_LARGE, what, "is a quote never closed?")
    if "unexpected end" in said:
        what, hint = "a quote is opened and never closed", "close the quote"
    else:
        what, hint = "text after a closing quote", 'write a quote inside a cell twice: ""'
    return row.reject(Reason.BAD_QUOTE, what, hint)


def _width_problem(row: _Place, width: int, names: Sequence[str], delimiter: str) -> Reject:
    remedy = (
        f"quote the field that contains a {_DELIMITERS[delimiter]}"
        if width > len(names)
        else "add the field that is missing, if need be empty"
    )
    what = f"{width} fields, header has {len(names)}"
    return row.reject(Reason.ROW_WIDTH, what, f"{remedy}; columns: {listed(names)}")
