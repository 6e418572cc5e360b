"""Costs, times and token counts: the candidate as a factor of the baseline."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import (
    DEFAULT_MAX_INCREASE,
    Finding,
    Inference,
    Interval,
    Outcome,
    Paired,
    Ruling,
)
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.bounded import Estimate
from lm_eval_so.core.stats.power import needed_for_ratio
from lm_eval_so.core.stats.ratios import (
    ascending,
    percentile,
    ratio_of_means,
    ratio_of_percentiles,
    samples_for_percentile,
)

LEVELS = {"p50": 0.50, "p95": 0.95}
"""Percentiles by the name of the statistic."""
_SLACK = 1e-9
"""Distance by which arithmetic may miss the largest increase."""
_NOT_POSITIVE = Ruling(verdict=Verdict.INCONCLUSIVE, code=Code.NOT_POSITIVE)


def measure_ratio(finding: Finding, paired: Paired, inference: Inference) -> Finding:
    """Measure how a cost, a time or a count grew; at least ten complete pairs."""
    level, complete = LEVELS.get(finding.limits.statistic), paired.complete
    if level is not None:
        return _measure_percentile(finding, paired, level, inference)
    sides = (complete.baseline, complete.candidate)
    if any(min(values) < 0 or sum(values) <= 0 for values in sides):
        return replace(finding, ruling=_NOT_POSITIVE)
    inner = paired.groups.at(complete.positions) if paired.groups is not None else None
    labels = inner.labels if inner is not None else None
    estimate = _with_pass_end(
        lambda alpha: ratio_of_means(
            complete.baseline, complete.candidate, groups=labels, alpha=alpha
        ),
        inference,
    )
    n = len(complete.positions)
    units = n if inner is None else inner.units
    outcome = _outcome(finding, estimate, (n, units), inference.alpha)
    return replace(finding, interval=_interval(estimate, "ratio_means"), outcome=outcome)


def statistic_of(values: Sequence[float], statistic: str) -> float:
    """Return the mean or a percentile of at least one value."""
    level = LEVELS.get(statistic)
    return (
        math.fsum(values) / len(values) if level is None else percentile(ascending(values), level)
    )


def _with_pass_end(estimate_at: Callable[[float], Estimate], inference: Inference) -> Estimate:
    """Return an estimate whose upper end, which decides a pass, has the level of a pass."""
    estimate = estimate_at(inference.alpha)
    if inference.pass_alpha == inference.alpha:
        return estimate
    return replace(estimate, high=estimate_at(inference.pass_alpha).high)


def _measure_percentile(
    finding: Finding, paired: Paired, level: float, inference: Inference
) -> Finding:
    complete, statistic = paired.complete, finding.limits.statistic
    n, least = len(complete.positions), samples_for_percentile(level)
    if paired.groups is not None:
        ignored = Reason(code=Code.GROUPS_IGNORED, figures={"statistic": statistic})
        finding = replace(finding, warnings=(*finding.warnings, ignored))
    measured = replace(
        finding,
        baseline=statistic_of(complete.baseline, statistic),
        candidate=statistic_of(complete.candidate, statistic),
    )
    if n < least:
        few = Ruling(
            verdict=Verdict.INCONCLUSIVE,
            code=Code.FEW_FOR_PERCENTILE,
            figures={"n": n, "least": least, "statistic": statistic},
        )
        return replace(measured, ruling=few)
    if any(min(values) <= 0 for values in (complete.baseline, complete.candidate)):
        return replace(measured, ruling=_NOT_POSITIVE)
    estimate = _with_pass_end(
        lambda alpha: ratio_of_percentiles(
            complete.baseline, complete.candidate, level=level, alpha=alpha
        ),
        inference,
    )
    outcome = _outcome(finding, estimate, (n, n), inference.alpha)
    return replace(measured, interval=_interval(estimate, "ratio_percentiles"), outcome=outcome)


def _interval(estimate: Estimate, method: str) -> Interval:
    return Interval(
        delta=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p_worse,
        method=method,
    )


def _outcome(finding: Finding, estimate: Estimate, sizes: tuple[int, int], alpha: float) -> Outcome:
    """Hold the interval against the largest increase; `sizes` are samples and independent units."""
    limit = finding.limits.max_increase or DEFAULT_MAX_INCREASE
    n, units = sizes
    needed = needed_for_ratio(estimate.se * math.sqrt(units), limit, alpha=alpha)
    passes = estimate.high < 1 + limit
    return Outcome(
        passes=passes,
        gained=passes and estimate.high < 1,
        falls_by_limit=estimate.value >= 1 + limit - _SLACK,
        needed_n=math.ceil(needed * n / units),
    )
