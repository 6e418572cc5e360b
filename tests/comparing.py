"""Short ways to compare two reports."""

from datetime import date

from lm_eval_so.comparator.broken.judge import Asked
from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.exemptions.files import Entry, Exceptions
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Language

NOW = "2026-11-24T06:30:00Z"


def judge(
    baseline, candidate, *, gate=None, language=Language.EN, exceptions=None, again=None, now=NOW
):
    """Compare, with the gate as it stands in a config."""
    terms = Terms(
        gate=GateSection.model_validate(gate or {}),
        language=language,
        compared_at=now,
        exceptions=exceptions or Exceptions(),
    )
    ref = BaselineRef(source="file" if baseline else "none")
    return compare(candidate, baseline, terms, baseline_ref=ref, asked=Asked(changed=again))


def entry(sample_id=None, metric=None, *, max_drop=None, until="2026-12-31", reason="dice"):
    """Make an entry of the quarantine file, or with a largest drop of the accept file."""
    return Entry(
        sample_id=sample_id,
        metric=metric,
        reason=reason,
        until=date.fromisoformat(until),
        max_drop=max_drop,
        where=".lm-eval-so/exceptions.yaml:3",
    )


def flips(*, worse, better, n, right=None):
    """Return right-or-wrong scores of both sides with so many flips; the rest is right."""
    rest = n - worse - better
    still = [1] * rest if right is None else [1] * right + [0] * (rest - right)
    return [1] * worse + [0] * better + still, [0] * worse + [1] * better + still


def only(comparison):
    """Return the one metric of a comparison."""
    (metric,) = comparison.metrics.values()
    return metric
