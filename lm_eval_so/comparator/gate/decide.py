"""All metrics of two reports, measured and decided, with what people took out of the gate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from lm_eval_so.comparator.effect.finding import Finding, shape_of
from lm_eval_so.comparator.effect.measure import Reports, measure
from lm_eval_so.comparator.effect.repeats import stability_of
from lm_eval_so.comparator.exemptions.apply import (
    Remaining,
    accept_metric,
    accept_records,
    accepted_samples,
    quarantine_records,
    quarantined,
)
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.exemptions.match import find, names_of
from lm_eval_so.comparator.gate.confirm import Answers, can_confirm, confirmed, to_ask_again
from lm_eval_so.comparator.gate.threshold import judge_threshold
from lm_eval_so.comparator.gate.verdicts import Judged, judge
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.model import GateMetricSection, GateSection
from lm_eval_so.core.records.comparison import Exemption, Reason
from lm_eval_so.core.records.enums import MetricKind

_GATING_KINDS = frozenset({MetricKind.BINARY, MetricKind.BOUNDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Every metric, and what became of the exceptions."""

    judged: Mapping[str, Judged]
    quarantine: tuple[Exemption, ...]
    accept: tuple[Exemption, ...]


def decide(
    reports: Reports,
    gate: GateSection,
    exceptions: Exceptions,
    *,
    day: date,
    again: Mapping[str, Answers] | None = None,
) -> Decided:
    """Measure and decide every metric.

    Args:
        reports: Both, paired.
        gate: The gate.
        exceptions: Entries of the quarantine and accept files.
        day: Today.
        again: Further answers to samples that got worse, by metric.
    """
    sections, default = gate.metrics or {}, GateMetricSection()
    gating = list(_gating(reports, gate))
    remaining = Remaining(reports)
    has_entries = bool(exceptions.quarantine or exceptions.accept)
    names = names_of(reports, with_samples=has_entries)
    unsteady = find(exceptions.quarantine, names, day)
    wanted = find(exceptions.accept, names, day)
    leaving = quarantined(unsteady)
    findings, thresholds = {}, {}
    kept: dict[str, Reports] = {}
    compared: dict[str, Reports] = {}
    for key in dict.fromkeys([*gating, *reports.candidate.metrics]):
        section = sections.get(key)
        out = leaving.of(key)
        kept[key] = remaining.without(out)
        direction = shape_of(names.metrics[key]).direction
        out |= accepted_samples(key, direction, wanted, names, kept[key])
        compared[key] = remaining.without(out)
        finding = measure(key, compared[key], section)
        stability = stability_of(key, kept[key])
        finding = replace(finding, left_out=len(out), stability=stability)
        findings[key] = accept_metric(key, finding, wanted)
        # an accepted change makes no fixed bound lower
        thresholds[key] = judge_threshold(key, kept[key], section or default)
    judged = judge(findings, thresholds, gating, alpha=gate.alpha)
    if again:
        findings |= _confirmed(judged, compared, again, gate.confirm)
        judged = judge(findings, thresholds, gating, alpha=gate.alpha)
    if gate.confirm:
        judged |= _not_asked_again(judged)
    return Decided(
        judged=judged,
        quarantine=quarantine_records(unsteady, names, reports),
        accept=accept_records(wanted, names, findings, kept),
    )


def _confirmed(
    judged: Mapping[str, Judged],
    reports: Mapping[str, Reports],
    again: Mapping[str, Answers],
    times: int,
) -> dict[str, Finding]:
    return {
        key: confirmed(key, judged[key].finding, reports[key], answers, times)
        for key, answers in again.items()
        if key in judged and can_confirm(judged[key])
    }


def _not_asked_again(judged: Mapping[str, Judged]) -> dict[str, Judged]:
    warning = Reason(code=Code.NOT_ASKED_AGAIN)
    unasked = [key for key in to_ask_again(judged) if judged[key].finding.again is None]
    findings = {key: judged[key].finding for key in unasked}
    told = {key: replace(f, warnings=(*f.warnings, warning)) for key, f in findings.items()}
    return {key: replace(judged[key], finding=finding) for key, finding in told.items()}


def _gating(reports: Reports, gate: GateSection) -> Iterator[str]:
    if gate.metrics is not None:
        yield from gate.metrics
        return
    now, before = reports.candidate.metrics, reports.baseline.metrics if reports.baseline else {}
    for key, last in {**now, **before}.items():
        summary = now.get(key, last)  # an earlier version's baseline does not tell all of a metric
        if summary.kind in _GATING_KINDS and not summary.measures_overlap:
            yield key
