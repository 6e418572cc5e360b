"""Means of samples that come in groups: the group is the independent unit."""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

from lm_eval_so.core.stats.bounded import floor_of_se, smallest_p
from lm_eval_so.core.stats.distributions import t_cdf, t_quantile, t_sf
from lm_eval_so.core.stats.estimate import Estimate

_EQUAL = 1e-12


def grouped_interval(
    differences: Sequence[float],
    groups: Sequence[Hashable],
    *,
    width: float | None,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate a mean difference by the cluster-robust standard error CR1, with its floors.

    A group counts as one unit in the floors and in the limit of the p-value.

    Args:
        differences: One per sample, positive = better.
        groups: The group of each sample; at least two different ones.
        width: Highest minus lowest possible score; None if there is none.
        alpha: One-sided error of each end, in (0, 0.5).

    Raises:
        ValueError: Below two groups.

    Source: Cameron, Miller (2015), Journal of Human Resources 50(2), 317–372.
    """
    largest = max(max(differences), -min(differences))  # noqa: PLW3301 - not as so many arguments
    return interval_of_sums(_sums(differences, groups), largest, width=width, alpha=alpha)


def interval_of_sums(
    sums: Sequence[tuple[float, int]], largest: float, *, width: float | None, alpha: float = 0.05
) -> Estimate:
    """Estimate the same of what each group adds up to.

    Args:
        sums: Sum and size of each group.
        largest: The largest difference of a sample, as an absolute value.
        width: As above.
        alpha: As above.
    """
    c = len(sums)
    if c < 2:
        raise ValueError("an interval needs two groups or more")
    n = sum(size for _, size in sums)
    mean = math.fsum(total for total, _ in sums) / n
    se = clustered_se([total - size * mean for total, size in sums], n)
    if se <= _EQUAL * largest:
        se = 0.0
    widest = c / n * max(abs(total) for total, _ in sums)
    se_low = max(se, floor_of_se(widest if width is None else width, c, alpha=alpha))
    se_high = max(se, floor_of_se(widest, c, alpha=alpha))
    t = t_quantile(1 - alpha, c - 1)
    low, high = mean - t * se_low, mean + t * se_high
    if width is not None:
        low, high = max(-width, low), min(width, high)
    changed = sum(abs(total) > _EQUAL * largest * size for total, size in sums)
    p_worse = p_better = 0.5
    if se_high:
        limit = smallest_p(changed)
        p_worse = max(t_cdf(mean / se_high, c - 1), limit)
        p_better = max(t_sf(mean / se_high, c - 1), limit)
    return Estimate(value=mean, se=se, low=low, high=high, p_worse=p_worse, p_better=p_better)


def clustered_se(sums: Sequence[float], n: int) -> float:
    """Give the CR1 standard error of a mean over n samples from the sums of each group's errors.

    Source: Cameron, Miller (2015), Journal of Human Resources 50(2), 317–372.
    """
    c = len(sums)
    return math.sqrt(c / (c - 1) * math.fsum(total * total for total in sums)) / n


def group_sums(values: Sequence[float], groups: Sequence[Hashable]) -> list[float]:
    """Give the sum of each group's values."""
    return [total for total, _ in _sums(values, groups)]


def _sums(values: Sequence[float], groups: Sequence[Hashable]) -> list[tuple[float, int]]:
    members: dict[Hashable, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        members[group].append(value)
    return [(math.fsum(own), len(own)) for own in members.values()]
