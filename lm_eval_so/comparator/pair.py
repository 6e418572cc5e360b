"""Which samples of two reports are the same: those of one id and rev."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.comparator.groups import Groups, groups_of
from lm_eval_so.core.records.comparison import Pairing
from lm_eval_so.core.records.report import Columns

Rows = tuple[int, ...]
"""Positions of a sample's rows, one per repeat."""


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
    baseline_rows: Sequence[Rows]
    candidate_rows: Sequence[Rows]
    groups: Groups | None
    """None if all samples stand alone."""
    record: Pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The paired samples that one metric applies to on both sides."""

    ids: Sequence[str]
    baseline: Sequence[Rows]
    candidate: Sequence[Rows]
    groups: Groups | None
    baseline_samples: int
    """All samples of the baseline that the metric applies to, paired or not."""
    candidate_samples: int
    paired: int
    """As long as `ids`, unless samples left for want of a measured time."""


def read_side(columns: Columns) -> Side:
    """Find the rows of each sample."""
    ids = columns.ids
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
    common = [name for name in now if name in before]
    changed = {name for name in common if old_revs[before[name][0]] != new_revs[now[name][0]]}
    ids = tuple(name for name in common if name not in changed) if changed else tuple(common)
    rows = _rows_of(ids, now)
    record = Pairing(
        paired=len(ids),
        added=tuple(name for name in now if name not in before),
        removed=tuple(name for name in before if name not in now),
        changed=tuple(name for name in common if name in changed),
    )
    return Pairs(
        baseline=baseline,
        candidate=candidate,
        ids=ids,
        baseline_rows=_rows_of(ids, before),
        candidate_rows=rows,
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
            baseline=pairs.baseline_rows,
            candidate=pairs.candidate_rows,
            groups=pairs.groups,
            baseline_samples=len(before),
            candidate_samples=len(now),
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
        baseline=_rows_of(ids, before),
        candidate=rows,
        groups=groups_of(pairs.candidate.columns.groups, rows),
        baseline_samples=len(before),
        candidate_samples=len(now),
        paired=paired,
    )


def measured_rows(side: Side, metric_id: str, *, is_time: bool) -> list[Rows]:
    """Give the rows of every sample of one side that a metric applies to."""
    cached = frozenset(side.columns.cached) if is_time else frozenset()
    return [r for r in applicable_rows(side, metric_id).values() if cached.isdisjoint(r)]


def applicable_rows(side: Side, metric_id: str) -> Mapping[str, Rows]:
    """Give the rows by sample without those that a metric does not apply to."""
    left_out = frozenset(side.columns.not_applicable.get(metric_id, ()))
    if not left_out:
        return side.rows_by_id
    kept = ((name, _without(rows, left_out)) for name, rows in side.rows_by_id.items())
    return {name: rows for name, rows in kept if rows}


def _rows_of(ids: Iterable[str], rows_by_id: Mapping[str, Rows]) -> list[Rows]:
    return list(map(rows_by_id.__getitem__, ids))


def _without(rows: Iterable[int], left_out: frozenset[int]) -> Rows:
    return tuple(row for row in rows if row not in left_out)
