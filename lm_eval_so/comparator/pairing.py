"""Two reports, paired: the samples that are the same on both sides, and their groups."""

from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from operator import eq
from typing import TypeVar

from lm_eval_so.comparator.sample_rows import RowsById, SampleRows, flags_of, pick, rows_by_id
from lm_eval_so.comparator.settings import KEY_SHAPES, Redact
from lm_eval_so.core.columns.column import Coded, Column
from lm_eval_so.core.records.comparison import Pairing
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.stats.groups import Chosen, Layout, lay_out

T = TypeVar("T")


class Samples:
    """Some samples of a report; metrics with the same samples share one object and its cache.

    Args:
        rows: Rows of each sample.
    """

    def __init__(self, rows: SampleRows) -> None:
        self.rows = rows
        self._flat: Chosen | None = None
        self._is_in_order = False

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Return the entries of a column, sample by sample and repeat by repeat."""
        if self._flat is None:
            flat = self.rows.rows()
            self._flat = Chosen(flat)
            self._is_in_order = all(map(eq, flat, count()))
        if self._is_in_order and len(self._flat.places) == len(column):
            return column  # of most candidates: as it stands
        return self._flat.take(column)


class Groups:
    """The group of each paired sample, as of the turns of one conversation.

    Metrics with the same samples share one object and its cache.

    Args:
        labels: Group of each sample.
    """

    def __init__(self, labels: Sequence[Hashable]) -> None:
        self.labels = labels
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """Samples in the order of their groups."""
        if self._layout is None:
            self._layout = lay_out(range(len(self.labels)), self.labels)
        return self._layout

    @property
    def units(self) -> int:
        """Number of groups."""
        return self.layout.units

    @property
    def effective_units(self) -> float:
        """Number of groups of equal size that would tell as much."""
        return self.layout.effective_units

    @property
    def largest_share(self) -> float:
        """Share of the samples in the largest group."""
        return self.layout.counts[-1][0] / len(self.labels)

    def at(self, positions: Sequence[int]) -> "Groups":
        """Return the groups of some of the samples."""
        if len(positions) == len(self.labels):
            return self
        return Groups([self.labels[position] for position in positions])


def groups_of(labels: Sequence[str | None], samples: SampleRows) -> Groups | None:
    """Return the group of each sample, its position if it has none; None if all stand alone.

    Args:
        labels: Group of each row.
        samples: Rows of each sample.
    """
    if isinstance(labels, Coded) and {*labels.values} <= {None}:
        return None
    found = [labels[row] for row in samples.firsts]
    absent = found.count(None)
    if absent == len(found) or len(set(found) - {None}) == len(found) - absent:
        return None
    if absent:
        return Groups([i if label is None else label for i, label in enumerate(found)])
    return Groups(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Rows of one report, by sample."""

    columns: Columns
    rows_by_id: RowsById
    """Rows of each sample, in dataset order."""
    duplicate: str | None
    """An id with the same repeat twice; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Baseline and candidate, and the samples that both have."""

    baseline: Side
    candidate: Side
    ids: Sequence[str]
    """Paired samples, in the candidate's order."""
    baseline_samples: Samples
    candidate_samples: Samples
    groups: Groups | None
    """None if all samples stand alone."""
    record: Pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Paired samples that one metric applies to on both sides."""

    ids: Sequence[str]
    baseline: Samples
    candidate: Samples
    groups: Groups | None
    of_baseline: int
    """Number of the baseline's samples that the metric applies to, paired or not."""
    of_candidate: int
    paired: int
    """Number of paired samples; more than `ids` if some have no measured time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Candidate and baseline, paired."""

    candidate: EvaluationReport
    baseline: EvaluationReport | None
    side: Side
    """Rows of the candidate."""
    pairs: Pairs | None
    """None without a baseline."""
    alpha: float
    redact: Redact = KEY_SHAPES


def pair_reports(
    candidate: EvaluationReport,
    baseline: EvaluationReport | None,
    *,
    alpha: float,
    redact: Redact = KEY_SHAPES,
) -> Reports:
    """Pair a candidate with a baseline, if there is one.

    Args:
        candidate: Report under test.
        baseline: Report to compare with.
        alpha: One minus the confidence of one end of an interval.
        redact: Function that takes secrets out of a text.
    """
    side = read_side(candidate.samples)
    pairs = pair_sides(read_side(baseline.samples, side), side) if baseline else None
    return Reports(
        candidate=candidate, baseline=baseline, side=side, pairs=pairs, alpha=alpha, redact=redact
    )


def read_side(columns: Columns, other: Side | None = None) -> Side:
    """Find the rows of each sample.

    Args:
        columns: Columns of the report.
        other: The other side; if it has the same rows in the same order, its result is used again.
    """
    ids = columns.ids
    if other and ids == other.columns.ids and _same(columns.repeats, other.columns.repeats):
        _keep_keys_once(columns, other.columns)
        return replace(other, columns=columns)
    found, duplicate = rows_by_id(columns)
    return Side(columns=columns, rows_by_id=found, duplicate=duplicate)


def _keep_keys_once(some: Columns, others: Columns) -> None:
    for column, other in ((some.ids, others.ids), (some.revs, others.revs)):
        if isinstance(column, Column) and isinstance(other, Column):
            column.share_keys(other)


def pair_sides(baseline: Side, candidate: Side) -> Pairs:
    """Pair samples by id and rev; the same id with another rev is a changed sample."""
    before, now = baseline.rows_by_id, candidate.rows_by_id
    in_before = array("i", now.numbers_in(before))
    old, new = array("I"), array("I")
    for number, there in zip(now.rows.chosen, in_before, strict=True):
        if there >= 0:
            old.append(there)
            new.append(number)
    was_found = flags_of(old, len(before.names))
    revs = _same_entries(
        (baseline.columns.revs, before.rows.some(old).firsts),
        (candidate.columns.revs, now.rows.some(new).firsts),
    )
    is_same = bytearray(revs)
    changed = tuple(pick(now.names, array("I", compress(new, (not each for each in is_same)))))
    if changed:
        old, new = (array("I", compress(numbers, is_same)) for numbers in (old, new))
    of_candidate = _whole(new, now)
    rows = now.rows.some(of_candidate)
    lacking = array("I", compress(now.rows.chosen, (there < 0 for there in in_before)))
    removed = array("I", (number for number in before.rows.chosen if not was_found[number]))
    return Pairs(
        baseline=baseline,
        candidate=candidate,
        ids=pick(now.names, of_candidate),
        baseline_samples=Samples(before.rows.some(_whole(old, before))),
        candidate_samples=Samples(rows),
        groups=groups_of(candidate.columns.groups, rows),
        record=Pairing(
            paired=len(rows),
            added=tuple(pick(now.names, lacking)),
            removed=tuple(pick(before.names, removed)),
            changed=changed,
        ),
    )


def scope_of(pairs: Pairs, metric_id: str, *, is_time: bool) -> Scope:
    """Return the paired samples that a metric applies to, without those whose time is unknown.

    Args:
        pairs: Baseline and candidate.
        metric_id: Metric that both have.
        is_time: Whether its values are times; the time of a cached row is of another day.
    """
    before = applicable_rows(pairs.baseline, metric_id)
    now = applicable_rows(pairs.candidate, metric_id)
    everywhere = before is pairs.baseline.rows_by_id and now is pairs.candidate.rows_by_id
    are_cached = is_time and (pairs.baseline.columns.cached or pairs.candidate.columns.cached)
    if everywhere and not are_cached:  # most metrics of a large report
        return Scope(
            ids=pairs.ids,
            baseline=pairs.baseline_samples,
            candidate=pairs.candidate_samples,
            groups=pairs.groups,
            of_baseline=len(before),
            of_candidate=len(now),
            paired=len(pairs.ids),
        )
    old, new = pairs.baseline_samples.rows.chosen, pairs.candidate_samples.rows.chosen
    both = [before.rows.has(b) and now.rows.has(c) for b, c in zip(old, new, strict=True)]
    places = array("I", compress(count(), both))
    paired = len(places)
    if are_cached:
        sides = ((before, pairs.baseline, old), (now, pairs.candidate, new))
        timed = [_timed(found.rows, side, numbers) for found, side, numbers in sides]
        places = array("I", (at for at in places if timed[0](at) and timed[1](at)))
    rows = now.rows.some(array("I", map(new.__getitem__, places)))
    return Scope(
        ids=pick(pairs.ids, places),
        baseline=Samples(before.rows.some(array("I", map(old.__getitem__, places)))),
        candidate=Samples(rows),
        groups=groups_of(pairs.candidate.columns.groups, rows),
        of_baseline=len(before),
        of_candidate=len(now),
        paired=paired,
    )


def measured_samples(side: Side, metric_id: str, *, is_time: bool) -> Samples:
    """Return all samples of one side that a metric applies to."""
    rows = applicable_rows(side, metric_id).rows
    if not is_time or not side.columns.cached:
        return Samples(rows)
    is_timed = _timed(rows, side, rows.chosen)
    places = compress(rows.chosen, map(is_timed, range(len(rows))))
    return Samples(rows.some(array("I", places)))


def applicable_rows(side: Side, metric_id: str) -> RowsById:
    """Return the rows by sample that a metric applies to."""
    left_out = side.columns.not_applicable.get(metric_id, ())
    if not left_out:
        return side.rows_by_id
    return side.rows_by_id.without(left_out, n=len(side.columns.ids))


def _timed(rows: SampleRows, side: Side, numbers: Sequence[int]) -> Callable[[int], bool]:
    """Return whether no row of the sample at a place has its time from the cache."""
    cached = flags_of(side.columns.cached, len(side.columns.ids))

    def is_timed(place: int) -> bool:
        return not any(cached[row] for row in rows.of(numbers[place]))

    return is_timed


def _whole(numbers: "array[int]", among: RowsById) -> Sequence[int]:
    """Return the numbers of samples; those of a whole report, in its order, as a range."""
    n = len(among.names)
    return range(n) if len(numbers) == n and all(map(eq, numbers, count())) else numbers


def _same(some: Sequence[int], others: Sequence[int]) -> bool:
    return len(some) == len(others) and all(map(eq, some, others))


def _same_entries(
    one: tuple[Sequence[str], Sequence[int]], other: tuple[Sequence[str], Sequence[int]]
) -> Iterator[bool]:
    """Return whether entries of two columns, at some rows each, are the same; by their keys if they have some."""
    (before, old), (now, new) = one, other
    if isinstance(before, Column) and isinstance(now, Column):
        return map(eq, map(before.keys.__getitem__, old), map(now.keys.__getitem__, new))
    return map(eq, map(before.__getitem__, old), map(now.__getitem__, new))
