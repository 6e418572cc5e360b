"""Short ways to compare two reports."""

from lm_eval_so.comparator.compare import compare
from lm_eval_so.core.config.model import GateSection
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Language

NOW = "2026-11-24T06:30:00Z"


def judge(baseline, candidate, *, gate=None, language=Language.EN):
    """Compare, with the gate as it stands in a config."""
    return compare(
        candidate,
        baseline,
        gate=GateSection.model_validate(gate or {}),
        baseline_ref=BaselineRef(source="file" if baseline else "none"),
        language=language,
        compared_at=NOW,
    )


def flips(*, worse, better, n, right=None):
    """Give right-or-wrong scores of both sides with so many flips; the rest is right."""
    rest = n - worse - better
    still = [1] * rest if right is None else [1] * right + [0] * (rest - right)
    return [1] * worse + [0] * better + still, [0] * worse + [1] * better + still


def only(comparison):
    """Give the one metric of a comparison."""
    (metric,) = comparison.metrics.values()
    return metric
