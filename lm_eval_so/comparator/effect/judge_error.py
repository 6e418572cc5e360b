"""Effect of a judge's errors on the change that it measured."""

from collections.abc import Iterator
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import Finding, Limits, Shape
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import CorrectedChange, Reason
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.stats.bounded import Estimate
from lm_eval_so.core.stats.diagnostic import (
    LOW_J,
    WEAK_J,
    margin_by_judge,
    true_difference,
    true_share,
)
from lm_eval_so.core.stats.distributions import normal_quantile

_OTHER_LENGTH = 0.20
"""Relative difference of the mean lengths of answers from which on a judge may lean."""
_LONGER_WON = 0.65
"""Share of pairs won by the longer answer from which on a judge seems to prefer it."""
_LENGTH_RHO = 0.3
"""Rank correlation of length and value from which on a judge seems to prefer longer answers."""
_WHY_UNUSED = {
    "none": Code.JUDGE_UNCALIBRATED,
    "stale": Code.JUDGE_STALE,
    "small": Code.JUDGE_SMALL,
}


def youden_of(judge: JudgeCalibration | None) -> float | None:
    """Return Youden's J of a metric's judge; None if it is not known well enough to be used."""
    return judge.j if judge and judge.state == "ok" else None


def is_weak(judge: JudgeCalibration | None) -> bool:
    """Return whether the judge hardly tells right from wrong, so that its scores say nothing."""
    j = youden_of(judge)
    return j is not None and j <= WEAK_J


def in_judge_units(limits: Limits, shape: Shape, judge: JudgeCalibration | None) -> Limits:
    """Return limits whose margin is in units of the judge's score.

    A judge that is wrong as often on one side as on the other shows J times the true difference
    (Rogan, Gladen 1978), so J times the margin is the same demand.
    """
    j = youden_of(judge)
    is_usable = j is not None and j > WEAK_J and shape.kind is MetricKind.BINARY
    if j is None or not is_usable or limits.margin is None:
        return limits
    return replace(limits, margin=j * limits.margin, true_margin=limits.margin, shrunk_by=j)


def with_uncertain_j(
    limits: Limits, judge: JudgeCalibration | None, worst: Estimate, *, alpha: float
) -> Limits:
    """Return limits whose margin, in units of a judge's score, allows for the error of J.

    Args:
        limits: Limits, of which the margin may be in units of a judge's score.
        judge: Calibration of the judge; one without an error of J counts as exact.
        worst: Estimate of the change, with missing rows at their worst.
        alpha: One-sided error of the gate.
    """
    j, margin, error = limits.shrunk_by, limits.true_margin, judge.j_error if judge else None
    if j is None or margin is None or error is None:
        return limits
    se = (worst.value - worst.low) / normal_quantile(1 - alpha)
    smaller = margin_by_judge(margin, j, error=error, se=se, alpha=alpha)
    return replace(limits, margin=smaller)


def corrected(finding: Finding) -> CorrectedChange | None:
    """Return the figures without the judge's errors; None if they are not known."""
    limits, change = finding.limits, finding.interval
    j, sp = limits.shrunk_by, finding.judge.sp if finding.judge else None
    if j is None or sp is None or change is None or change.delta is None:
        return None
    return CorrectedChange(
        baseline=true_share(finding.baseline or 0.0, j, specificity=sp),
        candidate=true_share(finding.candidate or 0.0, j, specificity=sp),
        delta=true_difference(change.delta, j),
        ci90=(true_difference(change.low, j), true_difference(change.high, j)),
        margin=limits.true_margin or 0.0,
    )


def judge_warnings(finding: Finding) -> Iterator[Reason]:
    """Warn of a margin that applies to the judge's score instead of the truth, and of a low J."""
    judge, j = finding.judge, youden_of(finding.judge)
    if judge is None:
        return
    if finding.limits.margin is None:
        pass
    elif judge.state != "ok":
        figures = {"good": judge.positives or 0, "bad": judge.negatives or 0}
        code = _WHY_UNUSED[judge.state]
        yield Reason(code=code, figures=figures if code is Code.JUDGE_SMALL else {})
    elif finding.shape.kind is not MetricKind.BINARY:
        yield Reason(code=Code.JUDGE_GRADED)
    if j is not None and WEAK_J < j < LOW_J:
        yield Reason(code=Code.JUDGE_LOW, figures={"j": f"{j:.2f}"})


def lean_warnings(now: JudgeHealth | None, before: JudgeHealth | None) -> Iterator[Reason]:
    """Warn of a judge that may lean, since answers differ in length or it prefers longer ones.

    Args:
        now: Health of the candidate's judge; None if the metric has none.
        before: Health of the baseline's judge.
    """
    if now is None:
        return
    prefers = (now.longer_won_share or 0.0) >= _LONGER_WON or (now.length_rho or 0.0) >= _LENGTH_RHO
    old, new = before.mean_length if before else None, now.mean_length
    longer = new / old - 1 if old and new is not None else 0.0
    if abs(longer) > _OTHER_LENGTH:
        way = {"way": "shorter"} if longer < 0 else {} if prefers else {"way": "longer"}
        yield Reason(code=Code.JUDGE_LEANS, figures={**way, "x": abs(longer)})
    elif prefers:
        yield Reason(code=Code.JUDGE_LEANS, figures={"way": "liked"})
