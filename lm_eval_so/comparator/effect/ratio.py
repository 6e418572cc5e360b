"""Costs, times and token counts: the candidate as a factor of the baseline."""

import math
from collections.abc import Sequence
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import DEFAULT_MAX_INCREASE, Finding
from lm_eval_so.comparator.effect.values import Complete
from lm_eval_so.comparator.pairing.groups import Groups
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.bounded import Estimate
from lm_eval_so.core.stats.power import needed_for_ratio
from lm_eval_so.core.stats.ratios import (
    percentile,
    ratio_of_means,
    ratio_of_percentiles,
    samples_for_percentile,
)

LEVELS = {"p50": 0.50, "p95": 0.95}
"""Percentiles by the name of the statistic."""


def measure_ratio(
    finding: Finding, complete: Complete, groups: Groups | None, *, alpha: float
) -> Finding:
    """Measure how a cost, a time or a count grew; at least ten complete pairs."""
    level = LEVELS.get(finding.statistic)
    if level is not None:
        return _measure_percentile(finding, complete, groups, level, alpha)
    arms = (complete.baseline, complete.candidate)
    if any(min(values) < 0 or sum(values) <= 0 for values in arms):
        return replace(finding, verdict=Verdict.INCONCLUSIVE, code=Code.NOT_POSITIVE)
    inner = groups.at(complete.positions) if groups is not None else None
    labels = inner.labels if inner is not None else None
    estimate = ratio_of_means(complete.baseline, complete.candidate, groups=labels, alpha=alpha)
    units = len(complete.positions) if inner is None else inner.units
    return _with_estimate(finding, complete, estimate, units, "ratio_means", alpha)


def statistic_of(values: Sequence[float], statistic: str) -> float:
    """Return the mean or a percentile of at least one value."""
    level = LEVELS.get(statistic)
    return math.fsum(values) / len(values) if level is None else percentile(sorted(values), level)


def _measure_percentile(
    finding: Finding, complete: Complete, groups: Groups | None, level: float, alpha: float
) -> Finding:
    n, least = len(complete.positions), samples_for_percentile(level)
    if groups is not None:
        ignored = Reason(code=Code.GROUPS_IGNORED, figures={"statistic": finding.statistic})
        finding = replace(finding, warnings=(*finding.warnings, ignored))
    measured = replace(
        finding,
        baseline=statistic_of(complete.baseline, finding.statistic),
        candidate=statistic_of(complete.candidate, finding.statistic),
    )
    unclear = Verdict.INCONCLUSIVE
    if n < least:
        return replace(
            measured,
            verdict=unclear,
            code=Code.FEW_FOR_PERCENTILE,
            figures={"n": n, "least": least, "statistic": finding.statistic},
        )
    if any(min(values) <= 0 for values in (complete.baseline, complete.candidate)):
        return replace(measured, verdict=unclear, code=Code.NOT_POSITIVE)
    estimate = ratio_of_percentiles(complete.baseline, complete.candidate, level=level, alpha=alpha)
    return _with_estimate(measured, complete, estimate, n, "ratio_percentiles", alpha)


def _with_estimate(
    finding: Finding, complete: Complete, estimate: Estimate, units: int, method: str, alpha: float
) -> Finding:
    limit = finding.max_increase or DEFAULT_MAX_INCREASE
    n = len(complete.positions)
    needed = needed_for_ratio(estimate.se * math.sqrt(units), limit, alpha=alpha)
    passes = estimate.high < 1 + limit
    return replace(
        finding,
        delta=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p_worse,
        passes=passes,
        gained=passes and estimate.high < 1,
        needed_n=math.ceil(needed * n / units),
        method=method,
    )
