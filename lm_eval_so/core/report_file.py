"""`report.json`: read with a check of its columns and its rows beside it, identified by a digest."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from lm_eval_so.core.columns.column import Picked, is_large, key_of
from lm_eval_so.core.columns.index import Places, times_of_each
from lm_eval_so.core.files import cannot_read, cannot_write, read_text, replacing
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import from_json, parse_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.records.row_lines import (
    AGAIN,
    BEGINNING,
    Clean,
    read_rows,
    write_rows,
)
from lm_eval_so.core.records.sample import UNWRITTEN, RowsFile
from lm_eval_so.errors import InputError, Problem, RecordError, Where

T = TypeVar("T")
FindRows = Callable[[RowsFile], BinaryIO | None]
"""Search for the file with the rows of a report, by what the report tells of it."""
ROWS_FILE = UNWRITTEN.name
"""File with the rows of a report, beside a report.json."""
_MANY = 1000
"""Most failed ids that are kept as texts."""


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
    del data
    told = _told(values, shown_as)
    del values  # very many failed ids make text and values large, and the rows are still to come
    return _completed(told, shown_as, find_rows)


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
    return _completed(_told(values, shown_as), shown_as, find_rows)


@dataclass(frozen=True, slots=True)
class _Told:
    """A report.json without the rows that stand in a file."""

    report: EvaluationReport
    failed: "array[int] | None" = None
    """Keys of the failed ids, 8 bytes each, in the place of very many ids that stand among the rows."""


def _told(values: object, shown_as: str) -> _Told:
    report = from_json(values, EvaluationReport, where=Where(file=shown_as))
    if report.samples.file is None or len(report.failed_ids) <= _MANY:
        return _Told(report)
    return _Told(replace(report, failed_ids=()), array("Q", map(key_of, report.failed_ids)))


def _completed(told: _Told, shown_as: str, find_rows: FindRows | None) -> EvaluationReport:
    report, place = told.report, told.report.samples.file
    if place is not None:
        samples = _found_rows(report.samples, place, shown_as, find_rows)
        report = replace(report, samples=samples)
    if told.failed is not None:
        failed = _rows_of(told.failed, report.samples.ids, shown_as)
        report = replace(report, failed_ids=Picked(report.samples.ids, failed))
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
    where = Where(file=str(report), key="samples.file")
    try:
        if file.exists() and not file.is_file():  # a pipe would keep its reader waiting
            what = f"cannot read the rows of {report}: {file} is no regular file"
            raise InputError(what, where=where, hint=AGAIN)
        return file.open("rb")
    except FileNotFoundError:
        what = f"the rows of {report} are missing: no such file {file}"
        hint = f"copy {told.name} beside it: the two belong together"
        raise InputError(what, where=where, hint=hint) from None
    except OSError as error:
        raise cannot_read(file, error) from None


def _rows_of(keys: "array[int]", ids: Sequence[str], shown_as: str) -> "array[int]":
    rows = array("i", Places(ids).find_keys(keys))
    if absent := rows.count(-1):
        what = f"{absent:,} of the failed ids are those of no row"
        raise RecordError(what, where=Where(file=shown_as, key="failed_ids"), hint=AGAIN)
    return rows


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


def drop_rows_beside(report: EvaluationReport, file: Path) -> None:
    """Remove the rows of an earlier report from beside one that was written with its own rows in it.

    Args:
        report: The report, as it was written.
        file: File of the report itself.

    Raises:
        InputError: If they cannot be removed.
    """
    rows = file.with_name(_name_beside(file))
    if report.samples.file is not None or not rows.is_file():
        return
    try:
        with rows.open("rb") as left:
            is_ours = left.read(len(BEGINNING)) == BEGINNING
        if is_ours:  # a file of that name may be anybody's
            rows.unlink()
    except OSError as error:
        raise cannot_write(rows, error) from None


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


def _plain_name(told: RowsFile, shown_as: str) -> str:
    """Return the name of the file, if it lies beside the report and nowhere else."""
    if told.name != Path(told.name).name or told.name in {"", ".", ".."}:
        where = Where(file=shown_as, key="samples.file.name")
        raise RecordError("the rows are not in a file beside the report", where=where)
    return told.name
