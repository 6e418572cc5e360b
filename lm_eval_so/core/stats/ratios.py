"""Costs, times and token counts: the candidate as a factor of the baseline."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Hashable, Sequence

from lm_eval_so.core.stats.bounded import Estimate
from lm_eval_so.core.stats.distributions import (
    normal_quantile,
    normal_sf,
    t_cdf,
    t_quantile,
    t_sf,
)
from lm_eval_so.core.stats.groups import clustered_se, group_sums

_EQUAL = 1e-12
_MOST_AT_ONCE = 100_000
_PARTS = 256
_ROUNDING = 1e-9
"""n·level must not pass a whole number by rounding."""


def ratio_of_means(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    groups: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate the ratio of two means over the same samples.

    Args:
        baseline: One value per sample, ≥ 0, with a mean above 0; at least two.
        candidate: The same for the candidate, in the same order.
        groups: The group of each sample, where samples are not independent.
        alpha: One-sided error of each end, in (0, 0.5).

    Raises:
        ValueError: Below two samples or groups, or if a mean is not above 0.

    Source: the delta method on the logarithm; Cameron, Miller (2015), Journal of Human Resources
    50(2), 317–372, for groups.
    """
    n = len(baseline)
    base, cand = math.fsum(baseline) / n, math.fsum(candidate) / n
    if base <= 0 or cand <= 0:
        raise ValueError("a mean of 0 has no ratio")
    both = zip(baseline, candidate, strict=True)
    errors = array("d", (c / cand - b / base for b, c in both))
    sums = errors if groups is None else group_sums(errors, groups)
    units = len(sums)
    if units < 2:
        raise ValueError("an interval needs two samples or groups, or more")
    # without groups each sample is its own, and CR1 is the usual standard error
    se = clustered_se(sums, n)
    if se <= _EQUAL:
        return _exact(cand / base)
    reach = t_quantile(1 - alpha, units - 1) * se
    grown = math.log(cand / base) / se
    tails = t_sf(grown, units - 1), t_cdf(grown, units - 1)
    return _around(cand / base, se, reach, tails)


def ratio_of_percentiles(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    level: float,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate the ratio of two percentiles; pairing is ignored, which errs on the safe side.

    Args:
        baseline: One value per sample, all above 0.
        candidate: The same for the candidate.
        level: Level of the percentile, in (0, 1); see `samples_for_percentile`.
        alpha: One-sided error of each end, in (0, 0.5).

    Raises:
        ValueError: If a value is not above 0.

    Source: Woodruff (1952), J. Am. Stat. Assoc. 47(260), 635–646.
    """
    z = normal_quantile(1 - alpha)
    base, base_se = _percentile_and_se(baseline, level, z)
    cand, cand_se = _percentile_and_se(candidate, level, z)
    se = math.hypot(base_se, cand_se)
    if se <= _EQUAL:
        return _exact(cand / base)
    grown = math.log(cand / base) / se
    return _around(cand / base, se, z * se, (normal_sf(grown), normal_sf(-grown)))


def ascending(values: Sequence[float]) -> Sequence[float]:
    """Return values in ascending order; very many in 8 bytes each, where a list would take 32."""
    if len(values) <= _MOST_AT_ONCE:
        return sorted(values)
    bounds = sorted(values[:: len(values) // _PARTS])
    parts = [array("d") for _ in range(len(bounds) + 1)]
    for value in values:
        parts[bisect_right(bounds, value)].append(value)
    ordered = array("d")
    parts.reverse()
    while parts:  # what is sorted goes, so that no value stands twice
        ordered.extend(sorted(parts.pop()))
    return ordered


def percentile(ordered: Sequence[float], level: float) -> float:
    """Return the percentile of ascending values: the smallest that a share of `level` does not exceed."""
    return ordered[max(1, math.ceil(level * len(ordered) - _ROUNDING)) - 1]


def samples_for_percentile(level: float) -> int:
    """Return the fewest samples for a percentile: ten beyond it."""
    return math.ceil(10 / min(level, 1 - level) - _ROUNDING)


def _percentile_and_se(values: Sequence[float], level: float, z: float) -> tuple[float, float]:
    ordered = ascending(values)
    if ordered[0] <= 0:
        raise ValueError("a value of 0 has no ratio")
    n = len(ordered)
    reach = z * math.sqrt(n * level * (1 - level))
    first = max(1, math.floor(n * level - reach))
    last = min(n, math.ceil(n * level + reach) + 1)
    spread = math.log(ordered[last - 1]) - math.log(ordered[first - 1])
    return percentile(ordered, level), spread / (2 * z)


def _exact(ratio: float) -> Estimate:
    above = ratio - 1
    p_worse = 0.5 if abs(above) <= _EQUAL else 0.0 if above > 0 else 1.0
    return Estimate(
        value=ratio, se=0.0, low=ratio, high=ratio, p_worse=p_worse, p_better=1 - p_worse
    )


def _around(ratio: float, se: float, reach: float, tails: tuple[float, float]) -> Estimate:
    low, high = ratio * math.exp(-reach), ratio * math.exp(reach)
    p_worse, p_better = tails
    return Estimate(value=ratio, se=se, low=low, high=high, p_worse=p_worse, p_better=p_better)
