"""The anchor: a second report that a run may not fall behind, against a slow fall from baseline to baseline."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from lm_eval_so.comparator.effect.finding import Exempted, Finding, Inference
from lm_eval_so.comparator.effect.measure import measure
from lm_eval_so.comparator.effect.values import stability_of
from lm_eval_so.comparator.exemptions.apply import Exemptions
from lm_eval_so.comparator.gate.verdicts import WORST_FIRST, Judged
from lm_eval_so.comparator.pairing import Reports, pair_reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.terms import Anchor, Terms
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.records.comparison import AnchorComparison, AnchorMetric, Reason
from lm_eval_so.core.records.enums import Verdict

_MOST_SAMPLES: Final = 100
_OF_CANDIDATE: Final = "candidate"


def find_change(
    key: str,
    exemptions: Exemptions,
    section: GateMetricSection | None,
    inference: Inference,
) -> tuple[Finding, Reports]:
    """Return the change of a metric without exempted samples, and the reports a fixed bound applies to.

    Args:
        key: Id of the metric.
        exemptions: Entries of the quarantine and accept files, held against the reports.
        section: Gate's section of the metric; None if the gate does not name it.
        inference: Claim and error rates.
    """
    counted = exemptions.counted(key)
    finding = measure(key, counted.compared, section, inference)
    exempted = Exempted(left_out=counted.left_out, is_accepted=exemptions.accepts(key, finding))
    stability = stability_of(key, counted.kept)
    return replace(finding, exempted=exempted, stability=stability), counted.kept


def find_anchored(
    reports: Reports, terms: Terms, gating: Iterable[str], inference: Inference
) -> dict[str, Finding]:
    """Return the changes of gating metrics since the anchor; none without one.

    Quarantine and accept files hold against it as against the baseline. What its rows and the
    candidate's lack is told of the baseline, so there are no warnings.

    Args:
        reports: Candidate and baseline.
        terms: The anchor, gate, exceptions and day.
        gating: Metrics that decide.
        inference: Claim and error rates.
    """
    if terms.anchor is None or terms.anchor.report is None:
        return {}
    against = pair_reports(
        reports.candidate, terms.anchor.report, alpha=reports.alpha, redact=reports.redact
    )
    exemptions, sections = (
        Exemptions(terms.exceptions, against, terms.day),
        terms.gate.metrics or {},
    )
    found = {}
    for key in gating:
        if key in reports.candidate.metrics:
            finding, _ = find_change(key, exemptions, sections.get(key), inference)
            found[key] = replace(finding, warnings=())
    return found


def anchor_record(judged: Mapping[str, Judged], anchor: Anchor | None) -> AnchorComparison | None:
    """Return the record of the comparison with the anchor; None if there is none to compare with.

    Args:
        judged: Decided metrics.
        anchor: The anchor.
    """
    if anchor is None:
        return None
    since = {key: metric.anchor for key, metric in judged.items() if metric.anchor is not None}
    compared = {key: found for key, found in since.items() if found.finding.interval is not None}
    verdicts = [found.change for found in compared.values()]
    return AnchorComparison(
        verdict=min(verdicts, key=WORST_FIRST.index, default=None),
        ref=anchor.ref,
        metrics={key: _metric_record(found) for key, found in compared.items()},
        warnings=tuple(_warnings(since, anchor)),
    )


def _metric_record(judged: Judged) -> AnchorMetric:
    finding, change = judged.finding, judged.finding.interval
    return AnchorMetric(
        verdict=judged.change,
        reason=judged.change_code,
        anchor=finding.baseline,
        candidate=finding.candidate,
        delta=change.delta if change else None,
        ci90=(change.low, change.high) if change else None,
        n=finding.n,
        worse=finding.worse,
        better=finding.better,
        p_worse=judged.p_adjusted,
        p_raw=finding.p,
        worse_samples=worse_samples(finding)[:_MOST_SAMPLES],
    )


def worse_samples(finding: Finding) -> tuple[str, ...]:
    """Return the ids of the samples that got worse, in the candidate's order."""
    paired = finding.paired
    if paired is None:
        return ()
    places = sorted(paired.moved.worse)
    return tuple(paired.ids[paired.complete.positions[place]] for place in places)


def _warnings(since: Mapping[str, Judged], anchor: Anchor) -> Iterator[Reason]:
    """Yield what could not be compared with the anchor; what the candidate lacks is told already."""
    if anchor.report is None:
        yield Reason(code=Code.ANCHOR_MISSING, figures={"path": anchor.ref.path})
    for key, metric in since.items():
        ruling = metric.finding.ruling
        if ruling is None or ruling.verdict not in {Verdict.INCOMPARABLE, Verdict.ERROR}:
            continue
        if ruling.figures.get("side") == _OF_CANDIDATE:
            continue
        figures = {"metric": key, "why": ruling.code, **ruling.figures}
        yield Reason(code=Code.ANCHOR_UNLIKE, figures=figures)
        if ruling.code is Code.OTHER_SUITE:  # of all metrics
            return
