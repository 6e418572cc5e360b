"""Two reports, paired: the samples that are the same on both sides, and their groups."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from operator import itemgetter, ne
from typing import TypeVar

from lm_eval_so.comparator.settings import KEY_SHAPES, Redact
from lm_eval_so.core.records.comparison import Pairing
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.stats.groups import Chosen, Layout, lay_out

T = TypeVar("T")
Rows = tuple[int, ...]
"""Positions of a sample's rows in a report, one per repeat."""


class Samples:
    """Some samples of a report; metrics with the same samples share one object and its cache.

    Args:
        rows: Rows of each sample.
    """

    def __init__(self, rows: Sequence[Rows]) -> None:
        self.rows = rows
        self._flat: Chosen | None = None
        self._is_in_order = False

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Return the entries of a column, sample by sample and repeat by repeat."""
        if self._flat is None:
            flat = list(chain.from_iterable(self.rows))
            self._flat, self._is_in_order = Chosen(flat), flat == list(range(len(flat)))
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


def groups_of(labels: Sequence[str | None], samples: Sequence[Rows]) -> Groups | None:
    """Return the group of each sample, its position if it has none; None if all stand alone.

    Args:
        labels: Group of each row.
        samples: Rows of each sample.
    """
    found = [labels[rows[0]] for rows in samples]
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
    rows_by_id: Mapping[str, Rows]
    """Rows of each sample, in dataset order."""
    duplicate: str | None
    """An id with the same repeat twice; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Baseline and candidate, and the samples that both have."""

    baseline: Side
    candidate: Side
    ids: tuple[str, ...]
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
    if other and ids == other.columns.ids and columns.repeats == other.columns.repeats:
        return replace(other, columns=columns)
    single = {name: (row,) for row, name in enumerate(ids)}
    if len(single) == len(ids):
        return Side(columns=columns, rows_by_id=single, duplicate=None)
    rows_by_id: dict[str, list[int]] = {}
    seen: set[tuple[str, int]] = set()
    duplicate = None
    for row, key in enumerate(zip(ids, columns.repeats, strict=True)):
        if key in seen:
            duplicate = duplicate or key[0]
        seen.add(key)
        rows_by_id.setdefault(key[0], []).append(row)
    grouped = {name: tuple(rows) for name, rows in rows_by_id.items()}
    return Side(columns=columns, rows_by_id=grouped, duplicate=duplicate)


def pair_sides(baseline: Side, candidate: Side) -> Pairs:
    """Pair samples by id and rev; the same id with another rev is a changed sample."""
    before, now = baseline.rows_by_id, candidate.rows_by_id
    old_revs, new_revs = baseline.columns.revs, candidate.columns.revs
    common = tuple(name for name in now if name in before)
    old_rows, rows = _rows_of(common, before), _rows_of(common, now)
    revs = map(ne, _firsts(old_rows, old_revs), _firsts(rows, new_revs))
    changed = frozenset(compress(common, revs))
    ids = common
    if changed:
        ids = tuple(name for name in common if name not in changed)
        old_rows, rows = _rows_of(ids, before), _rows_of(ids, now)
    record = Pairing(
        paired=len(ids),
        added=() if len(common) == len(now) else tuple(n for n in now if n not in before),
        removed=() if len(common) == len(before) else tuple(n for n in before if n not in now),
        changed=tuple(name for name in common if name in changed),
    )
    return Pairs(
        baseline=baseline,
        candidate=candidate,
        ids=ids,
        baseline_samples=Samples(old_rows),
        candidate_samples=Samples(rows),
        groups=groups_of(candidate.columns.groups, rows),
        record=record,
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
    if everywhere and not is_time:  # most metrics of a large report
        return Scope(
            ids=pairs.ids,
            baseline=pairs.baseline_samples,
            candidate=pairs.candidate_samples,
            groups=pairs.groups,
            of_baseline=len(before),
            of_candidate=len(now),
            paired=len(pairs.ids),
        )
    ids = [name for name in pairs.ids if name in before and name in now]
    paired = len(ids)
    if is_time:
        old = frozenset(pairs.baseline.columns.cached)
        new = frozenset(pairs.candidate.columns.cached)
        ids = [i for i in ids if old.isdisjoint(before[i]) and new.isdisjoint(now[i])]
    rows = _rows_of(ids, now)
    return Scope(
        ids=ids,
        baseline=Samples(_rows_of(ids, before)),
        candidate=Samples(rows),
        groups=groups_of(pairs.candidate.columns.groups, rows),
        of_baseline=len(before),
        of_candidate=len(now),
        paired=paired,
    )


def measured_samples(side: Side, metric_id: str, *, is_time: bool) -> Samples:
    """Return all samples of one side that a metric applies to."""
    cached = frozenset(side.columns.cached) if is_time else frozenset()
    rows = applicable_rows(side, metric_id).values()
    return Samples([own for own in rows if cached.isdisjoint(own)])


def applicable_rows(side: Side, metric_id: str) -> Mapping[str, Rows]:
    """Return the rows by sample that a metric applies to."""
    left_out = frozenset(side.columns.not_applicable.get(metric_id, ()))
    if not left_out:
        return side.rows_by_id
    kept = ((name, _without(rows, left_out)) for name, rows in side.rows_by_id.items())
    return {name: rows for name, rows in kept if rows}


def _rows_of(ids: Iterable[str], rows_by_id: Mapping[str, Rows]) -> list[Rows]:
    return list(map(rows_by_id.__getitem__, ids))


def _firsts(samples: Iterable[Rows], column: Sequence[str | None]) -> Iterator[str | None]:
    return map(column.__getitem__, map(itemgetter(0), samples))


def _without(rows: Iterable[int], left_out: frozenset[int]) -> Rows:
    return tuple(row for row in rows if row not in left_out)
