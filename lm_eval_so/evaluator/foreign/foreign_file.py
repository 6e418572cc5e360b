"""Content of a result file, read with limits: a JSON document, rows, or a zip of JSON documents."""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.archives.zip_members import NoZstandardError, UnusableZipError, read_members
from lm_eval_so.core.files import cannot_read, decode_text
from lm_eval_so.errors import InputError, Problem, Where

LARGEST_FILE: Final = 200_000_000
"""Largest file in bytes."""
LARGEST_UNPACKED: Final = 500_000_000
"""Largest size of all that is read of a zip file, in bytes."""
_MOST_PROBLEMS: Final = 100
_MOST_DEPTH: Final = 20
_MOST_CELL: Final = 10_000_000
_ZIP: Final = b"PK\x03\x04"
_NO_ZSTANDARD: Final = (
    'pip install "LM-Eval-SO[inspect]", or let Inspect write it as JSON: '
    "inspect log convert --to json --output-dir logs-json FILE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content of a file; exactly one of the three is there."""

    file: Path
    document: Mapping[str, Any] | None = None
    """A JSON object."""
    rows: Sequence[Mapping[str, Any]] | None = None
    """Rows of a CSV file, of JSON lines, or of a JSON array of objects."""
    lines: Sequence[int] = ()
    """Line of each row; empty if not known."""
    members: Mapping[str, bytes] | None = None
    """Files of a zip by name, not yet parsed: header.json and those in samples/."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of all rows, in their order."""
        return tuple(dict.fromkeys(name for row in self.rows or () for name in row))

    def where(self, row: int) -> Where:
        """Return the place of a row."""
        if row < len(self.lines):
            return Where(file=str(self.file), line=self.lines[row])
        return Where(file=str(self.file), key=f"[{row}]")


@dataclass(slots=True)
class Problems:
    """Everything that is wrong with a file."""

    file: Path
    found: list[Problem] = field(default_factory=list)

    def add(self, what: str, at: str | Where, hint: str | None = None) -> None:
        """Add a problem at a place, or at a path in the file."""
        where = Where(file=str(self.file), key=at or None) if isinstance(at, str) else at
        self.found.append(Problem(what=what, where=where, hint=hint))

    def refuse(self) -> None:
        """Raise an error with all of them, if there are any.

        Raises:
            InputError: With the first hundred.
        """
        if self.found:
            raise InputError.of(self.found[:_MOST_PROBLEMS])


class Node:
    """A JSON object of a file; what has another type than is asked for is a problem, and None.

    Args:
        values: The object; anything else is a problem.
        at: Path of it in the file.
        problems: Receiver of problems.
    """

    def __init__(self, values: object, at: str, problems: Problems) -> None:
        if values is not None and not isinstance(values, Mapping):
            problems.add(f"expected an object, found {kind_of(values)}", at)
        self.values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        self.at = at
        self._problems = problems

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def problem(self, what: str, key: str | None = None) -> None:
        """Add a problem of the object, or of one of its keys."""
        self._problems.add(what, self.at if key is None else self._path(key))

    def text(self, key: str) -> str | None:
        """Return a text; a number is a text, too."""
        value = self.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:g}" if isinstance(value, float) else str(value)
        if value is None or isinstance(value, str):
            return value if value is None else clean(value)
        self._unfit(key, "a text")
        return None

    def number(self, key: str) -> float | None:
        """Return a number; NaN and infinities are numbers here, and true is 1."""
        value = self.values.get(key)
        if value is None or isinstance(value, int | float):
            return None if value is None else as_float(value)
        self._unfit(key, "a number")
        return None

    def amount(self, key: str) -> float | None:
        """Return a number that is finite and not negative; None for all others."""
        value = self.number(key)
        return value if value is not None and math.isfinite(value) and value >= 0 else None

    def count(self, key: str) -> int | None:
        """Return a whole number that is not negative; None for all others."""
        value = self.amount(key)
        return int(value) if value is not None and value.is_integer() else None

    def flag(self, key: str) -> bool | None:
        """Return a truth value."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._unfit(key, "true or false")
        return None

    def node(self, key: str) -> "Node":
        """Return an object; an empty one if there is none."""
        return Node(self.values.get(key), self._path(key), self._problems)

    def nodes(self, key: str) -> list["Node"]:
        """Return the objects of a list; empty if there is none."""
        values = self.values.get(key)
        if values is not None and not isinstance(values, list):
            self._unfit(key, "a list")
        items = values if isinstance(values, list) else []
        return [
            Node(item, f"{self._path(key)}[{n}]", self._problems) for n, item in enumerate(items)
        ]

    def _path(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key

    def _unfit(self, key: str, wanted: str) -> None:
        found = kind_of(self.values[key])
        self._problems.add(f"expected {wanted}, found {found}", self._path(key))


def read_content(file: Path) -> Content:
    """Read a file by what it holds, whatever its name.

    Raises:
        InputError: If it cannot be read, is too large, or is neither JSON, JSON lines, CSV nor a
            plain zip file.
    """
    try:
        if file.is_dir():
            where, hint = Where(file=str(file)), "name the file in it"
            raise InputError(f"{file} is a folder, not a file", where=where, hint=hint)
        if file.stat().st_size > LARGEST_FILE:
            what = f"the file is larger than {LARGEST_FILE:,} bytes"
            hint = "import the results of fewer tests"
            raise InputError(what, where=Where(file=str(file)), hint=hint)
        data = file.read_bytes()
    except OSError as error:
        raise cannot_read(file, error) from None
    if data.startswith(_ZIP):
        return Content(file=file, members=_members(file, data))
    text = decode_text(data, file)
    if not text.strip():
        raise InputError("the file is empty", where=Where(file=str(file)))
    if text.lstrip()[0] in "{[":
        return _of_json(file, text)
    return _of_csv(file, text)


def parse(data: str | bytes, file: Path, *, line: int | None = None, key: str | None = None) -> Any:
    """Parse JSON with the NaN and Infinity that Python's tools write.

    Raises:
        InputError: With the place.
    """
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        at = (line or 1) + error.lineno - 1
        where = Where(file=str(file), line=None if key else at, key=key, column=error.colno)
        raise InputError(f"no JSON: {error.msg}", where=where) from None
    except (ValueError, RecursionError) as error:
        is_deep = isinstance(error, RecursionError)
        why = "nested too deeply" if is_deep else str(error).partition(":")[0]
        where = Where(file=str(file), line=line, key=key)
        raise InputError(f"no JSON: {why}", where=where) from None


def kind_of(value: object) -> str:
    """Return the kind of a JSON value, for people."""
    kinds = {Mapping: "an object", list: "a list", str: "a text", bool: "true or false"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "a number")


def as_float(value: float) -> float:
    """Return a number as a float; infinite if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def clean(text: str) -> str:
    """Return a text that a file can hold: without halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def plain(value: object, depth: int = 0) -> JsonValue:
    """Return a value that a record can hold; what is nested too deeply, or no finite number, is a text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() if depth < _MOST_DEPTH:
            return {clean(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case list() if depth < _MOST_DEPTH:
            return [plain(item, depth + 1) for item in value]
    return "…"


def shown(value: object) -> str:
    """Return a value as people read it: a text as it stands, all else as JSON."""
    return clean(value) if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def _members(file: Path, data: bytes) -> Mapping[str, bytes]:
    def is_read(name: str) -> bool:
        return name == "header.json" or (name.startswith("samples/") and name.endswith(".json"))

    where = Where(file=str(file))
    try:
        return read_members(BytesIO(data), is_read, together=LARGEST_UNPACKED, zstandard=True)
    except NoZstandardError as error:
        what = f"the zip file cannot be read: {error}"
        raise InputError(what, where=where, hint=_NO_ZSTANDARD) from None
    except UnusableZipError as error:
        raise InputError(f"the zip file cannot be read: {error}", where=where) from None


def _of_json(file: Path, text: str) -> Content:
    try:
        value = parse(text, file)
    except InputError as error:
        if "Extra data" not in error.problems[0].what:
            raise
        return _of_lines(file, text)
    if isinstance(value, dict):
        return Content(file=file, document=value)
    if not isinstance(value, list):
        what = f"expected an object or a list of them, found {kind_of(value)}"
        raise InputError(what, where=Where(file=str(file)))
    places = (Where(file=str(file), key=f"[{n}]") for n in range(len(value)))
    return Content(file=file, rows=_objects(file, zip(places, value, strict=True)))


def _of_lines(file: Path, text: str) -> Content:
    numbered = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    problems = Problems(file)
    rows: list[Any] = []
    for number, line in numbered:
        try:
            rows.append(parse(line, file, line=number))
        except InputError as error:
            problems.found += error.problems
    problems.refuse()
    lines = [number for number, _ in numbered]
    places = (Where(file=str(file), line=number) for number in lines)
    return Content(file=file, rows=_objects(file, zip(places, rows, strict=True)), lines=lines)


def _objects(file: Path, placed: Iterable[tuple[Where, Any]]) -> list[Mapping[str, Any]]:
    problems = Problems(file)
    found: list[Mapping[str, Any]] = []
    for where, value in placed:
        if isinstance(value, dict):
            found.append(value)
        else:
            problems.add(f"expected an object, found {kind_of(value)}", where)
    problems.refuse()
    return found


def _of_csv(file: Path, text: str) -> Content:
    problems = Problems(file)
    header: list[str] = []
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    records = _records(file, text)
    if len(records[0][1]) == 1:  # a text of another kind; its commas would give a problem a line
        return Content(file=file, rows=[])
    for number, cells in records:
        if not header:
            header = [clean(name) for name in cells]
            if twice := sorted({name for name in header if header.count(name) > 1}):
                problems.add(
                    f"columns stand twice: {', '.join(twice)}", Where(file=str(file), line=1)
                )
        elif len(cells) != len(header):
            what = f"{len(cells)} cells under {len(header)} columns"
            problems.add(what, Where(file=str(file), line=number))
        else:
            rows.append(dict(zip(header, cells, strict=True)))
            lines.append(number)
    problems.refuse()
    return Content(file=file, rows=rows, lines=lines)


def _records(file: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return (line, cells) of each record that is not blank."""
    found: list[tuple[int, list[str]]] = []
    reader, line = csv.reader(StringIO(text, newline=""), strict=True), 1
    before = csv.field_size_limit(_MOST_CELL)
    try:
        for cells in reader:
            if cells:
                found.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        where = Where(file=str(file), line=reader.line_num)
        raise InputError(f"no CSV: {error}", where=where) from None
    finally:
        csv.field_size_limit(before)
    return found
