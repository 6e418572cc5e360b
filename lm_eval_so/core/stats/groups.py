"""Means of samples that come in groups: the group is the independent unit."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, repeat
from operator import itemgetter, mul
from typing import Any, TypeVar, cast

from lm_eval_so.core.stats.bounded import (
    LOST,
    ROUNDING,
    Estimate,
    count_beyond,
    floor_of_se,
    largest_of,
    smallest_p,
    unit_of,
)
from lm_eval_so.core.stats.distributions import t_cdf, t_quantile, t_sf

T = TypeVar("T")
_MOST_AT_ONCE = 100_000
"""Most places that a getter, which takes 50 bytes for each, is made for."""
_LARGE = 100
"""Size from which on a group is cut out of a column, which is slower for small ones."""
_LEAST_UNITS = 2.0
"""Below it, t has fewer than one degree of freedom, and its quantiles leave all bounds."""


class Chosen:
    """Selection of places, applied to one column after the other.

    Args:
        places: Indices to take, in order.
    """

    def __init__(self, places: Sequence[int]) -> None:
        self.places = places
        self._getter: Callable[[Any], Any] | None = None

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Return the entries of a column."""
        if len(self.places) < 2:  # an itemgetter of one gives no tuple
            return [column[place] for place in self.places]
        if len(self.places) > _MOST_AT_ONCE:
            some: Iterable[Any] = map(column.__getitem__, self.places)
            if isinstance(column, array):
                return cast("Sequence[T]", array(column.typecode, some))
            return [*some]
        if self._getter is None:
            self._getter = itemgetter(*self.places)
        taken: tuple[T, ...] = self._getter(column)
        return taken


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Samples by group, the smallest groups first, so that whole columns are added up at once."""

    order: Sequence[int]
    """Numbers of the samples, grouped."""
    counts: Sequence[tuple[int, int]]
    """Pairs of a size of groups and the number of groups of that size."""

    @property
    def units(self) -> int:
        """Number of groups."""
        return sum(count for _, count in self.counts)

    @cached_property
    def effective_units(self) -> float:
        """Number of groups of equal size that tell as much of a mean; the number of groups at most.

        Source: Kish (1965), Survey Sampling, as used by Carter, Schnepel, Steigerwald (2017), Rev.
        Econ. Stat. 99(4), 698–709.
        """
        squares = sum(count * size * size for size, count in self.counts)
        return len(self.order) ** 2 / squares

    @cached_property
    def sizes(self) -> list[int]:
        """Size of each group."""
        return list(chain.from_iterable(repeat(size, count) for size, count in self.counts))

    @cached_property
    def starts(self) -> list[int]:
        """Start of each group, then the end of the last."""
        return list(accumulate(self.sizes, initial=0))

    @cached_property
    def names(self) -> Sequence[int]:
        """Group number of each sample, in this order."""
        sizes = enumerate(self.sizes)
        return array("I", chain.from_iterable(repeat(number, size) for number, size in sizes))

    @cached_property
    def group_at(self) -> Sequence[int]:
        """Group number by number of the sample, if samples are numbered from 0."""
        found = array("I", bytes(4 * len(self.order)))
        for number, name in zip(self.order, self.names, strict=True):
            found[number] = name
        return found

    @cached_property
    def _chosen(self) -> Chosen:
        return Chosen(self.order)

    def arrange(self, values: Sequence[T]) -> Sequence[T]:
        """Return values, given by number of the sample, in this order."""
        return self._chosen.take(values)

    def own(self, group: int) -> Sequence[int]:
        """Return the numbers of the samples of one group."""
        return self.order[self.starts[group] : self.starts[group + 1]]

    def sums(self, ordered: Sequence[float]) -> list[float]:
        """Return the sum of each group, for values in this order."""
        return self.fold(math.fsum, ordered)

    def fold(
        self, combine: Callable[[Sequence[float]], float], ordered: Sequence[float]
    ) -> list[float]:
        """Combine the values of each group; a single value stays as it is."""
        found: list[float] = []
        start = 0
        values: Any = memoryview(ordered) if isinstance(ordered, array | bytearray) else ordered
        for size, count in self.counts:
            own = values[start : start + size * count]  # a view: to copy would take 8 bytes each
            start += size * count
            if size == 1:
                found += own
            elif size > _LARGE:  # as arguments of zip its values would take 40 bytes each
                found += (combine(own[at : at + size]) for at in range(0, len(own), size))
            else:
                found += map(combine, zip(*[iter(own)] * size, strict=True))
        return found

    def of_units(self, each: Sequence[float]) -> Iterator[tuple[int, Sequence[float]]]:
        """Yield each size with the values of the groups of that size, for one value per group."""
        start = 0
        for size, count in self.counts:
            yield size, each[start : start + count]
            start += count


def lay_out(numbers: Iterable[int], groups: Sequence[Hashable]) -> Layout:
    """Return samples in the order of their groups.

    Args:
        numbers: Numbers of the samples.
        groups: The group of each.
    """
    # no list per group: the garbage collector would walk each of them, time and again
    sizes = Counter(groups)
    ordered = sorted(sizes, key=sizes.__getitem__)
    starts = accumulate(map(sizes.__getitem__, ordered), initial=0)
    # a place for each sample, one after the other: to sort the places would take 40 bytes for each
    next_place = dict(zip(ordered, starts, strict=False))
    order = array("I", bytes(4 * len(groups)))
    for number, group in zip(numbers, groups, strict=True):
        order[next_place[group]] = number
        next_place[group] += 1
    return Layout(order=order, counts=sorted(Counter(sizes.values()).items()))


def grouped_interval(
    differences: Sequence[float],
    groups: Sequence[Hashable],
    *,
    width: float | None,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate a mean difference by the cluster-robust standard error CR1, with its floors.

    A group counts as one unit in the limit of the p-value and in the floor of the upper end. The
    lower end has as many units as groups of equal size would tell as much: a large group counts for
    more of the mean than one unit, and what it hides would let a drop pass.

    Args:
        differences: One per sample, positive = better.
        groups: The group of each sample; at least two different ones.
        width: Highest minus lowest possible score; None if there is none.
        alpha: One-sided error of each end, in (0, 0.5).

    Raises:
        ValueError: Below two groups.

    Source: Cameron, Miller (2015), Journal of Human Resources 50(2), 317–372; Carter, Schnepel,
    Steigerwald (2017), Rev. Econ. Stat. 99(4), 698–709.
    """
    layout = lay_out(range(len(differences)), groups)
    return interval_of_layout(layout.arrange(differences), layout, width=width, alpha=alpha)


def interval_of_layout(
    ordered: Sequence[float], layout: Layout, *, width: float | None, alpha: float = 0.05
) -> Estimate:
    """Estimate a mean difference as `grouped_interval` does, for differences in order of the groups.

    Args:
        ordered: Differences in the order of the layout.
        layout: Layout of at least two groups.
        width: Highest minus lowest possible score; None if there is none.
        alpha: One-sided error of each end, in (0, 0.5).
    """
    c, n = layout.units, len(ordered)
    if c < 2:
        raise ValueError("an interval needs two groups or more")
    sums = layout.fold(sum, ordered)
    by_size = [(size, sum(own)) for size, own in layout.of_units(sums)]
    mean = sum(total for _, total in by_size) / n
    # a group of the largest size cannot change more; its sum is looked for only where it counts
    most = largest_of(sums) if width is None else width * layout.counts[-1][0]
    se = _se_of_sums(sums, by_size, layout, mean, unit_of(most))
    units = max(layout.effective_units, _LEAST_UNITS)
    se_low = max(se, floor_of_se(c / n * most if width is None else width, units, alpha=alpha))
    se_high = max(se, floor_of_se(c / n * most, c, alpha=alpha))
    if width is not None and se_high > se:
        se_high = max(se, floor_of_se(c / n * largest_of(sums), c, alpha=alpha))
    low = mean - t_quantile(1 - alpha, units - 1) * se_low
    high = mean + t_quantile(1 - alpha, c - 1) * se_high
    if width is not None:
        low, high = max(-width, low), min(width, high)
    p_worse = p_better = 0.5
    if se_high:
        scale = largest_of(ordered) if width is None else width
        limit = smallest_p(count_beyond(sums, ROUNDING * scale))
        p_worse = max(t_cdf(mean / se_high, c - 1), limit)
        p_better = max(t_sf(mean / se_high, c - 1), limit)
    return Estimate(value=mean, se=se, low=low, high=high, p_worse=p_worse, p_better=p_better)


def _se_of_sums(
    sums: Sequence[float],
    by_size: Sequence[tuple[int, float]],
    layout: Layout,
    mean: float,
    unit: float,
) -> float:
    """Return the CR1 standard error of values with a mean, from Σ (Sᵍ − nᵍ·mean)², multiplied out."""
    c, n = layout.units, len(layout.order)
    if unit != 1:
        sums, mean = [total / unit for total in sums], mean / unit
    products = sum(size * (total / unit) for size, total in by_size)
    expected = sum(count * size * size for size, count in layout.counts)
    squares = sum(map(mul, sums, sums))
    left = squares - 2 * mean * products + mean * mean * expected
    if left <= LOST * squares:  # nothing but rounding is left, and the floors are larger anyway
        return 0.0
    return unit * math.sqrt(c / (c - 1) * left) / n


def clustered_se(sums: Sequence[float], n: int) -> float:
    """Return the CR1 standard error of a mean over n samples from the sums of each group's errors.

    Source: Cameron, Miller (2015), Journal of Human Resources 50(2), 317–372.
    """
    c = len(sums)
    return math.sqrt(c / (c - 1) * math.fsum(map(mul, sums, sums))) / n


def group_sums(values: Sequence[float], groups: Sequence[Hashable]) -> list[float]:
    """Return the sum of each group's values."""
    layout = lay_out(range(len(values)), groups)
    return layout.sums(layout.arrange(values))
