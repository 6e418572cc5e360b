"""`samples.jsonl`: the rows of a large report, a line each, written and read in little memory."""

import hashlib
import io
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, repeat
from operator import itemgetter
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from lm_eval_so.core.columns.column import Coded, InFile, Lines, Numbers, key_of
from lm_eval_so.core.records.codec import dump_line, loads
from lm_eval_so.core.records.report import Columns, Labels
from lm_eval_so.core.records.sample import ReportRow, RowsFile, place_of, place_values
from lm_eval_so.errors import RecordError, Where

T = TypeVar("T")
Clean = Callable[[Any], Any]
"""Function that removes secrets from JSON values."""
LONGEST_LINE = 2**26
"""Most bytes of a line that is read."""
_SHORTEST = len(b'{"sample_id":"","sample_hash":"","rev":"","status":""}\n')
_BYTE = 256
_AT_ONCE = 500
"""Rows that are cleaned together."""
_AT_A_TIME = 2**20
_SCHEMA = ReportRow.__dataclass_fields__["schema"].default
BEGINNING = f'{{"schema":"{_SCHEMA}",'.encode()
"""First bytes of a file of rows that was written here."""
_READ = TypeAdapter(ReportRow).validator
AGAIN = "put the file back that was written with the report, or evaluate again"
"""Advice if the rows are not those of the report."""


def write_rows(out: BinaryIO, columns: Columns, clean: Clean, *, name: str) -> RowsFile:
    """Write the rows of a report.

    Args:
        out: File to write to.
        columns: The columns.
        clean: Function applied to the values of some rows before they become text.
        name: Name of the file.
    """
    digest, size = hashlib.sha256(), 0
    rows = _rows(columns)
    while some := [*islice(rows, _AT_ONCE)]:
        data = "".join(f"{dump_line(row)}\n" for row in clean(some)).encode()
        digest.update(data)
        size += out.write(data)
    n = len(columns.ids)
    return RowsFile(name=name, rows=n, bytes=size, sha256=digest.hexdigest())


def read_rows(
    file: BinaryIO, told: Columns, *, shown_as: str, longest: int = LONGEST_LINE
) -> Columns:
    """Read the columns of a report whose rows stand in a file; texts stay there.

    Args:
        file: The file, which stays open as long as the columns are used.
        told: Columns of the report itself: which there are, without rows.
        shown_as: Name of the file, for errors.
        longest: Most bytes of a line.

    Raises:
        RecordError: If it is not the file that the report names, or has a row that does not fit.
    """
    try:
        return _read(file, told, shown_as, longest)
    except BaseException:
        file.close()
        raise


def _read(file: BinaryIO, told: Columns, shown_as: str, longest: int) -> Columns:
    expected = told.file
    if expected is None:
        raise ValueError("the rows of the report stand in no file")
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size != expected.bytes or _digest(file) != expected.sha256:
        what = "is not the file that the report was written with: its content is another one"
        raise RecordError(f"{shown_as} {what}", where=Where(file=shown_as), hint=AGAIN)
    file.seek(0)
    found = _Reading(file, told, shown_as, most=min(expected.rows, size // _SHORTEST))
    for number in range(1, expected.rows + 1):
        found.take(file.readline(longest), number)
    if file.read(1):
        where = Where(file=shown_as, line=expected.rows + 1)
        raise RecordError(f"more than the {expected.rows:,} rows of the report", where=where)
    return found.columns()


class _Reading:
    """The columns of a file that is being read, row by row.

    Args:
        file: The file.
        told: Columns of the report itself.
        shown_as: Name of the file, for errors.
        most: Most rows that the file can have.
    """

    def __init__(self, file: BinaryIO, told: Columns, shown_as: str, *, most: int) -> None:
        self._told, self._shown_as = told, shown_as
        self._lines = Lines(file)
        # columns that grow side by side would waste as much again between them
        self._ids, self._revs = (array("Q", [0]) * most for _ in range(2))
        self._groups: Coded[str | None] = Coded()
        self._repeats, self._statuses = Coded[int](), Coded[str]()
        self._scores = {key: Numbers() for key in told.scores}
        for numbers in self._scores.values():
            numbers.expect(most)
        self._not_applicable: dict[str, array[int]] = {key: array("I") for key in told.scores}
        self._cached = array("I")
        self._failures: dict[str, array[int]] = {}
        self._tags: Coded[tuple[str, ...]] = Coded()
        self._languages: Coded[str | None] = Coded()
        self._label_of = {
            by: {value: place for place, value in enumerate(labels.values)}
            for by, labels in told.labels.items()
        }
        self._labels = {
            by: array("B" if len(labels) <= _BYTE else "I") for by, labels in self._label_of.items()
        }

    def take(self, line: bytes, number: int) -> None:
        """Take the next row, with the number of its line."""
        row, at = self._row(line, number), number - 1
        self._lines.note(len(line))
        self._ids[at] = key_of(row.sample_id)
        self._revs[at] = key_of(row.rev)
        self._groups.append(row.group_id)
        self._repeats.append(row.repeat)
        self._statuses.append(row.status)
        self._languages.append(row.language)
        self._tags.append(row.tags)
        for key, numbers in self._scores.items():
            numbers.append(row.scores.get(key))
        if row.cached:
            self._cached.append(at)
        if row.failure is not None:
            self._failures.setdefault(row.failure, array("I")).append(at)
        try:
            for key in row.not_applicable:
                self._not_applicable[key].append(at)
            for by, places in self._labels.items():
                places.append(self._label_of[by][row.labels[by]])
        except KeyError as error:
            raise self._unfit(number, f"{error} is not named in the report") from None
        if row.scores.keys() - self._scores.keys():
            raise self._unfit(number, "a score of a metric that is not named in the report")

    def columns(self) -> Columns:
        """Return the columns, once all rows are read."""
        told, lines = self._told, self._lines

        def texts(absent: object, key: str) -> InFile[Any] | None:
            return None if absent is None else InFile(lines, lambda row: row.get(key))

        def filled(absent: object, key: str, filler: T) -> InFile[T] | None:
            return None if absent is None else InFile(lines, lambda row: row.get(key, filler))

        return Columns(
            ids=InFile(lines, itemgetter("sample_id"), self._ids),
            sample_hashes=InFile(lines, itemgetter("sample_hash")),
            revs=InFile(lines, itemgetter("rev"), self._revs),
            groups=self._groups,
            repeats=self._repeats,
            statuses=self._statuses,
            scores={key: numbers.compact() for key, numbers in self._scores.items()},
            not_applicable={key: rows for key, rows in self._not_applicable.items() if rows},
            cached=self._cached,
            failures=dict(sorted(self._failures.items())),
            inputs=filled(told.inputs, "input", ""),
            expected=texts(told.expected, "expected"),
            answers=texts(told.answers, "answer"),
            refs=texts(told.refs, "ref"),
            tags=None if told.tags is None else self._tags,
            languages=None if told.languages is None else self._languages,
            references=None if told.references is None else InFile(lines, _references),
            sources=None
            if told.sources is None
            else InFile(lines, lambda row: place_of(row.get("source"))),
            labels={
                by: Labels(values=labels.values, places=self._labels[by])
                for by, labels in told.labels.items()
            },
            file=told.file,
        )

    def _row(self, line: bytes, number: int) -> ReportRow:
        if not line.endswith(b"\n"):
            raise self._unfit(number, "the line is too long" if line else "rows are missing")
        if b"NaN" not in line and b"Infinity" not in line:
            with suppress(ValidationError):
                row: ReportRow = _READ.validate_json(line)
                if row.schema == _SCHEMA and row.repeat >= 0:
                    return row
        row = loads(line, ReportRow, where=Where(file=self._shown_as, line=number))
        if row.repeat < 0:
            raise self._unfit(number, f"no number of a repeat: {row.repeat}")
        return row

    def _unfit(self, number: int, what: str) -> RecordError:
        return RecordError(what, where=Where(file=self._shown_as, line=number), hint=AGAIN)


def without_rows(columns: Columns) -> Columns:
    """Return the columns without their rows: which there are, and where the rows stand."""
    return Columns(
        ids=(),
        sample_hashes=(),
        revs=(),
        groups=(),
        repeats=(),
        statuses=(),
        scores=dict.fromkeys(columns.scores, ()),
        inputs=_none(columns.inputs),
        expected=_none(columns.expected),
        answers=_none(columns.answers),
        refs=_none(columns.refs),
        tags=_none(columns.tags),
        languages=_none(columns.languages),
        references=_none(columns.references),
        sources=_none(columns.sources),
        labels={by: Labels(values=each.values, places=()) for by, each in columns.labels.items()},
        file=columns.file,
    )


def _none(column: Sequence[T] | None) -> tuple[T, ...] | None:
    return None if column is None else ()


def _rows(columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield the rows as JSON values, without what is not known."""
    n = len(columns.ids)

    def each(column: Iterable[T] | None) -> Iterable[T | None]:
        return repeat(None, n) if column is None else column

    left_out = {key: _flags(rows, n) for key, rows in columns.not_applicable.items()}
    cached, causes = _flags(columns.cached, n), tuple(columns.failures)
    failed = array("H", bytes(2 * n))
    for code, cause in enumerate(causes, start=1):
        for row in columns.failures[cause]:
            failed[row] = code
    labels = {by: (each_.values, each_.places) for by, each_ in columns.labels.items()}
    told = zip(
        columns.ids,
        columns.sample_hashes,
        columns.revs,
        columns.groups,
        columns.repeats,
        columns.statuses,
        each(columns.refs),
        each(columns.sources),
        each(columns.tags),
        each(columns.languages),
        each(columns.inputs),
        each(columns.expected),
        each(columns.references),
        each(columns.answers),
        strict=True,
    )
    for row, values in enumerate(told):
        line = dict(zip(_KEYS, values, strict=True))
        line["source"] = place_values(line["source"])
        line["scores"] = {
            key: float(value)
            for key, column in columns.scores.items()
            if (value := column[row]) is not None
        }
        line["not_applicable"] = [key for key, flags in left_out.items() if flags[row]]
        line["cached"] = bool(cached[row])
        line["failure"] = causes[failed[row] - 1] if failed[row] else None
        line["labels"] = {by: names[places[row]] for by, (names, places) in labels.items()}
        yield {"schema": _SCHEMA} | {
            key: value for key, value in line.items() if value or value == ""
        }


_KEYS = (
    "sample_id",
    "sample_hash",
    "rev",
    "group_id",
    "repeat",
    "status",
    "ref",
    "source",
    "tags",
    "language",
    "input",
    "expected",
    "references",
    "answer",
)


def _flags(rows: Iterable[int], n: int) -> bytearray:
    flags = bytearray(n)
    for row in rows:
        flags[row] = 1
    return flags


def _references(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row.get("references", ()))


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while data := file.read(_AT_A_TIME):
        found.update(data)
    return found.hexdigest()
