"""Labels by people, as they come back: CSV of whatever spreadsheet, or JSON lines."""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm_eval_so.core.files import cannot_read
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.codec import parse_json
from lm_eval_so.errors import DatasetError, InputError, Problem, RecordError, Where, nearest
from lm_eval_so.evaluator.calibration.labels import unguarded
from lm_eval_so.evaluator.metrics.judge.panel import label_key

_DELIMITERS = (",", ";", "\t")
_NEEDED = ("id", "label")
_ENCODINGS = ("utf-8", "cp949")
_MOST_PROBLEMS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """What one person said of one answer."""

    metric: str
    sample_id: str
    repeat: int
    label: str
    annotator: str
    note: str
    answer: str | None
    """The answer as the file has it; None if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """A file of labels, read."""

    labels: tuple[HumanLabel, ...]
    empty: Mapping[str, int]
    """Lines without a label, by metric id."""
    digest: str
    is_lossy: bool = False
    """Whether its encoding lacks characters, which then stand as question marks."""


@dataclass(slots=True)
class _Reading:
    """A file being read."""

    file: str
    labels: Mapping[str, Mapping[str, str]]
    """By metric id: the labels by the form in which they are compared."""
    found: list[HumanLabel] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[tuple[str, str, int, str], int] = field(default_factory=dict)
    """Line in which somebody labelled an answer."""

    def refuse(self, line: int, what: str, hint: str | None = None) -> None:
        self.problems.append(Problem(what=what, where=Where(file=self.file, line=line), hint=hint))


def read_labels(path: Path, labels: Mapping[str, Mapping[str, str]]) -> LabelFile:
    """Read a file of labels.

    Args:
        path: CSV (UTF-8 with or without BOM, UTF-16 with one, or CP949; comma, semicolon or tab),
            or JSON lines.
        labels: By metric id: the labels by the form in which they are compared, aliases included.

    Raises:
        InputError: With every problem and its line: no such column, a label that is none, an
            unknown metric, a person who labelled one answer twice.
    """
    data = _read(path)
    reading = _Reading(file=str(path), labels=labels)
    text, encoding = _decoded(data, path)
    for line, row in _rows(text, path, reading):
        _take(row, line, reading)
    if reading.problems:
        raise DatasetError.of(reading.problems[:_MOST_PROBLEMS])
    return LabelFile(
        labels=tuple(reading.found),
        empty=reading.empty,
        digest=digest_bytes(data),
        is_lossy=encoding == "cp949",
    )


def has_labels(path: Path) -> bool:
    """Return whether a file exists in which somebody has begun to label, or that cannot be read."""
    if not path.exists():
        return False
    reading = _Reading(file=str(path), labels={})
    try:
        text, _ = _decoded(_read(path), path)
        return any(str(row.get("label") or "").strip() for _, row in _rows(text, path, reading))
    except InputError:
        return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None


def _decoded(data: bytes, path: Path) -> tuple[str, str]:
    """Return the text, without a BOM, and its encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "utf-16"  # as Excel saves "Unicode text"
    data = data.removeprefix(codecs.BOM_UTF8)
    bad_byte = 0
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError as error:
            bad_byte = max(bad_byte, error.start)
    what = f"neither UTF-8 nor CP949 at byte {bad_byte}"
    raise InputError(what, where=Where(file=str(path)), hint="save the file as UTF-8")


def _rows(text: str, path: Path, reading: _Reading) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row that is not blank with the line where it begins."""
    is_json = path.suffix.lower() in {".jsonl", ".ndjson"} or text.lstrip().startswith("{")
    yield from _json_rows(text, reading) if is_json else _csv_rows(text, reading)


def _json_rows(text: str, reading: _Reading) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line.strip(), where=Where(file=reading.file, line=number))
        except RecordError as error:
            reading.problems += error.problems
            continue
        missing = [key for key in _NEEDED if not isinstance(row, dict) or key not in row]
        if missing:
            reading.refuse(number, f"no {' and no '.join(missing)}", "give id and label")
        else:
            yield number, row


def _csv_rows(text: str, reading: _Reading) -> Iterator[tuple[int, Mapping[str, str]]]:
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not names:
                names = [cell.strip().casefold() for cell in cells]
                missing = [name for name in _NEEDED if name not in names]
                if missing:
                    what = f"no column {' and no column '.join(missing)}"
                    hint = f"columns here: {', '.join(filter(None, names)) or 'none'}"
                    reading.refuse(1, what, hint)
                    return
            elif any(map(str.strip, cells)):
                yield line, dict(zip(names, map(unguarded, cells), strict=False))
            line = reader.line_num + 1
    except csv.Error as error:
        reading.refuse(line, f"no CSV: {error}", 'write a quote inside a cell twice: ""')
    if not names:
        reading.refuse(1, "the file is empty")


def _take(row: Mapping[str, Any], line: int, reading: _Reading) -> None:
    said = row["label"] if row.get("label") is not None else ""
    if not str(said).strip():
        named = str(row.get("metric") or "").strip() or next(iter(reading.labels), "")
        reading.empty[named] = reading.empty.get(named, 0) + 1
        return
    metric = _metric_of(row, line, reading)
    if metric is None:
        return
    known = reading.labels[metric]
    label = known.get(label_key(said)) if isinstance(said, str | int | float) else None
    if label is None:
        shown = f'"{said}"' if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        names = ", ".join(dict.fromkeys(known.values()))
        reading.refuse(line, f"the label {shown} is not one of {names}")
        return
    sample_id, repeat = str(row.get("id") or ""), _repeat_of(row)
    if not sample_id or repeat is None:
        what = "the id is missing" if not sample_id else f"repeat {row['repeat']!r} is no count"
        reading.refuse(line, what)
        return
    annotator = str(row.get("annotator") or "").strip()
    place = (metric, sample_id, repeat, annotator)
    if annotator and place in reading.lines:  # who gives no name may be somebody else each time
        what = f"{annotator} labelled {sample_id} already in line {reading.lines[place]}"
        reading.refuse(line, what, "keep one of the two")
        return
    reading.lines[place] = line
    reading.found.append(
        HumanLabel(
            metric=metric,
            sample_id=sample_id,
            repeat=repeat,
            label=label,
            annotator=annotator,
            note=" ".join(str(row.get("note") or "").split()),
            answer=str(row["answer"]) if row.get("answer") else None,
        )
    )


def _metric_of(row: Mapping[str, Any], line: int, reading: _Reading) -> str | None:
    """Return the metric that a row is about; where there is only one, nobody need name it."""
    known = list(reading.labels)
    said = str(row.get("metric") or "").strip()
    if said in reading.labels or (not said and len(known) == 1):
        return said or known[0]
    if not said:
        reading.refuse(line, f"which metric? it is one of {', '.join(known)}")
        return None
    close = nearest(said, known)
    what = f'no metric "{said}" that judges by labels'
    what += f' (did you mean "{close}"?)' if close else ""
    reading.refuse(line, what, None if close else f"such metrics here: {', '.join(known)}")
    return None


def _repeat_of(row: Mapping[str, Any]) -> int | None:
    said = row.get("repeat")
    if said is None or not str(said).strip():
        return 0
    try:
        number = float(str(said))  # a spreadsheet may make 0.0 of it
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None
