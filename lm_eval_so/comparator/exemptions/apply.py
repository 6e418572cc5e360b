"""Entries of the quarantine and accept files, held against two reports and applied to them.

Quarantined samples leave both sides; accepted drops do not count.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from lm_eval_so.comparator.effect.finding import Finding, shape_of
from lm_eval_so.comparator.exemptions.files import Entry, Exceptions, with_our_ids
from lm_eval_so.comparator.pairing import Reports, Side, pair_sides
from lm_eval_so.comparator.sample_rows import Rows
from lm_eval_so.core.records.changes import Exemption
from lm_eval_so.core.records.changes import ExemptionState as State
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.core.stats.bounded import ROUNDING, mean_of
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.edits import nearest_text
from lm_eval_so.errors import nearest

__all__ = ["Exemption", "Exemptions", "Names"]

Scores = Mapping[str, tuple[float | None, float | None]]
"""Means of a sample by metric: (baseline, candidate)."""

_UNKNOWN: Final = frozenset({"unknown_sample", "unknown_metric"})
_MOST_SOUGHT: Final = 20
"""Unknown names that are looked up among all; in a file for another dataset every name is unknown."""
_SIMILAR: Final = 0.7
"""Least similarity of a near name, as `errors.nearest` wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Samples and metrics that at least one of the reports has."""

    samples: Mapping[str, str]
    """Ids by their composed form (NFC): a file may spell Hangul in the decomposed form."""
    metrics: Mapping[str, MetricSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry, and the sample it means."""

    entry: Entry
    sample_id: str | None
    refused: State | None
    """State of an entry without effect; None if it may hold."""
    meant: str | None = None
    """Known name that looks most like the unknown one."""

    def record(
        self, state: State, *, scores: Scores | None = None, drop: float | None = None
    ) -> Exemption:
        """Return the record of the entry."""
        return Exemption(
            sample_id=self.sample_id if self.sample_id is not None else self.entry.sample_id,
            metric=self.entry.metric,
            state=state,
            meant=self.meant,
            reason=self.entry.reason,
            until=self.entry.until.isoformat(),
            max_drop=self.entry.max_drop,
            drop=drop,
            where=self.entry.where,
            on_base=self.entry.on_base,
            scores=scores or {},
        )

    def metrics(self, names: Names) -> Iterator[str]:
        """Yield the entry's metrics: the named one, else all but costs, times and counts."""
        if self.entry.metric is not None:
            yield self.entry.metric
            return
        for key, summary in names.metrics.items():
            if summary.kind is not MetricKind.RATIO:
                yield key


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Samples of both reports that count for a metric."""

    kept: Reports
    """Reports without quarantined samples: fixed bounds apply to these."""
    compared: Reports
    """Reports without accepted samples as well."""
    left_out: int
    """Number of samples that leave the comparison."""


class Exemptions:
    """Entries of both files, held against two reports and the calendar.

    Args:
        exceptions: Entries of the quarantine and accept files.
        reports: Candidate and baseline, with all samples.
        day: Today.
    """

    def __init__(self, exceptions: Exceptions, reports: Reports, day: date) -> None:
        has_entries = bool(exceptions.quarantine or exceptions.accept)
        if has_entries and reports.baseline:
            exceptions = with_our_ids(exceptions, reports.baseline.samples)
        self._reports = reports
        self._names = _names_of(reports, with_samples=has_entries)
        self._quarantine = _hold(exceptions.quarantine, self._names, day)
        self._accept = _hold(exceptions.accept, self._names, day)
        self._without: dict[frozenset[str], Reports] = {frozenset(): reports}
        self._counted: dict[str, Counted] = {}

    def counted(self, key: str) -> Counted:
        """Return the samples that count for a metric; metrics that lose the same share a pairing."""
        if key not in self._counted:
            quarantined = self._quarantined(key)
            kept = self._leaving(quarantined)
            out = quarantined | self._accepted(key, kept)
            self._counted[key] = Counted(kept=kept, compared=self._leaving(out), left_out=len(out))
        return self._counted[key]

    def accepts(self, key: str, finding: Finding) -> bool:
        """Return whether an entry about the whole metric accepts its drop.

        Only if the interval decides: a metric that cannot be compared cannot be accepted either.
        """
        drop = _drop_of_metric(finding)
        own = [each for each in self._accept if _is_about(each, key) and each.refused is None]
        return drop is not None and any(_holds(each, drop) for each in own)

    def quarantine_records(self) -> tuple[Exemption, ...]:
        """Return every quarantine entry with its state and the scores of its sample."""
        return tuple(map(self._record_of_quarantined, self._quarantine))

    def accept_records(self, findings: Mapping[str, Finding]) -> tuple[Exemption, ...]:
        """Return every accept entry with its state and drop.

        Args:
            findings: Measured metrics.
        """
        return tuple(
            each.record(each.refused)
            if each.refused is not None
            else _record_of_metric(each, findings)
            if each.entry.sample_id is None
            else self._record_of_accepted(each, findings)
            for each in self._accept
        )

    def _quarantined(self, key: str) -> frozenset[str]:
        return frozenset(
            each.sample_id
            for each in self._quarantine
            if each.refused is None
            and each.sample_id is not None
            and each.entry.metric in {None, key}
        )

    def _accepted(self, key: str, kept: Reports) -> frozenset[str]:
        """Return the samples whose drop is small enough; one without a drop, or an unknown one, stays."""
        direction = shape_of(self._names.metrics[key]).direction
        samples = set()
        for each in self._accept:
            name = each.sample_id
            if each.refused is not None or name is None or key not in each.metrics(self._names):
                continue
            drop = _drop_of(_scores_of(name, [key], kept).get(key), direction)
            if drop is not None and drop > ROUNDING and _holds(each, drop):
                samples.add(name)
        return frozenset(samples)

    def _leaving(self, ids: frozenset[str]) -> Reports:
        if ids not in self._without:
            self._without[ids] = _without(self._reports, ids)
        return self._without[ids]

    def _record_of_quarantined(self, each: Found) -> Exemption:
        if each.refused is not None or each.sample_id is None:
            return each.record(each.refused or "unknown_sample")
        metrics = each.metrics(self._names)
        return each.record("applied", scores=_scores_of(each.sample_id, metrics, self._reports))

    def _record_of_accepted(self, each: Found, findings: Mapping[str, Finding]) -> Exemption:
        drops: dict[str, float] = {}
        scores: dict[str, tuple[float | None, float | None]] = {}
        for key in each.metrics(self._names):
            if key not in findings or each.sample_id is None:
                continue
            found = _scores_of(each.sample_id, [key], self._counted[key].kept)
            drop = _drop_of(found.get(key), findings[key].shape.direction)
            if drop is not None:
                drops[key] = drop
                scores |= found
        worst = max(drops.values(), default=0.0)
        if worst <= ROUNDING:
            return each.record("unused", drop=worst if drops else None)
        state: State = "applied" if _holds(each, worst) else "exceeded"
        return each.record(state, scores=scores, drop=worst)


def _names_of(reports: Reports, *, with_samples: bool) -> Names:
    """Return the names of both reports, without samples if no entry could name one."""
    sides = [reports.side, *([reports.pairs.baseline] if reports.pairs else [])]
    before = reports.baseline.metrics if reports.baseline else {}
    return Names(
        samples={
            name if name.isascii() else nfc(name): name
            for side in (sides if with_samples else ())
            for name in side.rows_by_id
        },
        metrics={**before, **reports.candidate.metrics},
    )


def _hold(entries: Iterable[Entry], names: Names, day: date) -> list[Found]:
    found = [_find(entry, names, day) for entry in entries]
    unknown = [i for i, each in enumerate(found) if each.refused in _UNKNOWN]
    for position in unknown[:_MOST_SOUGHT]:
        found[position] = replace(found[position], meant=_meant(found[position], names))
    return found


def _find(entry: Entry, names: Names, day: date) -> Found:
    name = entry.sample_id
    known = None if name is None else names.samples.get(nfc(name))
    refused: State | None = None
    if entry.until < day:
        refused = "expired"
    elif entry.metric is not None and entry.metric not in names.metrics:
        refused = "unknown_metric"
    elif name is not None and known is None:
        refused = "unknown_sample"
    elif not entry.counts:
        refused = "not_on_base"
    return Found(entry=entry, sample_id=known, refused=refused)


def _meant(unknown: Found, names: Names) -> str | None:
    """Return the known name that looks most like the unknown one."""
    entry = unknown.entry
    if unknown.refused == "unknown_metric":
        return nearest(entry.metric or "", names.metrics)
    near = nearest_text(nfc(entry.sample_id or ""), names.samples.keys(), similarity=_SIMILAR)
    return None if near is None else names.samples[near]


def _scores_of(sample_id: str, metrics: Iterable[str], reports: Reports) -> Scores:
    """Return a sample's means on both sides, of metrics with one on at least one side."""
    before = reports.pairs.baseline if reports.pairs else None
    found = {
        key: (_mean(sample_id, key, before), _mean(sample_id, key, reports.side)) for key in metrics
    }
    return {key: pair for key, pair in found.items() if pair != (None, None)}


def _mean(sample_id: str, key: str, side: Side | None) -> float | None:
    if side is None or key not in side.columns.scores:
        return None
    column = side.columns.scores[key]
    left_out = side.columns.not_applicable.get(key, ())
    rows = (row for row in side.rows_by_id.get(sample_id, ()) if row not in left_out)
    values = [column[row] for row in rows]
    present = [value for value in values if value is not None and math.isfinite(value)]
    return mean_of(present)


def _without(reports: Reports, ids: Collection[str]) -> Reports:
    side = _leave_out(reports.side, ids)
    if reports.pairs is None:
        return replace(reports, side=side)
    pairs = pair_sides(_leave_out(reports.pairs.baseline, ids), side)
    return replace(reports, side=side, pairs=pairs)


def _leave_out(side: Side, ids: Collection[str]) -> Side:
    given = side.rows_by_id
    gone = [row for name in ids for row in given.get(name, ())]
    kept = given.without(gone, n=len(side.columns.ids))
    duplicate = side.duplicate
    if duplicate is not None and duplicate in ids:
        duplicate = next((n for n, rows in kept.items() if _is_double(side, rows)), None)
    return replace(side, rows_by_id=kept, duplicate=duplicate)


def _is_double(side: Side, rows: Rows) -> bool:
    repeats = [side.columns.repeats[row] for row in rows]
    return len(set(repeats)) < len(repeats)


def _drop_of_metric(finding: Finding) -> float | None:
    """Return how far the mean fell, in the metric's own units; None if it is not known.

    Over the samples with both values it is −d̄; of a percentile it is the percentile's own change.
    """
    if not finding.is_testable:
        return None
    return _drop_of((finding.baseline, finding.candidate), finding.shape.direction)


def _record_of_metric(each: Found, findings: Mapping[str, Finding]) -> Exemption:
    finding = findings.get(each.entry.metric or "")
    drop = _drop_of_metric(finding) if finding else None
    if finding is None or drop is None or finding.outcome.passes:
        return each.record("unused", drop=drop)
    return each.record("applied" if _holds(each, drop) else "exceeded", drop=drop)


def _is_about(each: Found, key: str) -> bool:
    return each.entry.sample_id is None and each.entry.metric == key


def _holds(each: Found, drop: float) -> bool:
    most = each.entry.max_drop or 0.0
    return drop <= most + ROUNDING * max(1.0, most)


def _drop_of(pair: tuple[float | None, float | None] | None, direction: Direction) -> float | None:
    before, now = pair or (None, None)
    if before is None or now is None:
        return None
    return before - now if direction is Direction.HIGHER else now - before
