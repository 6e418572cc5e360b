"""Promotion of a report to the baseline: reason, replaced baseline, changes of means; pure."""

import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from lm_eval_so.comparator.effect.finding import Shape, shape_of
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import (
    Acceptance,
    EvaluationReport,
    MetricSummary,
    ReplacedBaseline,
)
from lm_eval_so.core.report_file import digest_report
from lm_eval_so.errors import UsageError

MOST_KEPT = 50
"""Acceptances that a baseline remembers."""
_LONGEST_REASON = 500
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories that cannot stand in one line: controls, half surrogate pairs, line separators."""
_UNIT = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of two baselines; a difference of means, no verdict."""

    metric: str
    kind: MetricKind
    direction: Direction
    is_unit: bool
    """Whether values lie in 0 … 1."""
    previous: float | None
    now: float | None
    delta: float | None
    """Positive is better; of a ratio the factor; null if a mean is not there."""
    n: tuple[int, int]
    """Samples with a value: before, now."""
    state: Literal["better", "worse", "same", "new", "gone", "unknown"]
    is_redefined: bool
    """Whether it was measured in another way, so that the means cannot be compared."""


def checked_reason(text: str) -> str:
    """Return a reason without the spaces around it.

    Raises:
        UsageError: If it says nothing, or is not one line of at most 500 characters.
    """
    reason = text.strip()
    if not any(char.isalnum() for char in reason):
        raise UsageError("a baseline is taken for a reason", hint="say why by --reason TEXT")
    if any(unicodedata.category(char) in _BREAKING for char in reason):
        raise UsageError("the reason is not one line of text", hint="say it in one line")
    if len(reason) > _LONGEST_REASON:
        what = f"the reason has {len(reason):,} characters, {_LONGEST_REASON} are read"
        raise UsageError(what, hint="say it shorter, and the rest in the commit")
    return reason


def accept(
    report: EvaluationReport, previous: EvaluationReport | None, acceptance: Acceptance
) -> EvaluationReport:
    """Return the report as a baseline that tells its own history.

    Args:
        report: Report to promote.
        previous: Baseline that it replaces, with its history.
        acceptance: Reason, time and person; the replaced baseline is filled in.
    """
    replaced = replace(acceptance, previous=_replaced(previous) if previous else None)
    earlier = previous.accepted if previous else report.accepted
    return replace(report, accepted=(*earlier, replaced)[-MOST_KEPT:])


def _replaced(report: EvaluationReport) -> ReplacedBaseline:
    return ReplacedBaseline(
        digest=digest_report(report),
        commit=report.experiment.commit,
        means={key: summary.mean for key, summary in report.metrics.items()},
    )


def metric_changes(
    report: EvaluationReport, previous: EvaluationReport
) -> tuple[MetricChange, ...]:
    """Compare the means of every metric, in the order of the report, then the metrics that are gone."""
    keys = dict.fromkeys([*report.metrics, *previous.metrics])
    return tuple(_change(key, previous.metrics.get(key), report.metrics.get(key)) for key in keys)


def _change(key: str, old: MetricSummary | None, new: MetricSummary | None) -> MetricChange:
    known = new or old
    if known is None:
        raise ValueError(f"neither report has {key}")
    shape = shape_of(known)
    before, now = old.mean if old else None, new.mean if new else None
    delta = None if before is None or now is None else _delta(before, now, shape)
    return MetricChange(
        metric=key,
        kind=shape.kind,
        direction=shape.direction,
        is_unit=shape.support == _UNIT,
        previous=before,
        now=now,
        delta=delta,
        n=(old.sample_count if old else 0, new.sample_count if new else 0),
        state=_state(old, new, delta, shape),
        is_redefined=bool(old and new and old.fingerprint != new.fingerprint),
    )


def _delta(before: float, now: float, shape: Shape) -> float | None:
    if shape.kind is MetricKind.RATIO:
        return now / before if before > 0 else None
    return now - before if shape.direction is Direction.HIGHER else before - now


def _state(
    old: MetricSummary | None, new: MetricSummary | None, delta: float | None, shape: Shape
) -> Literal["better", "worse", "same", "new", "gone", "unknown"]:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    if delta is None:
        return "unknown"
    gain = 1 - delta if shape.kind is MetricKind.RATIO else delta
    if gain == 0:
        return "same"
    return "better" if gain > 0 else "worse"
