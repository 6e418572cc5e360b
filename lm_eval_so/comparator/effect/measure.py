"""One metric on both sides: whether it can be compared at all, and if so, what changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.comparator.effect.finding import DEFAULT_MAX_INCREASE, Finding, Shape, shape_of
from lm_eval_so.comparator.effect.interval import (
    estimate_change,
    method_of,
    moved_of,
    needed_samples,
    smallest_margin,
    subtract,
)
from lm_eval_so.comparator.effect.judge_error import (
    is_weak,
    judge_warnings,
    with_judge_margin,
    youden_of,
)
from lm_eval_so.comparator.effect.ratio import measure_ratio
from lm_eval_so.comparator.effect.values import (
    Arm,
    Complete,
    Differences,
    complete_pairs,
    read_arm,
)
from lm_eval_so.comparator.pairing.groups import Groups
from lm_eval_so.comparator.pairing.pair import Pairs, Scope, Side, scope_of
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.settings import Redact, difference_text, metric_differences
from lm_eval_so.core.config.model import GateMetricSection
from lm_eval_so.core.records.comparison import Difference, Reason
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.stats.bounded import mean_of
from lm_eval_so.core.stats.power import LEAST_SAMPLES

LEAST_GROUPS = 10
_MOST_TOLD = 3
"""Settings that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Both reports, paired."""

    candidate: EvaluationReport
    baseline: EvaluationReport | None
    side: Side
    """The candidate's rows."""
    pairs: Pairs | None
    """None without a baseline."""
    alpha: float
    redact: Redact = Redactor().redact
    """Takes secrets out of a text."""


def measure(key: str, reports: Reports, section: GateMetricSection | None) -> Finding:
    """Measure the change of a metric that at least one of the reports has.

    Args:
        key: Id of the metric.
        reports: Both, paired.
        section: What the gate asks of it; None if the gate does not name it.
    """
    now = reports.candidate.metrics.get(key)
    before = reports.baseline.metrics.get(key) if reports.baseline else None
    known = now or before
    if known is None:
        raise ValueError(f"no report has the metric {key}")
    health = reports.candidate.judges.get(key)
    blank = with_judge_margin(
        _with_limits(
            Finding(
                shape=shape_of(known),
                baseline=before.mean if before else None,
                candidate=now.mean if now else None,
                judge=health.calibration if health else None,
                is_wording=section is None and known.measures_overlap,
            ),
            section or GateMetricSection(),
        )
    )
    if reports.baseline is not None and is_against_baseline(known):
        return with_verdict(blank, Verdict.REPORTED, Code.AGAINST_BASELINE)
    refused = _refuse_metric(key, blank, reports, before, now)
    if refused is not None or reports.pairs is None:
        return refused or blank
    scope = scope_of(reports.pairs, key, is_time=is_time(known))
    sized = replace(blank, n=len(scope.ids), baseline=None, candidate=None)
    refused = _refuse_rows(sized, reports.pairs, scope, key)
    return refused or _measure_rows(key, sized, reports.pairs, scope, reports.alpha)


def is_time(summary: MetricSummary) -> bool:
    """Return whether a metric's values are times or speeds, which a cached answer does not have."""
    unit = summary.unit or ""
    return unit in {"ms", "s"} or unit.endswith("/s")


def is_against_baseline(summary: MetricSummary) -> bool:
    """Whether a metric's values are a comparison with the baseline already, which has none itself."""
    return "baseline" in summary.definition


def with_verdict(finding: Finding, verdict: Verdict, code: Code, **figures: JsonValue) -> Finding:
    """Return a finding that is decided."""
    return replace(finding, verdict=verdict, code=code, figures=figures)


def arm_warnings(sides: Mapping[str, Arm]) -> Iterator[Reason]:
    """Say which sides lack so many rows that people should know, or have impossible values."""
    for side, arm in sides.items():
        if arm.is_alarming:
            yield Reason(
                code=Code.MISSING_ROWS, figures={"side": side, "q": arm.missing, "e": arm.rows}
            )
        if arm.out_of_range:
            yield Reason(code=Code.OUT_OF_RANGE, figures={"side": side, "q": arm.out_of_range})


def error_figures(side: str, arm: Arm) -> dict[str, JsonValue]:
    """Return what the sentence about too many missing rows tells."""
    return {"side": side, "q": arm.missing, "e": arm.rows, "rate": arm.missing / arm.rows}


def _with_limits(finding: Finding, section: GateMetricSection) -> Finding:
    if finding.shape.kind is MetricKind.RATIO:
        limit = section.max_increase or DEFAULT_MAX_INCREASE
        return replace(finding, max_increase=limit, statistic=section.statistic)
    default = None if finding.is_wording else finding.shape.default_margin
    return replace(finding, margin=section.margin or default)


def _refuse_metric(
    key: str,
    finding: Finding,
    reports: Reports,
    before: MetricSummary | None,
    now: MetricSummary | None,
) -> Finding | None:
    refused = Verdict.INCOMPARABLE
    if reports.baseline is None:
        return with_verdict(finding, refused, Code.NO_BASELINE)
    old, new = reports.baseline.experiment.suite, reports.candidate.experiment.suite
    if old != new:
        return with_verdict(finding, refused, Code.OTHER_SUITE, suite=new, other=old)
    if before is None:
        return with_verdict(finding, refused, Code.METRIC_MISSING_BASELINE)
    if now is None:
        return with_verdict(finding, refused, Code.METRIC_MISSING_CANDIDATE)
    if before.fingerprint != now.fingerprint:
        found = metric_differences(key, before, now, redact=reports.redact)
        return with_verdict(finding, refused, Code.FINGERPRINT, what=_told(found))
    return None


def _told(found: Sequence[Difference]) -> str:
    more = f", … (+{len(found) - _MOST_TOLD})" if len(found) > _MOST_TOLD else ""
    return ", ".join(map(difference_text, found[:_MOST_TOLD])) + more


def _refuse_rows(finding: Finding, pairs: Pairs, scope: Scope, key: str) -> Finding | None:
    sides = {"candidate": pairs.candidate, "baseline": pairs.baseline}
    totals = {"candidate": scope.of_candidate, "baseline": scope.of_baseline}
    for name, side in sides.items():
        if side.duplicate is not None:
            return with_verdict(
                finding, Verdict.ERROR, Code.DUPLICATE_ID, id=side.duplicate, side=name
            )
    for name, side in sides.items():
        if not totals[name] or key not in side.columns.scores:
            return with_verdict(finding, Verdict.ERROR, Code.NO_SAMPLES, side=name)
    if any(5 * scope.paired < 4 * total for total in totals.values()):
        return with_verdict(
            replace(finding, n=scope.paired),
            Verdict.INCOMPARABLE,
            Code.OVERLAP,
            k=scope.paired,
            pb=scope.paired / totals["baseline"],
            pc=scope.paired / totals["candidate"],
        )
    return None


def _measure_rows(key: str, finding: Finding, pairs: Pairs, scope: Scope, alpha: float) -> Finding:
    support = finding.shape.support
    before = read_arm(pairs.baseline.columns.scores[key], scope.baseline, support)
    now = read_arm(pairs.candidate.columns.scores[key], scope.candidate, support)
    complete = complete_pairs(before, now)
    changes = subtract(before, now, complete, finding.shape)
    moved = moved_of(changes.complete)
    measured = replace(
        finding,
        shape=_compared_as(finding.shape, before, now),
        ids=scope.ids,
        complete=complete,
        groups=scope.groups,
        moved=moved,
        worse=len(moved.worse),
        better=len(moved.better),
        missing=(before.missing, now.missing),
        baseline=mean_of(complete.baseline),
        candidate=mean_of(complete.candidate),
        warnings=tuple(arm_warnings({"baseline": before, "candidate": now})),
    )
    refused = _refuse_arms(measured, before, now, complete)
    if refused is not None and refused.code is Code.FEW_SAMPLES and scope.paired > finding.n:
        refused = replace(refused, code=Code.FEW_TIMES)
    if refused is None and is_weak(measured):
        j = f"{youden_of(measured):.2f}"
        refused = with_verdict(measured, Verdict.INCONCLUSIVE, Code.JUDGE_WEAK, j=j)
    if refused is not None:
        return refused
    measured = replace(measured, warnings=(*measured.warnings, *judge_warnings(finding)))
    if measured.shape.kind is MetricKind.RATIO:
        return measure_ratio(measured, complete, scope.groups, alpha=alpha)
    return _measure_change(replace(measured, changes=changes), changes, alpha)


def _compared_as(shape: Shape, before: Arm, now: Arm) -> Shape:
    """Right-or-wrong scores that are averaged, or are neither 0 nor 1, are bounded ones."""
    if shape.kind is not MetricKind.BINARY or (before.is_plain and now.is_plain):
        return shape
    return replace(shape, kind=MetricKind.BOUNDED)


def _refuse_arms(finding: Finding, before: Arm, now: Arm, complete: Complete) -> Finding | None:
    kind, groups = finding.shape.kind, finding.groups
    sides = {"baseline": before, "candidate": now}
    for name, arm in sides.items():
        if arm.rows and arm.is_broken:
            return with_verdict(finding, Verdict.ERROR, Code.ERROR_RATE, **error_figures(name, arm))
    unclear = Verdict.INCONCLUSIVE
    if finding.shape.support is None and (before.is_alarming or now.is_alarming):
        missing = before.missing + now.missing
        return with_verdict(finding, unclear, Code.MISSING_UNBOUNDED, q=missing)
    if groups is not None and finding.statistic == "mean":
        counted = groups if finding.shape.support else groups.at(complete.positions)
        if counted.units < LEAST_GROUPS:
            return with_verdict(finding, unclear, Code.FEW_GROUPS, groups=counted.units)
    usable = finding.n if finding.shape.support else len(complete.positions)
    if usable < (1 if kind is MetricKind.BINARY else LEAST_SAMPLES):
        return with_verdict(finding, unclear, Code.FEW_SAMPLES, n=usable)
    return None


def _measure_change(finding: Finding, changes: Differences, alpha: float) -> Finding:
    shape, margin, groups = finding.shape, finding.margin, finding.groups
    positions = finding.complete.positions if finding.complete else ()
    inner = groups.at(positions) if groups is not None else None
    used = groups if shape.support else inner
    lower = estimate_change(changes.worst, used, shape, alpha=alpha)
    upper = lower
    if changes.best is not changes.worst:
        upper = estimate_change(changes.best, used, shape, alpha=alpha)
    measured = replace(
        finding,
        delta=mean_of(changes.complete),
        low=lower.low,
        high=upper.high,
        p=upper.p_worse,
        provable_margin=smallest_margin(len(changes.worst), used, shape, alpha=alpha),
        method=method_of(used, shape),
    )
    if margin is None:
        code = Code.WORDING if finding.is_wording else None
        return replace(measured, verdict=Verdict.REPORTED, code=code)
    passes = lower.low > -margin
    needed = needed_samples(changes.worst, lower, used, shape, margin=margin, alpha=alpha)
    would_pass = not passes and _passes_complete(
        changes.complete, inner, shape, margin=margin, alpha=alpha
    )
    return replace(
        measured,
        passes=passes,
        gained=passes and lower.low > 0,
        passes_complete=would_pass and any(finding.missing),
        needed_n=needed,
    )


def _passes_complete(
    complete: Sequence[float], groups: Groups | None, shape: Shape, *, margin: float, alpha: float
) -> bool:
    least = 1 if shape.kind is MetricKind.BINARY else LEAST_SAMPLES
    if len(complete) < least or (groups is not None and groups.units < LEAST_GROUPS):
        return False
    return estimate_change(complete, groups, shape, alpha=alpha).low > -margin
