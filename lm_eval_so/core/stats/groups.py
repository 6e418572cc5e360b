"""Means of samples that come in groups: the group is the independent unit."""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import add, gt, itemgetter, mul, sub

from lm_eval_so.core.stats.bounded import floor_of_se, smallest_p
from lm_eval_so.core.stats.distributions import t_cdf, t_quantile, t_sf
from lm_eval_so.core.stats.estimate import Estimate

_EQUAL = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Samples by group, the smallest groups first, so that whole columns are added up at once."""

    order: Sequence[int]
    """Numbers of the samples, those of a group side by side."""
    counts: Sequence[tuple[int, int]]
    """Each size that a group has, and how many groups have it."""

    @property
    def units(self) -> int:
        """How many groups there are."""
        return sum(count for _, count in self.counts)

    @property
    def sizes(self) -> list[int]:
        """Give the size of each group."""
        return list(chain.from_iterable(repeat(size, count) for size, count in self.counts))

    def sums(self, ordered: Sequence[float]) -> list[float]:
        """Give the sum of each group, of values that stand in this order."""
        found: list[float] = []
        start = 0
        for size, count in self.counts:
            own = ordered[start : start + size * count]
            start += size * count
            if size == 1:
                found += own
            elif size == 2:  # one addition rounds as fsum does
                found += map(add, own[::2], own[1::2])
            else:
                found += map(math.fsum, zip(*[iter(own)] * size, strict=True))
        return found


def lay_out(numbers: Iterable[int], groups: Iterable[Hashable]) -> Layout:
    """Put samples in the order of their groups.

    Args:
        numbers: What the samples are called.
        groups: The group of each.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, group in zip(numbers, groups, strict=True):
        members[group].append(number)
    by_size: dict[int, list[list[int]]] = defaultdict(list)
    for own in members.values():
        by_size[len(own)].append(own)
    ascending = sorted(by_size.items(), key=itemgetter(0))
    return Layout(
        order=list(chain.from_iterable(chain.from_iterable(own for _, own in ascending))),
        counts=[(size, len(own)) for size, own in ascending],
    )


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
    layout = lay_out(range(len(differences)), groups)
    ordered = [differences[number] for number in layout.order]
    return interval_of_layout(ordered, layout, width=width, alpha=alpha)


def interval_of_layout(
    ordered: Sequence[float], layout: Layout, *, width: float | None, alpha: float = 0.05
) -> Estimate:
    """Estimate the same of differences that stand in the order of their groups.

    Args:
        ordered: They.
        layout: That order, of two groups or more.
        width: As above.
        alpha: As above.
    """
    c, n = layout.units, len(ordered)
    if c < 2:
        raise ValueError("an interval needs two groups or more")
    largest = max(max(ordered), -min(ordered))  # noqa: PLW3301 - not as so many arguments
    sums, sizes = layout.sums(ordered), layout.sizes
    mean = math.fsum(sums) / n
    se = clustered_se(list(map(sub, sums, map(mul, sizes, repeat(mean)))), n)
    if se <= _EQUAL * largest:
        se = 0.0
    absolute = list(map(abs, sums))
    widest = c / n * max(absolute)
    se_low = max(se, floor_of_se(widest if width is None else width, c, alpha=alpha))
    se_high = max(se, floor_of_se(widest, c, alpha=alpha))
    t = t_quantile(1 - alpha, c - 1)
    low, high = mean - t * se_low, mean + t * se_high
    if width is not None:
        low, high = max(-width, low), min(width, high)
    changed = sum(map(gt, absolute, map(mul, repeat(_EQUAL * largest), sizes)))
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
    return math.sqrt(c / (c - 1) * math.fsum(map(mul, sums, sums))) / n


def group_sums(values: Sequence[float], groups: Sequence[Hashable]) -> list[float]:
    """Give the sum of each group's values."""
    layout = lay_out(range(len(values)), groups)
    return layout.sums([values[number] for number in layout.order])
