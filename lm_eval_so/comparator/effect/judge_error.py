"""Effect of a judge's errors on the change that it measured."""

from collections.abc import Iterator
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import Finding, Limits, Shape
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import CorrectedChange, Reason
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.report import JudgeCalibration
from lm_eval_so.core.stats.diagnostic import LOW_J, WEAK_J, true_difference, true_share

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
    return replace(limits, margin=j * limits.margin, shrunk_by=j)


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
        margin=(limits.margin or 0.0) / j,
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
