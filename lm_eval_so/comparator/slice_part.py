"""One metric in one slice, measured as the metric is on the whole."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lm_eval_so.comparator.arm import Complete
from lm_eval_so.comparator.estimate import estimate_flips
from lm_eval_so.comparator.finding import Finding
from lm_eval_so.comparator.groups import Groups
from lm_eval_so.comparator.members import Blocks, Members, mask_of
from lm_eval_so.comparator.ratio import LEVELS, statistic_of
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.bounded import hall_interval
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
    flips: tuple[int, int] | None
    """Of right or wrong, which got worse and which better, as bit masks; else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What a metric found of its samples."""

    finding: Finding
    complete: Complete
    place_at: Sequence[int] | None
    """Of each sample where it stands among the complete ones, or −1; None if all are complete."""
    worst: Changes
    best: Changes
    """What asking again did not confirm is no change."""
    groups: Groups | None
    """Of the samples that count."""

    def places(self, members: Members) -> Members:
        """Give the members with a value on both sides, by where they stand among all of those."""
        if self.place_at is None:
            return members
        found = [place for place in members.take(self.place_at) if place != _ABSENT]
        return Members(members.by, members.value, found)

    @property
    def is_by_place(self) -> bool:
        """Whether only complete pairs count, as where the range is open."""
        return self.place_at is not None and self.finding.shape.support is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A metric in a slice."""

    metric: str
    values: Values
    members: Members
    """The samples of the slice, the metric's own numbering."""
    n: int
    """Those that the metric counts."""
    ends: tuple[Estimate, Estimate] | None
    """With missing rows at their worst, and at their best; None if it is small."""

    @property
    def places(self) -> Sequence[int]:
        """Where its complete pairs stand among all of them."""
        return self.values.places(self.members).positions

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean or percentile of baseline and candidate over the complete pairs; None without any."""
        complete, places = self.values.complete, self.values.places(self.members)
        if not places.positions:
            return None
        statistic = self.values.finding.statistic
        before, now = places.take(complete.baseline), places.take(complete.candidate)
        return statistic_of(before, statistic), statistic_of(now, statistic)


def values_of(finding: Finding) -> Values | None:
    """Give what slices need of a metric; None if it was not measured."""
    complete, changes = finding.complete, finding.changes
    if complete is None or finding.method is None:
        return None
    place_at = None
    if len(complete.positions) < len(finding.ids):
        place_at = array("q", [_ABSENT]) * len(finding.ids)
        for place, position in enumerate(complete.positions):
            place_at[position] = place
    groups = finding.groups
    if groups is not None and place_at is not None and finding.shape.support is None:
        groups = groups.at(complete.positions)
    each, best = changes.worst if changes else (), _without_flaky(finding, complete)
    is_binary = finding.shape.kind is MetricKind.BINARY
    worst = _changes(each, is_binary=is_binary)
    return Values(
        finding=finding,
        complete=complete,
        place_at=place_at,
        worst=worst,
        best=worst if best is each else _changes(best, is_binary=is_binary),
        groups=groups,
    )


def _changes(each: Sequence[float], *, is_binary: bool) -> Changes:
    if not is_binary:
        return Changes(each=each, flips=None)
    return Changes(
        each=each,
        flips=(mask_of(map((0.0).__gt__, each)), mask_of(map((0.0).__lt__, each))),
    )


def parts_of(
    metric: str, values: Values, slices: Sequence[Members], *, alpha: float
) -> Iterator[Part]:
    """Measure a metric in each slice of its samples."""
    for members in slices:
        counted = values.places(members) if values.is_by_place else members
        n = len(counted.positions)
        if n:
            ends = _estimate(values, counted, alpha) if n >= LEAST_SAMPLES else None
            yield Part(metric=metric, values=values, members=members, n=n, ends=ends)


def _without_flaky(finding: Finding, complete: Complete) -> Sequence[float]:
    best = finding.changes.best if finding.changes else ()
    again = finding.again
    unlike = again.flaky | again.lucky if again else frozenset()
    if not unlike:
        return best
    ids = [finding.ids[position] for position in complete.positions]
    rows = zip(ids if finding.shape.support is None else finding.ids, best, strict=True)
    return [0.0 if name in unlike else change for name, change in rows]


def _estimate(values: Values, counted: Members, alpha: float) -> tuple[Estimate, Estimate] | None:
    finding = values.finding
    blocks = counted.blocks(values.groups.labels) if values.groups is not None else None
    if blocks is not None and blocks.layout.units < LEAST_SAMPLES:
        return None
    if blocks is not None and blocks.are_single:
        blocks = None
    if finding.shape.kind is MetricKind.RATIO:
        found = _ratio(values, counted, blocks, alpha)
        return (found, found) if found else None
    low = _change(values.worst, counted, blocks, finding, alpha)
    if values.best is values.worst:
        return low, low
    return low, _change(values.best, counted, blocks, finding, alpha)


def _change(
    changes: Changes, counted: Members, blocks: Blocks | None, finding: Finding, alpha: float
) -> Estimate:
    width = finding.shape.width
    if changes.flips is not None and blocks is None:
        worse, better = (counted.count(mask) for mask in changes.flips)
        return estimate_flips(worse, better, len(counted.positions), alpha=alpha)
    if blocks is None:
        own = counted.take(changes.each)
        return hall_interval(own, width=width, alpha=alpha, is_one_of_many=True)
    ordered = blocks.members.take(changes.each)
    return interval_of_layout(ordered, blocks.layout, width=width, alpha=alpha)


def _ratio(
    values: Values, counted: Members, blocks: Blocks | None, alpha: float
) -> Estimate | None:
    complete, level = values.complete, LEVELS.get(values.finding.statistic)
    ordered = blocks.members if blocks else counted
    before, now = ordered.take(complete.baseline), ordered.take(complete.candidate)
    lowest = min(map(min, (before, now)))
    if level is None:
        is_fit = lowest >= 0 < min(sum(before), sum(now))
        groups = blocks.names if blocks else None
        return ratio_of_means(before, now, groups=groups, alpha=alpha) if is_fit else None
    is_fit = lowest > 0 and len(before) >= samples_for_percentile(level)
    return ratio_of_percentiles(before, now, level=level, alpha=alpha) if is_fit else None
