"""Which report it is: a digest that stays the same when the report becomes a baseline."""

from pathlib import Path

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import InputError, Where


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
