"""The gate: all metrics of two reports, measured and decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lm_eval_so.comparator.effect.finding import Finding, Inference
from lm_eval_so.comparator.exemptions.apply import Exemption, Exemptions
from lm_eval_so.comparator.gate.anchor import anchor_record, find_anchored, find_change
from lm_eval_so.comparator.gate.check import gates_by_default, refuse_gate
from lm_eval_so.comparator.gate.confirm import (
    Answers,
    can_confirm,
    confirmed,
    to_ask_again,
    warned_unasked,
)
from lm_eval_so.comparator.gate.spent import bar_if_unmeasured, undecided
from lm_eval_so.comparator.gate.threshold import judge_threshold
from lm_eval_so.comparator.gate.verdicts import (
    Judged,
    exit_code,
    in_order,
    judge,
    metric_record,
    not_ours,
    run_reasons,
    run_verdict,
)
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.comparison import (
    AnchorComparison,
    MetricComparison,
    Reason,
)
from lm_eval_so.core.records.enums import Language, Verdict

_PASSES = frozenset({Verdict.PASS, Verdict.IMPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The run and every metric of it, decided."""

    verdict: Verdict
    exit_code: int
    reasons: tuple[Reason, ...]
    judged: Mapping[str, Judged]
    """Metrics, the deciding ones first."""
    quarantine: tuple[Exemption, ...]
    accept: tuple[Exemption, ...]
    compared: Mapping[str, Reports]
    """Candidate and baseline by metric, without the samples that do not count for it."""
    terms: Terms
    """Terms that it follows."""
    anchor: AnchorComparison | None
    """Comparison with the anchor; None if there is none to compare with."""

    @property
    def findings(self) -> dict[str, Finding]:
        """Findings of all metrics."""
        return {key: metric.finding for key, metric in self.judged.items()}

    @property
    def gating(self) -> dict[str, Finding]:
        """Findings of the metrics that decide."""
        return {key: metric.finding for key, metric in self.judged.items() if metric.gating}

    @property
    def sliced(self) -> dict[str, Finding]:
        """Findings to compare by slice: of gating metrics, and of metrics with a closed range."""
        return {
            key: metric.finding
            for key, metric in self.judged.items()
            if metric.gating or metric.finding.shape.support is not None
        }

    @property
    def to_ask_again(self) -> dict[str, tuple[str, ...]]:
        """Samples to ask again before a regression counts, by metric."""
        return to_ask_again(self.judged)

    def records(
        self,
        sentences: Mapping[str, Mapping[str, str]],
        language: Language,
        *,
        cost_per_sample: float | None,
    ) -> dict[str, MetricComparison]:
        """Return the record of every metric, the deciding ones first.

        Args:
            sentences: Sentences of each metric, in every language.
            language: Language of the comparison.
            cost_per_sample: Price of a sample in US dollars, if it is known.
        """
        return {
            key: metric_record(
                metric, language, sentence=sentences[key], cost_per_sample=cost_per_sample
            )
            for key, metric in self.judged.items()
        }


def decide(
    reports: Reports, terms: Terms, *, again: Mapping[str, Answers] | None = None
) -> Decision:
    """Measure and decide every metric, and the run.

    Args:
        reports: Candidate and baseline, paired.
        terms: Gate, exceptions and day.
        again: Scores of further answers to samples that changed, by metric.

    Raises:
        ConfigError: If the gate does not fit the reports; lists every problem.
    """
    gate, has_baseline = terms.gate, reports.baseline is not None
    refuse_gate(gate, reports.candidate, reports.baseline)
    sections, gating = gate.metrics or {}, list(_gating(reports, terms))
    exemptions = Exemptions(terms.exceptions, reports, terms.day)
    inference = Inference(claim=gate.claim, alpha=gate.alpha, pass_alpha=terms.pass_alpha)
    findings, thresholds = {}, {}
    for key in dict.fromkeys([*gating, *reports.candidate.metrics]):
        section = sections.get(key)
        findings[key], kept = find_change(key, exemptions, section, inference)
        # an accepted change makes no fixed bound lower
        thresholds[key] = judge_threshold(key, replace(kept, alpha=terms.pass_alpha), section)
    since = find_anchored(reports, terms, gating, inference)
    judged = judge(findings, thresholds, gating, alpha=terms.alpha_of_worse, anchored=since)
    for key, answers in (again or {}).items():
        if key in judged and can_confirm(judged[key]):
            compared = exemptions.counted(key).compared
            findings[key] = confirmed(key, findings[key], compared, answers, gate.confirm)
    if again:
        judged = judge(findings, thresholds, gating, alpha=terms.alpha_of_worse, anchored=since)
    if gate.confirm:
        judged |= warned_unasked(judged)
    if terms.not_ours is not None:
        judged = not_ours(judged, terms.not_ours, fails=terms.fails_for_drift)
    judged = in_order(undecided(judged, reports))
    verdict = run_verdict(judged, has_baseline=has_baseline)
    code = exit_code(verdict, judged, terms.policies, has_baseline=has_baseline)
    return Decision(
        verdict=verdict,
        exit_code=bar_if_unmeasured(code, judged, reports.candidate).value,
        reasons=run_reasons(judged, has_baseline=has_baseline),
        judged=judged,
        quarantine=exemptions.quarantine_records(),
        accept=exemptions.accept_records(findings),
        compared={key: exemptions.counted(key).compared for key in judged},
        terms=terms,
        anchor=anchor_record(judged, terms.anchor),
    )


def early_end(reports: Reports, terms: Terms) -> Literal["passed", "failed"] | None:
    """Return what is proven at a look before the last, so that nothing more need be asked; None if not.

    A pass is proven if every gating metric passes at the level of such a look. A regression is, if it
    would be one at the last look, and the whole interval of a metric lies beyond its limit at that
    level, shared by all metrics.

    Args:
        reports: Candidate and baseline, paired.
        terms: Gate, exceptions, day, and the look as if it ended the rounds.

    Raises:
        ConfigError: If the gate does not fit the reports; lists every problem.
    """
    decision = decide(reports, terms)
    gating = {key: metric for key, metric in decision.judged.items() if metric.gating}
    if gating and all(metric.verdict in _PASSES for metric in gating.values()):
        return "passed"
    fallen = [key for key, metric in gating.items() if metric.change is Verdict.REGRESSION]
    if terms.gate.stop != "decided" or decision.verdict is not Verdict.REGRESSION or not fallen:
        return None
    alpha = terms.pass_alpha / max(metric.family for metric in gating.values())
    strict = terms.gate.model_copy(update={"alpha": alpha})
    sure = decide(reports, replace(terms, gate=strict)).findings
    return "failed" if any(_is_beyond_limit(sure[key]) for key in fallen) else None


def _is_beyond_limit(finding: Finding) -> bool:
    """Return whether the whole interval of a change is worse than the largest accepted one."""
    change, limits = finding.interval, finding.limits
    if change is None:
        return False
    if limits.max_increase is not None:
        return change.low > 1 + limits.max_increase
    return limits.margin is not None and change.high < -limits.margin


def _gating(reports: Reports, terms: Terms) -> Iterator[str]:
    if terms.gate.metrics is not None:
        yield from terms.gate.metrics
        return
    now, before = reports.candidate.metrics, reports.baseline.metrics if reports.baseline else {}
    for key, last in {**now, **before}.items():
        summary = now.get(key, last)  # an earlier version's baseline does not tell all of a metric
        if gates_by_default(summary):
            yield key
