"""One metric in one slice, measured as the metric is on the whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count, pairwise
from operator import ne

from lm_eval_so.comparator.arm import Complete
from lm_eval_so.comparator.estimate import estimate_flips
from lm_eval_so.comparator.finding import Finding
from lm_eval_so.comparator.groups import Groups
from lm_eval_so.comparator.members import Blocks, Chosen, Division, Members, Slicer
from lm_eval_so.comparator.ratio import LEVELS, statistic_of
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.binary import count_flips
from lm_eval_so.core.stats.bounded import hall_interval, interval_of_spread
from lm_eval_so.core.stats.cells import CellFlips, CellSums, Other, flips_by_cell, sums_by_cell
from lm_eval_so.core.stats.estimate import Estimate
from lm_eval_so.core.stats.groups import interval_of_layout
from lm_eval_so.core.stats.power import LEAST_SAMPLES
from lm_eval_so.core.stats.ratios import (
    ratio_of_means,
    ratio_of_percentiles,
    samples_for_percentile,
)

_ABSENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Change of each sample that counts, positive = better."""

    each: Sequence[float]
    by_cell: CellSums | CellFlips | None
    """None where samples come in groups, which may lie in several cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What a metric found of its samples."""

    finding: Finding
    complete: Complete
    place_at: Sequence[int] | None
    """Of each sample where it stands among the complete ones, or −1; None if all that count are
    complete."""
    worst: Changes
    best: Changes
    """What asking again did not confirm is no change."""
    groups: Groups | None
    """Of the samples that count."""

    def complete_of(self, members: Members) -> Chosen:
        """Give the members with a value on both sides, by where they stand among all of those."""
        if self.place_at is None:
            return members.samples
        return Chosen([p for p in members.samples.take(self.place_at) if p != _ABSENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A metric in a slice."""

    metric: str
    values: Values
    members: Members
    """The samples of the slice, numbered as those that the metric counts."""
    ends: tuple[Estimate, Estimate] | None
    """With missing rows at their worst, and at their best; None if it is small."""

    @property
    def n(self) -> int:
        """How many samples the metric counts."""
        return len(self.members.samples.places)

    @property
    def places(self) -> Sequence[int]:
        """Where its complete pairs stand among all of them."""
        return self.values.complete_of(self.members).places

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean or percentile of baseline and candidate over the complete pairs; None without any."""
        complete, chosen = self.values.complete, self.values.complete_of(self.members)
        if not chosen.places:
            return None
        statistic = self.values.finding.statistic
        before, now = chosen.take(complete.baseline), chosen.take(complete.candidate)
        return statistic_of(before, statistic), statistic_of(now, statistic)


def parts_of(metric: str, finding: Finding, slicer: Slicer, *, alpha: float) -> Iterator[Part]:
    """Measure a metric in each slice of the samples that it counts.

    Those are all samples, with missing rows at their worst and best; where the range is open and
    there is no worst, those with a value on both sides.
    """
    complete, ids = finding.complete, finding.ids
    if complete is None or finding.method is None:
        return
    is_open = finding.shape.support is None
    if is_open and len(complete.positions) < len(ids):
        ids = [ids[position] for position in complete.positions]
    division = slicer.divide(ids)
    values = _values_of(finding, complete, division)
    for members in division.slices:
        is_large = len(members.samples.places) >= LEAST_SAMPLES
        ends = _estimate(values, members, alpha) if is_large else None
        yield Part(metric=metric, values=values, members=members, ends=ends)


def _values_of(finding: Finding, complete: Complete, division: Division) -> Values:
    changes, groups, place_at = finding.changes, finding.groups, None
    if len(complete.positions) < len(finding.ids):
        if finding.shape.support is None:
            groups = groups.at(complete.positions) if groups is not None else None
        else:
            place_at = _places_around(complete.absent, len(finding.ids))
    each, best = changes.worst if changes else (), _without_flaky(finding, complete)
    is_binary = finding.shape.kind is MetricKind.BINARY
    divided = division if changes and groups is None else None
    worst = _changes(each, divided, is_binary=is_binary)
    return Values(
        finding=finding,
        complete=complete,
        place_at=place_at,
        worst=worst,
        best=worst if best is each else _with_few_others(worst, best, division),
        groups=groups,
    )


def _places_around(absent: Sequence[int], n: int) -> list[int]:
    """Number n samples from 0, but for those that are absent."""
    found: list[int] = []
    for passed, (start, end) in enumerate(pairwise([-1, *absent, n])):
        found += range(start + 1 - passed, end - passed)
        found.append(_ABSENT)
    return found[:-1]


def _changes(each: Sequence[float], division: Division | None, *, is_binary: bool) -> Changes:
    if division is None:
        return Changes(each=each, by_cell=None)
    ordered = Chosen(division.cells.order).take(each)
    make = flips_by_cell if is_binary else sums_by_cell
    return Changes(each=each, by_cell=make(ordered, division.cells))


def _with_few_others(known: Changes, each: Sequence[float], division: Division) -> Changes:
    if known.by_cell is None:
        return Changes(each=each, by_cell=None)
    places = compress(count(), map(ne, known.each, each))
    others = [Other(division.cell_at[place], known.each[place], each[place]) for place in places]
    return Changes(each=each, by_cell=known.by_cell.with_others(others))


def _without_flaky(finding: Finding, complete: Complete) -> Sequence[float]:
    best = finding.changes.best if finding.changes else ()
    again = finding.again
    unlike = again.flaky | again.lucky if again else frozenset()
    if not unlike:
        return best
    ids = [finding.ids[position] for position in complete.positions]
    rows = zip(ids if finding.shape.support is None else finding.ids, best, strict=True)
    return [0.0 if name in unlike else change for name, change in rows]


def _estimate(values: Values, members: Members, alpha: float) -> tuple[Estimate, Estimate] | None:
    finding, samples = values.finding, members.samples
    blocks = samples.blocks(values.groups.labels) if values.groups is not None else None
    if blocks is not None and blocks.layout.units < LEAST_SAMPLES:
        return None
    if blocks is not None and blocks.are_single:
        blocks = None
    if finding.shape.kind is MetricKind.RATIO:
        found = _ratio(values, samples, blocks, alpha)
        return (found, found) if found else None
    low = _change(values.worst, members, blocks, finding, alpha)
    if values.best is values.worst:
        return low, low
    return low, _change(values.best, members, blocks, finding, alpha)


def _change(
    changes: Changes, members: Members, blocks: Blocks | None, finding: Finding, alpha: float
) -> Estimate:
    width, by_cell, take = finding.shape.width, changes.by_cell, members.cells.take
    if blocks is not None:
        ordered = blocks.chosen.take(changes.each)
        return interval_of_layout(ordered, blocks.layout, width=width, alpha=alpha)
    if isinstance(by_cell, CellFlips):
        return estimate_flips(*by_cell.of(take), len(members.samples.places), alpha=alpha)
    if by_cell is not None:
        spread = by_cell.of(take)
        return interval_of_spread(spread, width=width, alpha=alpha, is_one_of_many=True)
    own = members.samples.take(changes.each)
    if finding.shape.kind is MetricKind.BINARY:
        return estimate_flips(*count_flips(own), len(own), alpha=alpha)
    return hall_interval(own, width=width, alpha=alpha, is_one_of_many=True)


def _ratio(values: Values, samples: Chosen, blocks: Blocks | None, alpha: float) -> Estimate | None:
    complete, level = values.complete, LEVELS.get(values.finding.statistic)
    ordered = blocks.chosen if blocks else samples
    before, now = ordered.take(complete.baseline), ordered.take(complete.candidate)
    lowest = min(map(min, (before, now)))
    if level is None:
        is_fit = lowest >= 0 < min(sum(before), sum(now))
        groups = blocks.layout.names if blocks else None
        return ratio_of_means(before, now, groups=groups, alpha=alpha) if is_fit else None
    is_fit = lowest > 0 and len(before) >= samples_for_percentile(level)
    return ratio_of_percentiles(before, now, level=level, alpha=alpha) if is_fit else None
