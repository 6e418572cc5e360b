"""Changes in slices that overlap: sums are made once a cell, and a slice adds up its cells.

A cell holds the samples that lie in the same slices, so each sample is looked at once, however many
slices it is in.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import mul
from typing import NamedTuple

from lm_eval_so.core.stats.bounded import LOST, ROUNDING, Spread, errors_of, largest_of
from lm_eval_so.core.stats.groups import Layout

Take = Callable[[Sequence[float]], Sequence[float]]
"""Gives the entries of a slice's cells, of a column that has one for each cell."""


class Other(NamedTuple):
    """A change that counts instead of another one."""

    cell: int
    old: float
    new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFlips:
    """Changes of what is right or wrong, by cell."""

    worse: Sequence[float]
    better: Sequence[float]

    def of(self, take: Take) -> tuple[int, int]:
        """Count what got worse, and what got better, in some cells."""
        return int(sum(take(self.worse))), int(sum(take(self.better)))

    def with_others(self, others: Iterable[Other]) -> "CellFlips":
        """Let other changes count instead of a few."""
        worse, better = list(self.worse), list(self.better)
        for cell, old, new in others:
            worse[cell] += (new < 0) - (old < 0)
            better[cell] += (new > 0) - (old > 0)
        return CellFlips(worse=worse, better=better)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSums:
    """Changes of scores, by cell."""

    centre: float
    """What is taken from each change: the mean of all, so that no digits are lost."""
    unit: float
    """What the powers are divided by."""
    rounding: float
    """Size up to which a change is rounding, as measured by the largest of all cells."""
    sizes: Sequence[int]
    first: Sequence[float]
    """Sum of what is left."""
    second: Sequence[float]
    """Sum of its squares."""
    third: Sequence[float]
    """Sum of its cubes."""
    largest: Sequence[float]
    """Size of the largest change, or more."""
    changed: Sequence[float]
    """How many changes are not rounding."""

    def of(self, take: Take) -> Spread:
        """Give the spread of the changes in some cells, of two samples or more.

        Source: central moments from those about another point, Kendall, Stuart (1977), The Advanced
        Theory of Statistics, vol. 1, 3.6.
        """
        n = int(sum(take(self.sizes)))
        largest = max(take(self.largest))
        shift = math.fsum(take(self.first)) / n
        second, third = math.fsum(take(self.second)) / n, math.fsum(take(self.third)) / n
        m2, skew = second - shift * shift, 0.0
        if m2 > LOST * second:
            skew = (third - 3 * shift * second + 2 * shift**3) / m2**1.5
        else:  # too few digits are left: at most so much, and no more than the changes allow
            m2 = min(LOST * second, (largest / self.unit) ** 2)
        return Spread(
            n=n,
            mean=self.centre + self.unit * shift,
            se=self.unit * math.sqrt(m2 / (n - 1)),
            skew=skew,
            largest=largest,
            changed=int(sum(take(self.changed))),
        )

    def with_others(self, others: Iterable[Other]) -> "CellSums":
        """Let other changes count instead of a few."""
        first, second, third = list(self.first), list(self.second), list(self.third)
        largest, changed = list(self.largest), list(self.changed)
        for cell, old, new in others:
            before, now = (old - self.centre) / self.unit, (new - self.centre) / self.unit
            first[cell] += now - before
            second[cell] += now**2 - before**2
            third[cell] += now**3 - before**3
            largest[cell] = max(largest[cell], abs(new))
            changed[cell] += (abs(new) > self.rounding) - (abs(old) > self.rounding)
        return replace(
            self, first=first, second=second, third=third, largest=largest, changed=changed
        )


def flips_by_cell(ordered: Sequence[float], layout: Layout) -> CellFlips:
    """Count changes of what is right or wrong.

    Args:
        ordered: One per sample, cell by cell: −1 got worse, 1 got better.
        layout: That order.
    """
    worse, better = [change < 0 for change in ordered], [change > 0 for change in ordered]
    return CellFlips(worse=layout.fold(sum, worse), better=layout.fold(sum, better))


def sums_by_cell(ordered: Sequence[float], layout: Layout) -> CellSums:
    """Add up changes of scores.

    Args:
        ordered: One per sample, cell by cell; at least one.
        layout: That order.
    """
    centre, largest = math.fsum(ordered) / len(ordered), largest_of(ordered)
    errors, unit = errors_of(ordered, centre, largest)
    squares = [error * error for error in errors]
    cubes = list(map(mul, squares, errors))
    absolute = [abs(change) for change in ordered]
    rounding = ROUNDING * largest
    return CellSums(
        centre=centre,
        unit=unit,
        rounding=rounding,
        sizes=layout.sizes,
        first=layout.fold(sum, errors),
        second=layout.fold(sum, squares),
        third=layout.fold(sum, cubes),
        largest=layout.fold(max, absolute),
        changed=layout.fold(sum, [change > rounding for change in absolute]),
    )
