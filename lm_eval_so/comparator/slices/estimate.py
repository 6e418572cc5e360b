"""One metric in one slice, measured as on all samples."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from lm_eval_so.comparator.effect.finding import Finding, Paired, Shape
from lm_eval_so.comparator.effect.interval import (
    Tested,
    estimate_change,
    estimate_flips,
    estimate_given,
)
from lm_eval_so.comparator.effect.ratio import LEVELS, statistic_of
from lm_eval_so.comparator.pairing import Groups
from lm_eval_so.comparator.slices.membership import Division, Members, Slicer
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.bounded import Estimate, hall_interval, interval_of_spread
from lm_eval_so.core.stats.cells import CellFlips, CellSums, flips_by_cell, sums_by_cell
from lm_eval_so.core.stats.fixed_items import ItemPairs
from lm_eval_so.core.stats.groups import Chosen, Layout, interval_of_layout
from lm_eval_so.core.stats.power import LEAST_SAMPLES
from lm_eval_so.core.stats.ratios import (
    ratio_of_means,
    ratio_of_percentiles,
    samples_for_percentile,
)

T = TypeVar("T")
_ABSENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Change of each counted sample, positive = better."""

    each: Sequence[float]
    by_cell: CellSums | CellFlips | None
    """Sums of each cell; None for grouped samples, since a group may lie in several cells."""
    given: ItemPairs | None = None
    """Answers to these samples, if chance lies in the answers alone."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """Values of a metric on its samples."""

    finding: Finding
    paired: Paired
    place_at: Sequence[int] | None
    """Place of each sample among the complete pairs, or −1; None if all counted samples are
    complete."""
    worst: Changes
    best: Changes
    held: tuple[Changes, Changes] | None
    """Worst and best changes with unconfirmed ones set to zero; None if all were confirmed."""
    groups: Groups | None
    """Groups of the counted samples."""
    cells: Layout
    """Cells of the counted samples."""

    @cached_property
    def sums(self) -> tuple[Sequence[float], ...]:
        """Sums of baseline and candidate over the complete pairs, and how many, by cell."""
        pairs = self.paired.complete
        absent = () if self.place_at is None else pairs.absent
        sums, counts = [], list(self.cells.sizes)
        for side in (pairs.baseline, pairs.candidate):
            full = _with_gaps(side, absent, 0.0) if absent else side
            sums.append(self.cells.sums(self.cells.arrange(full)))
        for place in absent:
            counts[self.cells.group_at[place]] -= 1
        return (*sums, counts)

    def complete_of(self, members: Members) -> Chosen:
        """Return the members with a value on both sides, by place among all complete pairs."""
        if self.place_at is None:
            return members.samples
        return Chosen([p for p in members.samples.take(self.place_at) if p != _ABSENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A metric in a slice."""

    metric: str
    values: Values
    members: Members
    """Samples of the slice, numbered as those that the metric counts."""
    ends: tuple[Estimate, Estimate] | None
    """Estimates with missing rows at their worst and at their best; None for a small slice."""

    @property
    def n(self) -> int:
        """Number of samples that the metric counts."""
        return len(self.members.samples.places)

    @property
    def places(self) -> Sequence[int]:
        """Places of its complete pairs among all complete pairs."""
        return self.values.complete_of(self.members).places

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean or percentile of baseline and candidate over the complete pairs; None without any."""
        statistic = self.values.finding.limits.statistic
        if statistic == "mean":
            old, new, n = map(math.fsum, map(self.members.cells.take, self.values.sums))
            return (old / n, new / n) if n else None
        complete, chosen = self.values.paired.complete, self.values.complete_of(self.members)
        if not chosen.places:
            return None
        before, now = chosen.take(complete.baseline), chosen.take(complete.candidate)
        return statistic_of(before, statistic), statistic_of(now, statistic)


def parts_of(metric: str, finding: Finding, slicer: Slicer, *, alpha: float) -> Iterator[Part]:
    """Measure a metric in each slice of the samples that it counts.

    It counts all samples, with missing rows at their worst and best; an open range has no worst, so
    it counts the samples with a value on both sides.
    """
    paired = finding.paired
    if paired is None or finding.interval is None:
        return
    complete, ids = paired.complete, paired.ids
    is_open = finding.shape.support is None
    if is_open and len(complete.positions) < len(ids):
        ids = [ids[position] for position in complete.positions]
    division = slicer.divide(ids)
    values = _values_of(finding, paired, ids, division)
    for members in division.slices:
        is_large = len(members.samples.places) >= LEAST_SAMPLES
        ends = _estimate(values, members, alpha) if is_large else None
        yield Part(metric=metric, values=values, members=members, ends=ends)


def _values_of(finding: Finding, paired: Paired, ids: Sequence[str], division: Division) -> Values:
    complete, groups, place_at = paired.complete, paired.groups, None
    if len(complete.positions) < len(paired.ids):
        if finding.shape.support is None:
            groups = groups.at(complete.positions) if groups is not None else None
        else:
            numbers = range(len(complete.positions))
            place_at = _with_gaps(numbers, complete.absent, _ABSENT)
    worst, best = _ends(paired, division, finding.shape)
    return Values(
        finding=finding,
        paired=paired,
        place_at=place_at,
        worst=worst,
        best=best,
        held=_held(worst, best, _unconfirmed(finding, ids)),
        groups=groups,
        cells=division.cells,
    )


def _ends(paired: Paired, division: Division, shape: Shape) -> tuple[Changes, Changes]:
    """Return the changes with missing rows at their worst, and at their best."""
    changes, given = paired.changes, paired.given
    if changes is not None and given is not None:
        worst = Changes(each=changes.worst, by_cell=None, given=given.worst)
        same = given.best is given.worst
        return worst, worst if same else replace(worst, each=changes.best, given=given.best)
    divided = division if changes and paired.groups is None else None
    worst = _changes(changes.worst if changes else (), divided, shape)
    return worst, _with_others(worst, changes.best, changes.gaps) if changes else worst


def _with_gaps(values: Sequence[T], absent: Sequence[int], filler: T) -> list[T]:
    """Return values of the complete pairs at their places among all samples."""
    found: list[T] = []
    gaps = [-1, *absent, len(values) + len(absent)]
    for passed, (start, end) in enumerate(pairwise(gaps)):
        found += values[start + 1 - passed : end - passed]
        found.append(filler)
    return found[:-1]


def _changes(each: Sequence[float], division: Division | None, shape: Shape) -> Changes:
    if division is None:
        return Changes(each=each, by_cell=None)
    if shape.kind is MetricKind.BINARY:
        return Changes(each=each, by_cell=flips_by_cell(each, division.cells))
    return Changes(each=each, by_cell=sums_by_cell(each, division.cells, width=shape.width))


def _with_others(known: Changes, each: Sequence[float], places: Sequence[int]) -> Changes:
    """Return a copy with some changes replaced."""
    if not places:
        return known
    return Changes(each=each, by_cell=known.by_cell and known.by_cell.with_others(each, places))


def _unconfirmed(finding: Finding, ids: Sequence[str]) -> list[int]:
    """Return the places of samples whose change was not confirmed by asking again."""
    unlike = finding.again.flaky | finding.again.lucky if finding.again else frozenset()
    return [place for place, name in enumerate(ids) if name in unlike] if unlike else []


def _held(
    worst: Changes, best: Changes, unconfirmed: Sequence[int]
) -> tuple[Changes, Changes] | None:
    if not unconfirmed:
        return None
    low, high = list(worst.each), list(best.each)
    for place in unconfirmed:
        low[place] = high[place] = 0.0
    return _with_others(worst, low, unconfirmed), _with_others(best, high, unconfirmed)


def _estimate(values: Values, members: Members, alpha: float) -> tuple[Estimate, Estimate] | None:
    finding, samples = values.finding, members.samples
    grouped = members.by_group(values.groups.labels) if values.groups is not None else None
    if grouped is not None and grouped.units < LEAST_SAMPLES:
        return None
    if grouped is not None and grouped.units == len(samples.places):
        grouped = None
    if finding.shape.kind is MetricKind.RATIO:
        found = _ratio(values, samples, grouped, alpha)
        return (found, found) if found else None
    given = values.worst.given
    if given is not None and not given.chosen(samples.take).is_repeated:
        return None
    low = high = _change(values.worst, members, grouped, finding, alpha)
    if values.best is not values.worst:
        high = _change(values.best, members, grouped, finding, alpha)
    if values.held is None:
        return low, high
    # as of the whole: the interval stays that of the run, and no p gets smaller
    better, worse = (_change(held, members, grouped, finding, alpha) for held in values.held)
    return (
        replace(low, p_better=max(low.p_better, better.p_better)),
        replace(high, p_worse=max(high.p_worse, worse.p_worse)),
    )


def _change(
    changes: Changes, members: Members, grouped: Layout | None, finding: Finding, alpha: float
) -> Estimate:
    width, by_cell, take = finding.shape.width, changes.by_cell, members.cells.take
    if changes.given is not None:
        own_answers = changes.given.chosen(members.samples.take)
        return estimate_given(own_answers, finding.shape, alpha=alpha)
    if grouped is not None:
        ordered = grouped.arrange(changes.each)
        return interval_of_layout(ordered, grouped, width=width, alpha=alpha)
    if isinstance(by_cell, CellFlips):
        return estimate_flips(*by_cell.of(take), len(members.samples.places), alpha=alpha)
    if by_cell is not None:
        spread = by_cell.of(take)
        return interval_of_spread(spread, width=width, alpha=alpha, is_one_of_many=True)
    own = members.samples.take(changes.each)
    if finding.shape.kind is MetricKind.BINARY:
        return estimate_change(Tested(changes=own, groups=None, shape=finding.shape), alpha=alpha)
    return hall_interval(own, width=width, alpha=alpha, is_one_of_many=True)


def _ratio(
    values: Values, samples: Chosen, grouped: Layout | None, alpha: float
) -> Estimate | None:
    complete, level = values.paired.complete, LEVELS.get(values.finding.limits.statistic)
    take = grouped.arrange if grouped else samples.take
    before, now = take(complete.baseline), take(complete.candidate)
    lowest = min(map(min, (before, now)))
    if level is None:
        is_fit = lowest >= 0 < min(sum(before), sum(now))
        groups = grouped.names if grouped else None
        return ratio_of_means(before, now, groups=groups, alpha=alpha) if is_fit else None
    is_fit = lowest > 0 and len(before) >= samples_for_percentile(level)
    return ratio_of_percentiles(before, now, level=level, alpha=alpha) if is_fit else None
