"""Apply what people took out of the gate: quarantined samples leave, accepted drops do not count."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.exemptions.match import Found, Names, Scores, State, scores_of
from lm_eval_so.comparator.pairing.pair import Side, pair_sides
from lm_eval_so.comparator.pairing.samples import Rows
from lm_eval_so.core.records.comparison import Exemption
from lm_eval_so.core.records.enums import Direction
from lm_eval_so.core.stats.bounded import ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Which samples leave, by metric."""

    everywhere: frozenset[str]
    by_metric: Mapping[str, frozenset[str]]

    def of(self, metric: str) -> frozenset[str]:
        """Return the samples that do not count for a metric."""
        return self.everywhere | self.by_metric.get(metric, frozenset())


class Remaining:
    """Two reports without some samples; metrics that lose the same ones share the pairing."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._known: dict[frozenset[str], Reports] = {frozenset(): reports}

    def without(self, ids: frozenset[str]) -> Reports:
        """Return the reports without these samples."""
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


def quarantined(found: Sequence[Found]) -> Leaving:
    """Return the samples that leave both sides, before anything else is looked at."""
    everywhere: set[str] = set()
    by_metric: dict[str, set[str]] = {}
    for each in found:
        if each.refused is None and each.sample_id is not None:
            metric = each.entry.metric
            of = everywhere if metric is None else by_metric.setdefault(metric, set())
            of.add(each.sample_id)
    return Leaving(
        everywhere=frozenset(everywhere),
        by_metric={key: frozenset(ids) for key, ids in by_metric.items()},
    )


def quarantine_records(
    found: Sequence[Found], names: Names, reports: Reports
) -> tuple[Exemption, ...]:
    """Return every entry with what became of it, and how its sample did all the same.

    Args:
        found: The entries.
        names: What the reports have.
        reports: Both, with all samples.
    """
    return tuple(_record(each, names, reports) for each in found)


def _record(each: Found, names: Names, reports: Reports) -> Exemption:
    if each.refused is not None or each.sample_id is None:
        return each.record(each.refused or "unknown_sample")
    scores = scores_of(each.sample_id, each.metrics(names), reports)
    return each.record("applied", scores=scores)


def accepted_samples(
    key: str, direction: Direction, found: Sequence[Found], names: Names, reports: Reports
) -> frozenset[str]:
    """Return the samples that leave the comparison of a metric: those whose drop is small enough.

    One whose drop is not known stays.

    Args:
        key: The metric.
        direction: Which end of it is good.
        found: The entries.
        names: What the reports have.
        reports: Both, without quarantined samples.
    """
    samples = set()
    for each in found:
        name = each.sample_id
        if each.refused is not None or name is None or key not in each.metrics(names):
            continue
        drop = _drop_of(scores_of(name, [key], reports).get(key), direction)
        if drop is not None and _holds(each, drop):
            samples.add(name)
    return frozenset(samples)


def accept_metric(key: str, finding: Finding, found: Iterable[Found]) -> Finding:
    """Return a finding whose drop counts as accepted, if an entry about the whole metric says so.

    Only where the interval decides: what cannot be compared cannot be accepted either.
    """
    drop = drop_of_metric(finding)
    own = [f for f in found if _is_about(f, key) and f.refused is None]
    if drop is None or not any(_holds(each, drop) for each in own):
        return finding
    return replace(finding, is_accepted=True)


def accept_records(
    found: Sequence[Found],
    names: Names,
    findings: Mapping[str, Finding],
    reports: Mapping[str, Reports],
) -> tuple[Exemption, ...]:
    """Return every entry with what became of it.

    Args:
        found: The entries.
        names: What the reports have.
        findings: What was measured, by metric.
        reports: Both, without quarantined samples, by metric.
    """
    return tuple(
        each.record(each.refused)
        if each.refused is not None
        else _record_of_metric(each, findings)
        if each.entry.sample_id is None
        else _record_of_sample(each, names, findings, reports)
        for each in found
    )


def drop_of_metric(finding: Finding) -> float | None:
    """Return how far the mean fell, in the metric's own units; None if it is not known.

    Over the samples with both values this is −d̄; of a percentile it is what that fell or rose by.
    """
    if not finding.is_testable:
        return None
    return _drop_of((finding.baseline, finding.candidate), finding.shape.direction)


def _record_of_metric(each: Found, findings: Mapping[str, Finding]) -> Exemption:
    finding = findings.get(each.entry.metric or "")
    drop = drop_of_metric(finding) if finding else None
    if finding is None or drop is None or finding.passes:
        return each.record("unused", drop=drop)
    return each.record("applied" if _holds(each, drop) else "exceeded", drop=drop)


def _record_of_sample(
    each: Found, names: Names, findings: Mapping[str, Finding], reports: Mapping[str, Reports]
) -> Exemption:
    drops: dict[str, float] = {}
    scores: dict[str, tuple[float | None, float | None]] = {}
    for key in each.metrics(names):
        if key not in findings or each.sample_id is None:
            continue
        found: Scores = scores_of(each.sample_id, [key], reports[key])
        drop = _drop_of(found.get(key), findings[key].shape.direction)
        if drop is not None:
            drops[key] = drop
            scores |= found
    if not drops:
        return each.record("unused")
    worst = max(drops.values())
    state: State = "applied" if _holds(each, worst) else "exceeded"
    return each.record(state, scores=scores, drop=worst)


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
