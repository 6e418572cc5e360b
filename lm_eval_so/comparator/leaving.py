"""Samples that leave both reports before they are compared."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from lm_eval_so.comparator.measure import Reports
from lm_eval_so.comparator.pair import Side, pair_sides
from lm_eval_so.comparator.samples import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Which samples leave, by metric."""

    everywhere: frozenset[str]
    by_metric: Mapping[str, frozenset[str]]

    def of(self, metric: str) -> frozenset[str]:
        """Give the samples that do not count for a metric."""
        return self.everywhere | self.by_metric.get(metric, frozenset())


class Remaining:
    """Two reports without some samples; metrics that lose the same ones share the pairing."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._known: dict[frozenset[str], Reports] = {frozenset(): reports}

    def without(self, ids: frozenset[str]) -> Reports:
        """Give the reports without these samples."""
        if ids not in self._known:
            self._known[ids] = _without(self._reports, ids)
        return self._known[ids]


def _without(reports: Reports, ids: Collection[str]) -> Reports:
    side = _leave_out(reports.side, ids)
    if reports.pairs is None:
        return replace(reports, side=side)
    pairs = pair_sides(_leave_out(reports.pairs.baseline, ids), side)
    return replace(reports, side=side, pairs=pairs)


def _leave_out(side: Side, ids: Collection[str]) -> Side:
    kept = {name: rows for name, rows in side.rows_by_id.items() if name not in ids}
    duplicate = side.duplicate
    if duplicate is not None and duplicate in ids:
        duplicate = next((n for n, rows in kept.items() if _is_double(side, rows)), None)
    return replace(side, rows_by_id=kept, duplicate=duplicate)


def _is_double(side: Side, rows: Rows) -> bool:
    repeats = [side.columns.repeats[row] for row in rows]
    return len(set(repeats)) < len(repeats)
