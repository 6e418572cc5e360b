"""The file of labels by people: written for them, read as any spreadsheet saves it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm_eval_so.core.files import cannot_read
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.codec import parse_json
from lm_eval_so.core.text.spreadsheet import csv_rows, csv_table, decode_table
from lm_eval_so.errors import DatasetError, InputError, Problem, RecordError, Where, nearest
from lm_eval_so.evaluator.calibration.label_cells import (
    COLUMNS,
    CONTEXT,
    SECOND,
    HumanLabel,
    LabelFile,
    cells_of,
)
from lm_eval_so.evaluator.metrics.judge.panel import label_key
from lm_eval_so.evaluator.scoring.draws import LabelRows

_NEEDED = ("id", "label")
_MOST_PROBLEMS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerToLabel:
    """One answer of a file of labels, labelled or not."""

    metric: str
    sample_id: str
    repeat: int
    cells: Mapping[str, str]
    """Texts by column; a column that the file lacks is empty."""
    label: str | None
    """Label that it has already."""


@dataclass(slots=True)
class _Reading:
    """A file being read."""

    file: str
    labels: Mapping[str, Mapping[str, str]]
    """By metric id: the labels by their form for comparison."""
    found: list[HumanLabel] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[tuple[str, str, int, str], int] = field(default_factory=dict)
    """Line of a label, by metric, sample, repeat and person."""

    def refuse(self, line: int, what: str, hint: str | None = None) -> None:
        self.problems.append(Problem(what=what, where=Where(file=self.file, line=line), hint=hint))


def read_labels(path: Path, labels: Mapping[str, Mapping[str, str]]) -> LabelFile:
    """Read a file of labels.

    Args:
        path: CSV (UTF-8 with or without BOM, UTF-16 with one, or CP949; comma, semicolon or tab),
            or JSON lines.
        labels: By metric id: the labels by their form for comparison, aliases included.

    Raises:
        InputError: With every problem and its line: a missing column, an unknown label or metric,
            a person who labelled one answer twice.
    """
    data = _read(path)
    reading = _Reading(file=str(path), labels=labels)
    text, encoding = decode_table(data, str(path))
    for line, row in _rows(text, path, reading):
        _take(row, line, reading)
    if reading.problems:
        raise DatasetError.of(reading.problems[:_MOST_PROBLEMS])
    return LabelFile(
        name=path.name,
        labels=tuple(reading.found),
        empty=reading.empty,
        digest=digest_bytes(data),
        is_lossy=encoding == "cp949",
    )


def read_answers(path: Path, labels: Mapping[str, Mapping[str, str]]) -> list[AnswerToLabel]:
    """Read the answers that a file of labels is about, each once; arguments and errors as of `read_labels`."""
    reading = _Reading(file=str(path), labels=labels)
    text, _ = decode_table(_read(path), str(path))
    found: dict[tuple[str, str, int], AnswerToLabel] = {}
    for line, row in _rows(text, path, reading):
        metric = _metric_of(row, line, reading)
        cells = {column: str(row.get(column) or "") for column in COLUMNS}
        label = _label_of(row, metric, line, reading) if metric and cells["label"].strip() else None
        answer = _answer_of(row, line, reading)
        if metric is not None and answer is not None:
            made = AnswerToLabel(
                metric=metric, sample_id=answer[0], repeat=answer[1], cells=cells, label=label
            )
            found.setdefault((metric, *answer), made)
    if reading.problems:
        raise DatasetError.of(reading.problems[:_MOST_PROBLEMS])
    return list(found.values())


def csv_text(labels: LabelRows) -> str:
    """Return the file: CSV with a byte order mark, by which Excel knows that it is UTF-8."""
    rows = [cells_of(*row) for row in labels.rows()]
    unused = {each for each in (SECOND, CONTEXT) if not any(each in row for row in rows)}
    columns = [each for each in COLUMNS if each not in unused]
    return csv_table(columns, rows)


def has_labels(path: Path) -> bool:
    """Return whether a file exists that has labels or cannot be read."""
    if not path.exists():
        return False
    reading = _Reading(file=str(path), labels={})
    try:
        text, _ = decode_table(_read(path), str(path))
        return any(str(row.get("label") or "").strip() for _, row in _rows(text, path, reading))
    except InputError:
        return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None


def _rows(text: str, path: Path, reading: _Reading) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row that is not blank, with the number of its first line."""
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
    for found in csv_rows(text, reading.file, _NEEDED):
        if isinstance(found, Problem):
            reading.problems.append(found)
        else:
            yield found


def _take(row: Mapping[str, Any], line: int, reading: _Reading) -> None:
    said = row["label"] if row.get("label") is not None else ""
    if not str(said).strip():
        named = str(row.get("metric") or "").strip() or next(iter(reading.labels), "")
        reading.empty[named] = reading.empty.get(named, 0) + 1
        return
    metric = _metric_of(row, line, reading)
    if metric is None:
        return
    label = _label_of(row, metric, line, reading)
    answer = _answer_of(row, line, reading) if label is not None else None
    if label is None or answer is None:
        return
    sample_id, repeat = answer
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
            answer_b=str(row["answer_b"]) if row.get("answer_b") else None,
        )
    )


def _metric_of(row: Mapping[str, Any], line: int, reading: _Reading) -> str | None:
    """Return the metric of a row; if there is only one, a row need not name it."""
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


def _label_of(row: Mapping[str, Any], metric: str, line: int, reading: _Reading) -> str | None:
    said, known = row["label"], reading.labels[metric]
    label = known.get(label_key(said)) if isinstance(said, str | int | float) else None
    if label is None:
        shown = f'"{said}"' if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        names = ", ".join(dict.fromkeys(known.values()))
        reading.refuse(line, f"the label {shown} is not one of {names}")
    return label


def _answer_of(row: Mapping[str, Any], line: int, reading: _Reading) -> tuple[str, int] | None:
    """Return id and repeat of the answer of a row."""
    sample_id, repeat = str(row.get("id") or ""), _repeat_of(row)
    if sample_id and repeat is not None:
        return sample_id, repeat
    what = f"repeat {row['repeat']!r} is no count" if sample_id else "the id is missing"
    reading.refuse(line, what)
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
