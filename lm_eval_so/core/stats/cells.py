"""Changes in slices that overlap: sums are made once a cell, and a slice adds up its cells.

A cell holds the samples that lie in the same slices, so each sample is looked at once, however many
slices it is in.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import mul

from lm_eval_so.core.stats.bounded import LOST, ROUNDING, Spread, errors_of, largest_of
from lm_eval_so.core.stats.groups import Layout

_LEAST = 1e-100
"""Squares below which cubes are lost."""

Take = Callable[[Sequence[float]], Sequence[float]]
"""Function that takes the entries of a slice's cells from a column with one entry per cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFlips:
    """Changes of binary scores, by cell."""

    each: Sequence[float]
    """Changes, one per sample."""
    layout: Layout
    """The samples, cell by cell."""
    worse: Sequence[float]
    better: Sequence[float]

    def of(self, take: Take) -> tuple[int, int]:
        """Return the numbers of worse and better samples in some cells."""
        return int(sum(take(self.worse))), int(sum(take(self.better)))

    def with_others(self, each: Sequence[float], places: Iterable[int]) -> "CellFlips":
        """Return a copy with some changes replaced, at the places given."""
        worse, better = list(self.worse), list(self.better)
        for place in places:
            cell, old, new = self.layout.group_at[place], self.each[place], each[place]
            worse[cell] += (new < 0) - (old < 0)
            better[cell] += (new > 0) - (old > 0)
        return replace(self, each=each, worse=worse, better=better)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSums:
    """Changes of scores, by cell."""

    each: Sequence[float]
    """Changes, one per sample."""
    layout: Layout
    """The samples, cell by cell."""
    centre: float
    """Value subtracted from each change: about the mean of all, so that no digits are lost."""
    unit: float
    """Divisor of each change before its powers."""
    rounding: float
    """Size up to which a change counts as rounding."""
    first: Sequence[float]
    """Sums of the centred changes."""
    second: Sequence[float]
    """Sums of their squares."""
    third: Sequence[float]
    """Sums of their cubes."""
    largest: Sequence[float]
    """Sizes of the largest changes."""
    changed: Sequence[float]
    """Numbers of changes beyond rounding."""

    def of(self, take: Take) -> Spread:
        """Return the summary of the changes in some cells with at least two samples.

        Source: central moments from those about another point, Kendall, Stuart (1977), The Advanced
        Theory of Statistics, vol. 1, 3.6.
        """
        n = int(sum(take(self.layout.sizes)))
        largest = max(take(self.largest))
        shift = math.fsum(take(self.first)) / n
        second, third = math.fsum(take(self.second)) / n, math.fsum(take(self.third)) / n
        m2, skew = second - shift * shift, 0.0
        if m2 <= LOST * second:
            # too few digits are left: at most so much, and no more than the changes allow
            m2 = max(0.0, min(LOST * second, (largest / self.unit) ** 2))
        elif m2 > _LEAST:
            skew = (third - 3 * shift * second + 2 * shift**3) / m2**1.5
        return Spread(
            n=n,
            mean=self.centre + self.unit * shift,
            se=self.unit * math.sqrt(m2 / (n - 1)),
            skew=skew,
            largest=largest,
            changed=int(sum(take(self.changed))),
        )

    def with_others(self, each: Sequence[float], places: Iterable[int]) -> "CellSums":
        """Return a copy with some changes replaced, at the places given."""
        first, second, third = list(self.first), list(self.second), list(self.third)
        largest, changed = list(self.largest), list(self.changed)
        fallen = set()
        for place in places:
            cell, old, new = self.layout.group_at[place], self.each[place], each[place]
            before, now = (old - self.centre) / self.unit, (new - self.centre) / self.unit
            first[cell] += now - before
            second[cell] += now**2 - before**2
            third[cell] += now**3 - before**3
            changed[cell] += (abs(new) > self.rounding) - (abs(old) > self.rounding)
            if abs(new) >= largest[cell]:
                largest[cell] = abs(new)
            elif abs(old) >= largest[cell]:
                fallen.add(cell)
        for cell in fallen:
            largest[cell] = largest_of([each[place] for place in self.layout.own(cell)])
        return replace(
            self,
            each=each,
            first=first,
            second=second,
            third=third,
            largest=largest,
            changed=changed,
        )


def flips_by_cell(each: Sequence[float], layout: Layout) -> CellFlips:
    """Count changes of binary scores by cell.

    Args:
        each: One per sample: −1 got worse, 1 got better.
        layout: The samples, cell by cell.
    """
    signs = array("b", ((change > 0) - (change < 0) for change in each))
    ordered = layout.arrange(signs)
    return CellFlips(
        each=each,
        layout=layout,
        worse=layout.fold(sum, bytearray(map((0).__gt__, ordered))),
        better=layout.fold(sum, bytearray(map((0).__lt__, ordered))),
    )


def sums_by_cell(each: Sequence[float], layout: Layout, *, width: float | None) -> CellSums:
    """Sum up changes of scores by cell.

    Args:
        each: One per sample; at least one.
        layout: The samples, cell by cell.
        width: Highest minus lowest possible score; None if there is none.
    """
    ordered = layout.arrange(each)
    centre = sum(ordered) / len(ordered)  # near the mean is near enough
    scale = largest_of(ordered) if width is None else width
    errors, unit = errors_of(ordered, centre, scale)
    squares = array("d", map(mul, errors, errors))
    first, second = layout.fold(sum, errors), layout.fold(sum, squares)
    third = layout.fold(sum, array("d", map(mul, squares, errors)))
    absolute, rounding = array("d", map(abs, ordered)), ROUNDING * scale
    return CellSums(
        each=each,
        layout=layout,
        centre=centre,
        unit=unit,
        rounding=rounding,
        first=first,
        second=second,
        third=third,
        largest=layout.fold(max, absolute),
        changed=layout.fold(sum, bytearray(map(rounding.__lt__, absolute))),
    )
