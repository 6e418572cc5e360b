"""What a judge's errors mean for a change that it measured."""

from collections.abc import Iterator
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import CorrectedChange, Reason
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.diagnostic import LOW_J, WEAK_J, true_difference, true_share

_WHY_UNUSED = {
    "none": Code.JUDGE_UNCALIBRATED,
    "stale": Code.JUDGE_STALE,
    "small": Code.JUDGE_SMALL,
}


def youden_of(finding: Finding) -> float | None:
    """Return Youden's J of a metric's judge; None if it is not known well enough to be used."""
    return finding.judge.j if finding.judge and finding.judge.state == "ok" else None


def is_weak(finding: Finding) -> bool:
    """Return whether the judge hardly tells right from wrong, so that its scores say nothing."""
    j = youden_of(finding)
    return j is not None and j <= WEAK_J


def with_judge_margin(finding: Finding) -> Finding:
    """Return a finding whose margin is in units of the judge's score.

    A judge that is wrong as often on one side as on the other shows J times the true difference
    (Rogan, Gladen 1978), so J times the margin is the same demand.
    """
    j = youden_of(finding)
    is_usable = j is not None and j > WEAK_J and finding.shape.kind is MetricKind.BINARY
    if j is None or not is_usable or finding.margin is None:
        return finding
    return replace(finding, margin=j * finding.margin, shrunk_by=j)


def corrected(finding: Finding) -> CorrectedChange | None:
    """Return what the figures stand for without the judge's errors; None if that is not known."""
    j, sp = finding.shrunk_by, finding.judge.sp if finding.judge else None
    low, high = finding.low, finding.high
    if j is None or sp is None or finding.delta is None or low is None or high is None:
        return None
    return CorrectedChange(
        baseline=true_share(finding.baseline or 0.0, j, specificity=sp),
        candidate=true_share(finding.candidate or 0.0, j, specificity=sp),
        delta=true_difference(finding.delta, j),
        ci90=(true_difference(low, j), true_difference(high, j)),
        margin=(finding.margin or 0.0) / j,
    )


def judge_warnings(finding: Finding) -> Iterator[Reason]:
    """Say whether the margin is about the judge's score instead of the truth, or J is low."""
    judge, j = finding.judge, youden_of(finding)
    if judge is None:
        return
    if finding.margin is None:
        pass
    elif judge.state != "ok":
        figures = {"good": judge.positives or 0, "bad": judge.negatives or 0}
        code = _WHY_UNUSED[judge.state]
        yield Reason(code=code, figures=figures if code is Code.JUDGE_SMALL else {})
    elif finding.shape.kind is not MetricKind.BINARY:
        yield Reason(code=Code.JUDGE_GRADED)
    if j is not None and WEAK_J < j < LOW_J:
        yield Reason(code=Code.JUDGE_LOW, figures={"j": f"{j:.2f}"})
