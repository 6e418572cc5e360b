"""Which samples of two reports are the same: those of one id and rev."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import itemgetter, ne

from lm_eval_so.comparator.pairing.groups import Groups, groups_of
from lm_eval_so.comparator.pairing.samples import Rows, Samples
from lm_eval_so.core.records.comparison import Pairing
from lm_eval_so.core.records.report import Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The rows of one report, by sample."""

    columns: Columns
    rows_by_id: Mapping[str, Rows]
    """In dataset order."""
    duplicate: str | None
    """An id with the same repeat twice; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Two reports and the samples that both have."""

    baseline: Side
    candidate: Side
    ids: tuple[str, ...]
    """In the candidate's order."""
    baseline_samples: Samples
    candidate_samples: Samples
    groups: Groups | None
    """None if all samples stand alone."""
    record: Pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The paired samples that one metric applies to on both sides."""

    ids: Sequence[str]
    baseline: Samples
    candidate: Samples
    groups: Groups | None
    of_baseline: int
    """All samples of the baseline that the metric applies to, paired or not."""
    of_candidate: int
    paired: int
    """As long as `ids`, unless samples left for want of a measured time."""


def read_side(columns: Columns, other: Side | None = None) -> Side:
    """Find the rows of each sample.

    Args:
        columns: The rows.
        other: The other side; one of the same rows in the same order is not read again.
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
    """Leave out the samples that a metric does not apply to, or whose time was not measured.

    Args:
        pairs: The reports.
        metric_id: A metric that both have.
        is_time: Whether its values are times: those of a cached row are of another day.
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
    """Return every sample of one side that a metric applies to."""
    cached = frozenset(side.columns.cached) if is_time else frozenset()
    rows = applicable_rows(side, metric_id).values()
    return Samples([own for own in rows if cached.isdisjoint(own)])


def applicable_rows(side: Side, metric_id: str) -> Mapping[str, Rows]:
    """Return the rows by sample without those that a metric does not apply to."""
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
