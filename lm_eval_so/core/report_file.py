"""A report.json, read: its record, and whether its columns fit together."""

from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.files import read_text
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.errors import InputError, Problem, RecordError, Where


def read_report(path: Path) -> EvaluationReport:
    """Read a report.json, or that of a folder.

    Raises:
        InputError: If it cannot be read.
        RecordError: If it is no report of this version, or its columns do not fit together.
    """
    file = path / "report.json" if path.is_dir() else path
    if not file.exists():
        what, hint = f"cannot read {file}: no such file", "lm-eval-so evaluate writes a report.json"
        raise InputError(what, where=Where(file=str(file)), hint=hint)
    return parse_report(read_text(file), shown_as=str(file))


def parse_report(data: str | bytes, *, shown_as: str) -> EvaluationReport:
    """Make a report of its text; errors as in `read_report`."""
    where = Where(file=shown_as)
    report = loads(data, EvaluationReport, where=where)
    problems = [
        Problem(what=what, where=Where(file=shown_as, key=f"samples.{key}"))
        for key, what in _unfit_columns(report.samples)
    ]
    if problems:
        raise RecordError.of(problems)
    return report


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
    for by, labels in samples.labels.items():
        if any(not 0 <= place < len(labels.values) for place in {*labels.places}):
            yield f"labels.{by}", f"a position outside of the {len(labels.values)} values"
    for key, rows in positions.items():
        if any(not 0 <= row < n for row in rows):
            yield key, f"a position outside of the {n} rows"
