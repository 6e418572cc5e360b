"""`report.json`: read with a check of its columns, written in pieces, identified by a digest."""

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.columns.column import Picked, is_large
from lm_eval_so.core.columns.index import Places, times_of_each
from lm_eval_so.core.files import cannot_read, read_text, replacing
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import from_json, parse_json, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import Columns, EvaluationReport, Labels
from lm_eval_so.core.records.row_lines import (
    read_rows,
    without_rows,
    write_rows,
)
from lm_eval_so.core.records.sample import UNWRITTEN, RowsFile
from lm_eval_so.errors import InputError, Problem, RecordError, Where

T = TypeVar("T")
Clean = Callable[[Any], Any]
"""Function that removes secrets from JSON values."""
FindRows = Callable[[RowsFile], BinaryIO | None]
"""Search for the file with the rows of a report, by what the report tells of it."""
ROWS_FILE = UNWRITTEN.name
"""File with the rows of a report, beside a report.json."""
_STEP = "  "
_AT_ONCE = 1000
"""Entries of a column per piece."""
_EMPTY = Columns(ids=(), sample_hashes=(), revs=(), groups=(), repeats=(), statuses=(), scores={})


def read_report(path: Path) -> EvaluationReport:
    """Read a report.json, or the one in a folder.

    Raises:
        InputError: If the file cannot be read.
        RecordError: If it is no report of this version, or its columns do not fit together.
    """
    file = path / "report.json" if path.is_dir() else path
    if not file.exists():
        what, hint = f"cannot read {file}: no such file", "lm-eval-so evaluate writes a report.json"
        raise InputError(what, where=Where(file=str(file)), hint=hint)
    return parse_report(
        read_text(file), shown_as=str(file), find_rows=lambda told: _open_rows(file, told)
    )


def fewest_answers(report: EvaluationReport) -> int:
    """Return the number of answers that every sample of a report has; 0 without samples."""
    return min(times_of_each(report.samples.ids), default=0)


def parse_report(
    data: str | bytes, *, shown_as: str, find_rows: FindRows | None = None
) -> EvaluationReport:
    """Make a report of a text; arguments as of `report_of`, errors as of `read_report`."""
    values = parse_json(data, where=Where(file=shown_as))
    del data  # very many failed ids make it large
    return report_of(values, shown_as=shown_as, find_rows=find_rows)


def report_of(
    values: object, *, shown_as: str, find_rows: FindRows | None = None
) -> EvaluationReport:
    """Make a report of JSON values.

    Args:
        values: The values.
        shown_as: Name of the file, for errors.
        find_rows: Search for the file with its rows, if they stand in one.

    Raises:
        RecordError: As `read_report`, also if the file with its rows is not found.
    """
    report = from_json(values, EvaluationReport, where=Where(file=shown_as))
    told = report.samples.file
    if told is not None:
        samples = _found_rows(report.samples, told, shown_as, find_rows)
        failed = _as_picked(report.failed_ids, samples.ids)
        report = replace(report, samples=samples, failed_ids=failed)
    problems = [
        Problem(what=what, where=Where(file=shown_as, key=f"samples.{key}"))
        for key, what in _unfit_columns(report.samples)
    ]
    if problems:
        raise RecordError.of(problems)
    return report


def _name_beside(report: Path) -> str:
    """Return the name of the file with the rows of a report: several reports may share a folder."""
    return ROWS_FILE if report.name == "report.json" else f"{report.stem}.{ROWS_FILE}"


def _open_rows(report: Path, told: RowsFile) -> BinaryIO:
    """Open the file with the rows of a report that lies beside it.

    Raises:
        InputError: If it is not there, or cannot be read.
    """
    file = report.parent / _plain_name(told, str(report))
    try:
        return file.open("rb")
    except FileNotFoundError:
        what = f"the rows of {report} are missing: no such file {file}"
        hint = f"copy {told.name} beside it: the two belong together"
        raise InputError(
            what, where=Where(file=str(report), key="samples.file"), hint=hint
        ) from None
    except OSError as error:
        raise cannot_read(file, error) from None


def _as_picked(names: Sequence[str], ids: Sequence[str]) -> Sequence[str]:
    """Return names as places among the ids, of which the memory is at hand already, if they are many."""
    if len(names) <= _AT_ONCE:
        return names
    places = array("i", Places(ids).find_all(names))
    return names if -1 in places else Picked(ids, places)


def rows_among(read: Callable[[str], bytes | None]) -> FindRows:
    """Return the search for the rows of a report among files that are read by their name."""

    def find(told: RowsFile) -> BinaryIO | None:
        data = read(told.name)
        return None if data is None else BytesIO(data)

    return find


def _found_rows(
    columns: Columns, told: RowsFile, shown_as: str, find_rows: FindRows | None
) -> Columns:
    name, file = _plain_name(told, shown_as), find_rows(told) if find_rows else None
    if file is None:
        what = f"the rows of {shown_as} are missing: no {name} beside it"
        where, hint = Where(file=shown_as, key="samples.file"), "store both: they belong together"
        raise RecordError(what, where=where, hint=hint)
    return read_rows(file, columns, shown_as=str(Path(shown_as).with_name(name)))


def _unfit_columns(samples: Columns) -> Iterator[tuple[str, str]]:
    n = len(samples.ids)
    columns = {
        "sample_hashes": samples.sample_hashes,
        "revs": samples.revs,
        "groups": samples.groups,
        "repeats": samples.repeats,
        "statuses": samples.statuses,
        "inputs": samples.inputs,
        "expected": samples.expected,
        "answers": samples.answers,
        "refs": samples.refs,
        "references": samples.references,
        "sources": samples.sources,
        "tags": samples.tags,
        "languages": samples.languages,
        **{f"labels.{by}": labels.places for by, labels in samples.labels.items()},
        **{f"scores.{key}": column for key, column in samples.scores.items()},
    }
    for key, column in columns.items():
        if column is not None and len(column) != n:
            yield key, f"{len(column)} entries for {n} ids"
    positions = {
        "cached": samples.cached,
        **{f"not_applicable.{key}": rows for key, rows in samples.not_applicable.items()},
    }
    if is_large(samples.ids):  # its rows were checked one by one
        return
    for by, labels in samples.labels.items():
        if any(not 0 <= place < len(labels.values) for place in {*labels.places}):
            yield f"labels.{by}", f"a position outside of the {len(labels.values)} values"
    for key, rows in positions.items():
        if any(not 0 <= row < n for row in rows):
            yield key, f"a position outside of the {n} rows"


def with_rows(report: EvaluationReport, rows: Sequence[int]) -> EvaluationReport:
    """Return a report with some of its rows; its figures stay those of all.

    Args:
        report: The report.
        rows: Positions of the rows, ascending.
    """
    given = report.samples
    places = {row: place for place, row in enumerate(rows)}

    def some(column: Sequence[T]) -> Sequence[T]:
        return Picked(column, rows) if is_large(column) else tuple(map(column.__getitem__, rows))

    def moved(positions: Sequence[int]) -> tuple[int, ...]:
        return tuple(places[row] for row in positions if row in places)

    columns = replace(
        given,
        ids=some(given.ids),
        sample_hashes=some(given.sample_hashes),
        revs=some(given.revs),
        groups=some(given.groups),
        repeats=some(given.repeats),
        statuses=some(given.statuses),
        scores={key: some(column) for key, column in given.scores.items()},
        not_applicable={key: moved(at) for key, at in given.not_applicable.items()},
        inputs=given.inputs and some(given.inputs),
        expected=given.expected and some(given.expected),
        answers=given.answers and some(given.answers),
        cached=moved(given.cached),
        refs=given.refs and some(given.refs),
        references=given.references and some(given.references),
        sources=given.sources and some(given.sources),
        failures={why: moved(at) for why, at in given.failures.items()},
        tags=given.tags and some(given.tags),
        languages=given.languages and some(given.languages),
        labels={key: replace(each, places=some(each.places)) for key, each in given.labels.items()},
    )
    return replace(report, samples=columns)


def write_beside(report: EvaluationReport, file: Path, clean: Clean) -> EvaluationReport:
    """Write the rows of a report beside the file that it will be written to, if it has them apart.

    Args:
        report: The report.
        file: File of the report itself.
        clean: Function applied to the values before they become text.

    Returns:
        The report, as it has to be written to that file.
    """
    if report.samples.file is None:
        return report
    path = file.with_name(_name_beside(file))
    with replacing(path) as out:
        told = write_rows(out, report.samples, clean, name=path.name)
    return replace(report, samples=replace(report.samples, file=told))


def digest_report(report: EvaluationReport) -> str:
    """Return the digest of a report's settings and figures, as 64 hexadecimal digits.

    It stays the same when the report becomes a baseline. Texts are left out, since secrets are
    removed from them when the report is written, and so is `eligible`, which the comparison
    decides. Figures stand for the rows, whose digest would take as long as a comparison.
    """
    experiment = report.experiment
    return digest(
        {
            "suite": experiment.suite,
            "evaluated_at": experiment.evaluated_at,
            "fingerprints": dict(experiment.fingerprints),
            "rows": len(report.samples.ids),
            "metrics": {
                key: [m.fingerprint, m.mean, m.std, m.sample_count, m.rows, m.unscored]
                for key, m in report.metrics.items()
            },
        }
    )


def refuse_other_report(
    comparison: Comparison | None,
    report: EvaluationReport | None,
    *,
    files: tuple[Path | None, Path | None] = (None, None),
    hint: str = "run compare again, or give the report that it is about",
) -> None:
    """Refuse a comparison that is about another report, whose figures would not match the verdict.

    A comparison without a digest may be about any report.

    Args:
        comparison: Comparison, if there is one.
        report: Report to show beside it, if there is one.
        files: Files of comparison and report.
        hint: Advice.

    Raises:
        InputError: If the comparison is about another report.
    """
    known = comparison.candidate_digest if comparison else None
    if report is None or known is None or known == digest_report(report):
        return
    compared, shown = files
    what = f"{compared or 'the comparison'} is about another report than {shown or 'the one given'}"
    raise InputError(what, where=Where(file=str(compared)) if compared else None, hint=hint)


def report_pieces(
    report: EvaluationReport, *, clean: Clean = lambda values: values
) -> Iterator[str]:
    """Yield the text of report.json in pieces; 100,000 rows are 40 MB.

    Args:
        report: The report.
        clean: Function applied to the values of a piece before they become text.
    """
    rest = to_json(replace(report, failed_ids=(), samples=_EMPTY))
    columns = report.samples if report.samples.file is None else without_rows(report.samples)
    before = "{\n"
    for key, value in rest.items():
        yield f"{before}{_STEP}{_text(key)}: "
        if key == "failed_ids":
            yield from _array(report.failed_ids, 1, clean)
        elif key == "samples":
            yield from _columns(columns, clean)
        else:
            yield _indented(clean(value), 1)
        before = ",\n"
    yield "\n}\n"


def _columns(columns: Columns, clean: Clean) -> Iterator[str]:
    def as_numbers(values: Any) -> Any:
        is_column = isinstance(values, list)  # and no key
        return [v if v is None else float(v) for v in values] if is_column else clean(values)

    before, without = "{\n", {"file"} if columns.file is None else set()
    for name in (each.name for each in fields(columns) if each.name not in without):
        yield f"{before}{_STEP * 2}{_text(name)}: "
        value = getattr(columns, name)
        if name == "sources" and value is not None:
            value = [place and _without_absent(to_json(place)) for place in value]
        yield from _member(value, 2, as_numbers if name == "scores" else clean)
        before = ",\n"
    yield f"\n{_STEP}}}"


def _member(value: Any, level: int, clean: Clean) -> Iterator[str]:
    match value:
        case None:
            yield "null"
        case RowsFile():
            yield _indented(to_json(value), level)
        case Labels():
            yield from _object({"values": value.values, "places": value.places}, level, clean)
        case Mapping():
            yield from _object(value, level, clean)
        case _:
            yield from _array(value, level, clean)


def _object(members: Mapping[str, Any], level: int, clean: Clean) -> Iterator[str]:
    before = "{\n"
    for key, value in members.items():
        yield f"{before}{_STEP * (level + 1)}{_text(clean(key))}: "
        yield from _member(value, level + 1, clean)
        before = ",\n"
    yield f"\n{_STEP * level}}}" if members else "{}"


def _array(values: Sequence[Any], level: int, clean: Clean) -> Iterator[str]:
    line_end = f"\n{_STEP * (level + 1)}"
    # without an indent of its own the encoder is the one in C, which takes a tenth of the time
    flat = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(f",{line_end}", ": "))
    before = "["
    for start in range(0, len(values), _AT_ONCE):
        some = clean([*values[start : start + _AT_ONCE]])
        first = next(filter(None, some), None)
        if isinstance(first, dict):
            text = f",{line_end}".join(map(_text, some))  # one row a line
        elif isinstance(first, list | tuple):
            text = _indented(some, level)[1:].strip()[:-1].strip()
        else:
            text = flat.encode(some)[1:-1]
        yield f"{before}{line_end}{text}"
        before = ","
    yield f"\n{_STEP * level}]" if len(values) else "[]"


def _indented(value: JsonValue, level: int) -> str:
    # no text has a line end of its own: json writes it as \n
    whole = json.dumps(value, ensure_ascii=False, indent=len(_STEP), allow_nan=False)
    return whole.replace("\n", f"\n{_STEP * level}")


def _without_absent(place: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in place.items() if value is not None}


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _plain_name(told: RowsFile, shown_as: str) -> str:
    """Return the name of the file, if it lies beside the report and nowhere else."""
    if told.name != Path(told.name).name or told.name in {"", ".", ".."}:
        where = Where(file=shown_as, key="samples.file.name")
        raise RecordError("the rows are not in a file beside the report", where=where)
    return told.name
