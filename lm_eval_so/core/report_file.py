"""Reading of `report.json` with a check of its columns, and the digest that identifies a report."""

from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.files import read_text
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.comparison import Comparison
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


def digest_report(report: EvaluationReport) -> str:
    """Return the digest of what a report measured and of its figures, as 64 hexadecimal digits.

    Texts are left out, since secrets are taken out of them when the report is written, and so is
    whether it may become a baseline, which its comparison decides. The figures stand for the
    rows: those of a hundred thousand would take as long to digest as to compare.
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
    """Stop here if a comparison is about another report: its verdict beside those figures misleads.

    One that does not know which report it is about may be about any.

    Args:
        comparison: The verdict, if there is one.
        report: The scores that are to stand beside it, if there are any.
        files: Where both are from.
        hint: What to do.

    Raises:
        InputError: If it is about another report.
    """
    known = comparison.candidate_digest if comparison else None
    if report is None or known is None or known == digest_report(report):
        return
    compared, shown = files
    what = f"{compared or 'the comparison'} is about another report than {shown or 'the one given'}"
    raise InputError(what, where=Where(file=str(compared)) if compared else None, hint=hint)
