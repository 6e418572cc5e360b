"""Which report it is: a digest that stays the same when the report becomes a baseline."""

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.report import EvaluationReport


def digest_report(report: EvaluationReport) -> str:
    """Give the digest of what a report measured and of its figures, as 64 hexadecimal digits.

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
