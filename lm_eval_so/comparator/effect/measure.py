"""The change of one metric between two reports, or the reason why it cannot be measured."""

from dataclasses import replace

from lm_eval_so.comparator.effect.finding import (
    DEFAULT_MAX_INCREASE,
    Finding,
    Inference,
    Interval,
    Limits,
    Outcome,
    Paired,
    Ruling,
    Shape,
    shape_of,
)
from lm_eval_so.comparator.effect.interval import (
    Tested,
    can_pass,
    estimate_change,
    falls_by_margin,
    guard_of,
    holds,
    method_of,
    moved_of,
    needed_repeats,
    needed_samples,
    smallest_margin,
    subtract,
)
from lm_eval_so.comparator.effect.judge_error import (
    in_judge_units,
    judge_warnings,
    lean_warnings,
    with_uncertain_j,
)
from lm_eval_so.comparator.effect.ratio import measure_ratio
from lm_eval_so.comparator.effect.refusals import (
    claim_warnings,
    group_warnings,
    is_against_baseline,
    is_time,
    refuse_metric,
    refuse_rows,
    refuse_values,
    side_warnings,
    too_few,
)
from lm_eval_so.comparator.effect.values import (
    Given,
    SideValues,
    complete_pairs,
    given_pairs,
    read_answers,
    read_values,
)
from lm_eval_so.comparator.pairing import Pairs, Reports, Scope, scope_of
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.records.enums import Claim, Direction, MetricKind, Verdict
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.core.stats.bounded import mean_of


def measure(
    key: str, reports: Reports, section: GateMetricSection | None, inference: Inference
) -> Finding:
    """Measure the change of a metric that at least one of the reports has.

    Args:
        key: Id of the metric.
        reports: Candidate and baseline, paired.
        section: Gate's section of the metric; None if the gate does not name it.
        inference: Claim and errors of the comparison.
    """
    now = reports.candidate.metrics.get(key)
    before = reports.baseline.metrics.get(key) if reports.baseline else None
    known = now or before
    if known is None:
        raise ValueError(f"no report has the metric {key}")
    health, old_health = (
        report.judges.get(key) if report else None
        for report in (reports.candidate, reports.baseline)
    )
    judge, shape = health.calibration if health else None, shape_of(known)
    blank = Finding(
        shape=shape,
        limits=in_judge_units(_limits(known, shape, section), shape, judge),
        judge=judge,
        baseline=before.mean if before else None,
        candidate=now.mean if now else None,
    )
    if reports.baseline is not None and is_against_baseline(known):
        ruling = Ruling(verdict=Verdict.REPORTED, code=Code.AGAINST_BASELINE)
        return replace(blank, ruling=ruling, warnings=tuple(lean_warnings(health, None)))
    refused = refuse_metric(key, reports, before, now)
    if refused is not None or reports.pairs is None:
        return replace(blank, ruling=refused)
    scope = scope_of(reports.pairs, key, is_time=is_time(known))
    sized = replace(blank, n=len(scope.ids), baseline=None, candidate=None)
    refused = refuse_rows(key, reports.pairs, scope)
    if refused is not None:
        n = scope.paired if refused.code is Code.OVERLAP else sized.n
        return replace(sized, n=n, ruling=refused)
    found = _measure_rows(key, sized, reports.pairs, scope, inference)
    if found.interval is None or found.limits.margin is None:
        return found
    return replace(found, warnings=(*found.warnings, *lean_warnings(health, old_health)))


def _limits(summary: MetricSummary, shape: Shape, section: GateMetricSection | None) -> Limits:
    given, is_wording = section or GateMetricSection(), section is None and summary.measures_overlap
    if shape.kind is MetricKind.RATIO:
        limit = given.max_increase or DEFAULT_MAX_INCREASE
        return Limits(max_increase=limit, statistic=given.statistic, is_wording=is_wording)
    default = None if is_wording else shape.default_margin
    return Limits(margin=given.margin or default, is_wording=is_wording)


def _measure_rows(
    key: str, finding: Finding, pairs: Pairs, scope: Scope, inference: Inference
) -> Finding:
    support = finding.shape.support
    before = read_values(pairs.baseline.columns.scores[key], scope.baseline, support)
    now = read_values(pairs.candidate.columns.scores[key], scope.candidate, support)
    is_about_these = inference.claim is Claim.THESE and support is not None
    given = _given(key, finding.shape, pairs, scope) if is_about_these else None
    complete = complete_pairs(before, now)
    changes = subtract(before, now, complete, finding.shape)
    is_ratio = finding.shape.kind is MetricKind.RATIO
    paired = Paired(
        ids=scope.ids,
        complete=complete,
        moved=moved_of(changes.complete),
        changes=None if is_ratio else changes,
        groups=scope.groups if given is None else None,
        given=given,
        missing=(before.missing, now.missing),
    )
    measured = replace(
        finding,
        shape=_compared_as(finding.shape, before, now, given),
        paired=paired,
        baseline=mean_of(complete.baseline),
        candidate=mean_of(complete.candidate),
        warnings=tuple(side_warnings({"baseline": before, "candidate": now})),
    )
    refused = refuse_values(measured, paired, before, now)
    if refused is not None:
        return replace(measured, ruling=_told_of_times(refused, scope, finding.n))
    measured = replace(measured, warnings=(*measured.warnings, *judge_warnings(finding)))
    if is_ratio:
        return measure_ratio(measured, paired, inference)
    few = too_few(measured, paired)
    measured = replace(
        measured,
        outcome=Outcome(few=few and _told_of_times(few, scope, finding.n)),
        warnings=(
            *measured.warnings,
            *group_warnings(measured, paired),
            *claim_warnings(measured, inference.claim, before, now),
        ),
    )
    return _measure_change(measured, paired, inference)


def _told_of_times(few: Ruling, scope: Scope, n: int) -> Ruling:
    """Say of too few samples that the others have no time, if that is why."""
    is_timed = few.code is Code.FEW_SAMPLES and scope.paired > n
    return replace(few, code=Code.FEW_TIMES) if is_timed else few


def _given(key: str, shape: Shape, pairs: Pairs, scope: Scope) -> Given | None:
    """Return the answers to the samples as given ones; None if most were asked only once."""
    if shape.support is None:
        return None
    old, new = pairs.baseline.columns.scores[key], pairs.candidate.columns.scores[key]
    return given_pairs(
        read_answers(old, scope.baseline, shape.support),
        read_answers(new, scope.candidate, shape.support),
        shape.support,
        is_higher=shape.direction is Direction.HIGHER,
    )


def _compared_as(shape: Shape, before: SideValues, now: SideValues, given: Given | None) -> Shape:
    """Treat right-or-wrong scores as bounded if they are averaged, or are neither 0 nor 1."""
    is_plain = given.is_plain if given else before.is_plain and now.is_plain
    if shape.kind is not MetricKind.BINARY or is_plain:
        return shape
    return replace(shape, kind=MetricKind.BOUNDED)


def _measure_change(finding: Finding, paired: Paired, inference: Inference) -> Finding:
    changes, shape, given = paired.changes, finding.shape, paired.given
    alpha, pass_alpha = inference.alpha, inference.pass_alpha
    few = finding.outcome.few
    if changes is None:
        raise ValueError("a ratio has no changes per sample")
    groups = paired.groups
    inner = groups.at(paired.complete.positions) if groups is not None else None
    worst = Tested(
        changes=changes.worst,
        groups=groups if shape.support else inner,
        shape=shape,
        given=given.worst if given else None,
    )
    best = replace(worst, changes=changes.best, given=given.best if given else None)
    lower = upper = estimate_change(worst, alpha=pass_alpha)
    # the p-value and the upper end keep their level, whatever the lower end has at this look
    if changes.best is not changes.worst or pass_alpha != alpha:
        upper = estimate_change(best, alpha=alpha)
    interval = Interval(
        delta=mean_of(changes.complete),
        low=lower.low,
        high=upper.high,
        p=upper.p_worse,
        method=method_of(worst),
        provable_margin=None if few else smallest_margin(worst, alpha=pass_alpha),
    )
    limits = with_uncertain_j(finding.limits, finding.judge, lower, alpha=pass_alpha)
    measured, margin = replace(finding, interval=interval, limits=limits), limits.margin
    if margin is None:
        code = Code.WORDING if finding.limits.is_wording else None
        return replace(measured, ruling=Ruling(verdict=Verdict.REPORTED, code=code))
    is_passing = holds(worst, lower, margin=margin, alpha=pass_alpha)
    whole = Tested(
        changes=changes.complete, groups=inner, shape=shape, given=given.complete if given else None
    )
    is_hidden = not is_passing and any(paired.missing) and can_pass(whole)
    outcome = Outcome(
        passes=is_passing,
        gained=is_passing and lower.low > 0,
        falls_by_limit=falls_by_margin(interval.delta, shape, margin=margin),
        passes_complete=is_hidden
        and holds(whole, estimate_change(whole, alpha=pass_alpha), margin=margin, alpha=pass_alpha),
        few=few,
        needed_n=None if given else needed_samples(worst, lower, margin=margin, alpha=alpha),
        needed_repeats=needed_repeats(given.worst, shape, margin=margin, alpha=alpha)
        if given
        else None,
    )
    guard = guard_of(worst, lower, margin=margin, alpha=pass_alpha)
    return replace(measured, interval=replace(interval, guard=guard), outcome=outcome)
