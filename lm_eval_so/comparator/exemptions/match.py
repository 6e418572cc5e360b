"""Entries of the quarantine and accept files, held against what the reports have."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.exemptions.files import Entry
from lm_eval_so.comparator.pairing.pair import Side
from lm_eval_so.core.records.comparison import Exemption
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.core.stats.bounded import mean_of
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.edits import nearest_text
from lm_eval_so.errors import nearest

State = Literal["applied", "unused", "exceeded", "expired", "unknown_sample", "unknown_metric"]
Scores = Mapping[str, tuple[float | None, float | None]]
"""Of a sample: (baseline, candidate) by metric."""

_UNKNOWN: Final = frozenset({"unknown_sample", "unknown_metric"})
_MOST_SOUGHT: Final = 20
"""Unknown names that are looked up among all: of a file for another dataset it would be each."""
_SIMILAR: Final = 0.7
"""As alike as `errors.nearest` wants them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the reports have."""

    samples: Mapping[str, str]
    """Ids by their composed form (NFC): a file may spell Hangul in the other one."""
    metrics: Mapping[str, MetricSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry, and the sample it means."""

    entry: Entry
    sample_id: str | None
    refused: State | None
    """Why it does nothing; None if it may hold."""
    meant: str | None = None
    """The name that an unknown one looks most like."""

    def record(
        self, state: State, *, scores: Scores | None = None, drop: float | None = None
    ) -> Exemption:
        """Return what is written of it."""
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
            scores=scores or {},
        )

    def metrics(self, names: Names) -> Iterator[str]:
        """Yield the metrics it is about: the named one, else all but costs, times and counts."""
        if self.entry.metric is not None:
            yield self.entry.metric
            return
        for key, summary in names.metrics.items():
            if summary.kind is not MetricKind.RATIO:
                yield key


def names_of(reports: Reports, *, with_samples: bool) -> Names:
    """Return what at least one of the reports has.

    Without samples if there is no entry to name one.
    """
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


def find(entries: Iterable[Entry], names: Names, day: date) -> list[Found]:
    """Hold entries against the reports and the calendar."""
    found = [_find(entry, names, day) for entry in entries]
    unknown = [i for i, each in enumerate(found) if each.refused in _UNKNOWN]
    for position in unknown[:_MOST_SOUGHT]:
        found[position] = replace(found[position], meant=_meant(found[position], names))
    return found


def scores_of(sample_id: str, metrics: Iterable[str], reports: Reports) -> Scores:
    """Return a sample's means on both sides, by the metrics that have one on at least one side."""
    before = reports.pairs.baseline if reports.pairs else None
    found = {
        key: (_mean(sample_id, key, before), _mean(sample_id, key, reports.side)) for key in metrics
    }
    return {key: pair for key, pair in found.items() if pair != (None, None)}


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
    return Found(entry=entry, sample_id=known, refused=refused)


def _meant(unknown: Found, names: Names) -> str | None:
    """Return the name that looks most like one that no report has."""
    entry = unknown.entry
    if unknown.refused == "unknown_metric":
        return nearest(entry.metric or "", names.metrics)
    near = nearest_text(nfc(entry.sample_id or ""), names.samples.keys(), similarity=_SIMILAR)
    return None if near is None else names.samples[near]


def _mean(sample_id: str, key: str, side: Side | None) -> float | None:
    if side is None or key not in side.columns.scores:
        return None
    column = side.columns.scores[key]
    left_out = side.columns.not_applicable.get(key, ())
    rows = (row for row in side.rows_by_id.get(sample_id, ()) if row not in left_out)
    values = [column[row] for row in rows]
    present = [value for value in values if value is not None and math.isfinite(value)]
    return mean_of(present)
