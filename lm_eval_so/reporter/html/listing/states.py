"""States of cases: what a comparison tells of each, or a report alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.reporter.views.cases import is_answer

VIEWS: Final = (
    *("broke", "unproven", "slip", "worse", "better", "both", "same", "reworded"),
    *("failing", "unscored", "flaky", "quarantined", "right"),
)
"""Filters of the list, in the order of their buttons."""

STATES: Final = (
    *("must", "proven", "unproven", "slip", "worse", "better", "unscored"),
    *("both", "reworded", "same", "failing", "flaky", "right"),
)
"""Names of states."""

_TELLING: Final = frozenset(VIEWS) - {"same", "reworded", "right"}
_STATE_OF_VIEW: Final = (
    *("flaky", "better", "unscored", "both", "reworded", "same", "failing", "right"),
)
_NOT_FAULTS: Final = frozenset({"cached", "not_reported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """State of a case in a word, and the filters that it passes."""

    name: str
    """must, proven, unproven, slip, worse, or the first view that says the most."""
    views: frozenset[str]

    @property
    def is_telling(self) -> bool:
        """Whether the case changed, failed, has no score, or does not count."""
        return not _TELLING.isdisjoint(self.views)


def case_states(report: EvaluationReport, comparison: Comparison | None) -> Mapping[str, CaseState]:
    """Return the state of each sample of a report, in the order of the dataset.

    A case that is right, or wrong, and did not change was so in the baseline, too; that is told
    where the comparison pairs the sample and lists every change.
    """
    columns, failed = report.samples, frozenset(report.failed_ids)
    lost = {columns.ids[row] for row in lost_rows(report)}
    broken, compared = _broken(comparison), _compared(report, comparison)
    reworded = {each.sample_id for each in comparison.reworded} if comparison else set()
    told = _told(comparison, broken)
    once: dict[tuple[str, frozenset[str]], CaseState] = {}
    found: dict[str, CaseState] = {}
    for sample_id in dict.fromkeys(columns.ids):
        views = {*told.get(sample_id, ())}
        if sample_id in lost:
            views.add("unscored")
        elif sample_id in failed:
            views.add("failing")
        is_still = sample_id in compared and not views & {"broke", "slip", "worse", "better"}
        if is_still and sample_id not in lost:
            views.add("both" if sample_id in failed else "same")
        elif not views - {"quarantined"}:
            views.add("right")
        if sample_id in reworded and "same" in views:
            views.add("reworded")
        key = (broken.get(sample_id) or _name(views), frozenset(views))
        found[sample_id] = once.setdefault(key, CaseState(name=key[0], views=key[1]))
    return found


def told_samples(comparison: Comparison | None) -> Collection[str]:
    """Return the samples of which a comparison tells something."""
    return _told(comparison, _broken(comparison)).keys()


def right_rows(report: EvaluationReport, comparison: Comparison | None) -> list[bool | None]:
    """Return whether each row is right by every metric that says right or wrong.

    These are the gating ones of a comparison, or all of a report that is not compared. A row that
    none of them scored is neither.
    """
    chosen = []
    for name, values in report.samples.scores.items():
        metric = report.metrics.get(name)
        is_plain = metric is not None and metric.kind is MetricKind.BINARY
        gated = comparison.metrics.get(name) if comparison else None
        if metric is None or not is_plain or (comparison and not (gated and gated.gating)):
            continue
        chosen.append((values, 1.0 if metric.direction is Direction.HIGHER else 0.0))
    found: list[bool | None] = [None] * len(report.samples.ids)
    for values, best in chosen:
        for row, value in enumerate(values):
            if value is not None and found[row] is not False:
                found[row] = value == best
    return found


def _name(views: set[str]) -> str:
    if "worse" in views:
        return "worse"
    return next((view for view in _STATE_OF_VIEW if view in views), "right")


def _view_of(state: str) -> str:
    return "unproven" if state == "unproven" else "broke"


def _broken(comparison: Comparison | None) -> dict[str, str]:
    """Return the state of each case that was asked again, the worst of its metrics."""
    broken = comparison.broken if comparison else None
    found: dict[str, str] = {}
    for case in broken.cases if broken else ():
        found.setdefault(case.sample_id, case.state)  # the worst states come first
    return found


def _told(comparison: Comparison | None, broken: Mapping[str, str]) -> Mapping[str, set[str]]:
    """Return the views of the samples that a comparison names; what asking again found goes first."""
    found: dict[str, set[str]] = {}
    for sample_id, state in broken.items():
        found[sample_id] = {"slip"} if state == "slip" else {_view_of(state), "worse"}
    if comparison is None:
        return found
    worse = {case.sample_id for case in comparison.changed if case.change == "worse"}
    named = (
        *((sample_id, "worse") for sample_id in worse - broken.keys()),
        *((c.sample_id, "better") for c in comparison.changed if c.sample_id not in worse),
        *((case.sample_id, "flaky") for case in comparison.flaky),
        *((e.sample_id, "quarantined") for e in comparison.quarantine if e.state == "applied"),
    )
    for name, view in named:
        if name is not None:
            found.setdefault(name, set()).add(view)
    return found


def _compared(report: EvaluationReport, comparison: Comparison | None) -> frozenset[str]:
    """Return the samples of which the comparison would tell any change; none if it lists not all.

    It tells none of a sample that an exemption takes out of a metric, nor by a metric that the
    baseline has not, or measured in another way.
    """
    if comparison is None or not comparison.pairing.paired:
        return frozenset()
    unknown = (k for k, m in comparison.metrics.items() if m.verdict is Verdict.INCOMPARABLE)
    if any(key in report.metrics for key in unknown):
        return frozenset()
    sides = (
        {c.sample_id for c in comparison.changed if c.change == w} for w in ("worse", "better")
    )
    told = tuple(len(each) for each in sides)
    moved = comparison.changed_samples
    if moved is not None and (told[0] < moved[0] or told[1] < moved[1]):
        return frozenset()
    exempt = (each for each in (*comparison.quarantine, *comparison.accept) if each.sample_id)
    apart = {each.sample_id for each in exempt if each.state == "applied"}
    apart |= {*comparison.pairing.added, *comparison.pairing.changed}
    return frozenset(report.samples.ids) - apart


def lost_rows(report: EvaluationReport) -> set[int]:
    """Return the rows without an answer, or without a score by a fault of a metric that counts such rows."""
    columns = report.samples
    found = {row for row, status in enumerate(columns.statuses) if not is_answer(status)}
    for name, values in columns.scores.items():
        metric = report.metrics.get(name)
        if metric is None or not {*metric.unscored_by} - _NOT_FAULTS:
            continue
        spared = {*columns.not_applicable.get(name, ())}
        spared |= {*columns.cached} if "cached" in metric.unscored_by else set()
        found |= {row for row, v in enumerate(values) if v is None and row not in spared}
    return found
