"""Two reports and a gate to a verdict; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from lm_eval_so.comparator.baseline.rerun import rerun_commands
from lm_eval_so.comparator.changed_cases import Changed, changed_cases, flaky_cases
from lm_eval_so.comparator.effect.finding import Finding, shape_of
from lm_eval_so.comparator.effect.judge_error import corrected, youden_of
from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.exemptions.files import Exceptions, today
from lm_eval_so.comparator.gate.check import check, gate_problems
from lm_eval_so.comparator.gate.confirm import Answers, to_ask_again
from lm_eval_so.comparator.gate.decide import decide
from lm_eval_so.comparator.gate.verdicts import Judged, exit_code, whole_verdict
from lm_eval_so.comparator.lost import lost_cases
from lm_eval_so.comparator.pairing.pair import pair_sides, read_side
from lm_eval_so.comparator.sentences.figures import Speaker, price_of_sample
from lm_eval_so.comparator.sentences.metric import metric_sentence, slice_sentence
from lm_eval_so.comparator.sentences.run import in_order, whole_reasons, whole_sentence
from lm_eval_so.comparator.settings import Redact, difference_text, differing_settings
from lm_eval_so.comparator.slices.compare import Slices, compare_slices
from lm_eval_so.core.config.model import GateSection
from lm_eval_so.core.records.comparison import (
    AskedAgain,
    BaselineRef,
    Comparison,
    Exemption,
    MetricComparison,
    Pairing,
)
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import digest_report
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import ConfigError, ExitCode, Where

__all__ = ["changed_samples", "check", "compare"]

_NOTHING_PAIRED = Pairing(paired=0, added=(), removed=(), changed=())
_NO_EXCEPTIONS = Exceptions()
_KEY_SHAPES = Redactor().redact
"""Takes out what looks like a key, where no secrets are known."""


def compare(
    candidate: EvaluationReport,
    baseline: EvaluationReport | None,
    *,
    gate: GateSection,
    baseline_ref: BaselineRef,
    language: Language,
    compared_at: str,
    exceptions: Exceptions = _NO_EXCEPTIONS,
    again: Mapping[str, Answers] | None = None,
    redact: Redact = _KEY_SHAPES,
) -> Comparison:
    """Compare a report with a baseline and decide whether the change may go in.

    Without a baseline only fixed bounds are judged.

    Args:
        candidate: The report under test.
        baseline: What it is compared with.
        gate: When a change fails.
        baseline_ref: Where the baseline is from.
        language: Language of the sentences.
        compared_at: RFC 3339, UTC; its day decides which exceptions have expired.
        exceptions: Entries of the quarantine and accept files.
        again: Scores of further answers to samples that got worse, by metric.
        redact: Takes secrets out of the settings that are shown.

    Raises:
        ConfigError: If the gate names a metric that neither report has, or asks of one what does
            not fit it; lists every problem.
    """
    _refuse_gate(gate, candidate, baseline)
    reports = replace(_pair(candidate, baseline, gate.alpha), redact=redact)
    decided = decide(reports, gate, exceptions, day=today(compared_at), again=again)
    judged = in_order(decided.judged)
    has_baseline = baseline is not None
    verdict = whole_verdict(judged, has_baseline=has_baseline)
    code = exit_code(verdict, judged, gate, has_baseline=has_baseline)
    slices = _slices(judged, reports)
    settings = differing_settings(baseline, candidate, redact=redact) if baseline else ()
    speakers = _speakers(judged, reports, language)
    metrics = {
        key: _record(
            metric, metric_sentence(metric, speakers[key], slices.worst.get(key)), speakers[key]
        )
        for key, metric in judged.items()
    }
    where = {
        key: slice_sentence(worst, speakers[key], key="worst_slice_of")
        for key, worst in slices.worst.items()
        if judged[key].gating
    }
    changed = _changed(judged, reports, slices)
    return Comparison(
        suite=candidate.experiment.suite,
        suite_id=candidate.experiment.suite_id,
        verdict=verdict,
        passed=code is ExitCode.DONE,
        exit_code=code.value,
        sentence=whole_sentence(
            verdict,
            judged,
            metrics,
            has_baseline=has_baseline,
            language=language,
            where=where,
            none=baseline_ref.reason,
        ),
        reasons=whole_reasons(judged, has_baseline=has_baseline),
        metrics=metrics,
        changed=changed.cases,
        changed_samples=changed.samples if baseline else None,
        slices=slices.records,
        slices_tested=slices.tested,
        flaky=tuple(flaky_cases({key: metric.finding for key, metric in judged.items()})),
        quarantine=decided.quarantine,
        accept=decided.accept,
        lost=lost_cases(reports, without=_quarantined(decided.quarantine)),
        pairing=reports.pairs.record if reports.pairs else _NOTHING_PAIRED,
        baseline=baseline_ref,
        differences=tuple(difference_text(s) for s in settings if s.about != "metric"),
        settings=settings,
        rerun=rerun_commands(judged, baseline, candidate, baseline_ref, redact=redact)
        if baseline
        else None,
        alpha=gate.alpha,
        compared_at=compared_at,
        candidate_digest=digest_report(candidate),
    )


def changed_samples(
    candidate: EvaluationReport,
    baseline: EvaluationReport,
    *,
    gate: GateSection,
    compared_at: str,
    exceptions: Exceptions = _NO_EXCEPTIONS,
) -> dict[str, tuple[str, ...]]:
    """Return the samples to ask again before a regression counts, by metric; arguments as above."""
    _refuse_gate(gate, candidate, baseline)
    reports = _pair(candidate, baseline, gate.alpha)
    return to_ask_again(decide(reports, gate, exceptions, day=today(compared_at)).judged)


def _quarantined(entries: Sequence[Exemption]) -> frozenset[str]:
    """Return the samples that are known to be flaky, whatever the metric."""
    held = (each for each in entries if each.state == "applied" and each.metric is None)
    return frozenset(each.sample_id for each in held if each.sample_id is not None)


def _pair(candidate: EvaluationReport, baseline: EvaluationReport | None, alpha: float) -> Reports:
    side = read_side(candidate.samples)
    pairs = pair_sides(read_side(baseline.samples, side), side) if baseline else None
    return Reports(candidate=candidate, baseline=baseline, side=side, pairs=pairs, alpha=alpha)


def _refuse_gate(
    gate: GateSection, candidate: EvaluationReport, baseline: EvaluationReport | None
) -> None:
    known = {**(baseline.metrics if baseline else {}), **candidate.metrics}
    shapes = {key: shape_of(summary) for key, summary in known.items()}
    problems = list(gate_problems(gate, list(known), shapes, _place))
    if problems:
        raise ConfigError.of(problems)


def _place(metric: str, key: str | None) -> Where:
    return Where(key=".".join(filter(None, ("gate.metrics", metric, key))))


def _slices(judged: Mapping[str, Judged], reports: Reports) -> Slices:
    """Compare the slices of gating metrics, and of others whose values have bounds."""
    told = {key: metric.finding for key, metric in judged.items()}
    shown = {k: f for k, f in told.items() if judged[k].gating or f.shape.support is not None}
    return compare_slices(shown, reports)


def _speakers(
    judged: Mapping[str, Judged], reports: Reports, language: Language
) -> dict[str, Speaker]:
    cost = price_of_sample(reports.candidate.cost, len(reports.side.rows_by_id))
    return {
        key: Speaker(
            metric=key,
            finding=metric.finding,
            language=language,
            alpha=reports.alpha,
            cost_per_sample=cost,
        )
        for key, metric in judged.items()
    }


def _record(metric: Judged, sentence: str, speaker: Speaker) -> MetricComparison:
    finding, cost = metric.finding, speaker.cost_per_sample
    low, high = finding.low, finding.high
    needed = finding.needed_n
    return MetricComparison(
        verdict=metric.verdict,
        reason=metric.code,
        gating=metric.gating,
        kind=finding.shape.kind,
        direction=finding.shape.direction,
        baseline=finding.baseline,
        candidate=finding.candidate,
        delta=finding.delta,
        ci90=(low, high) if low is not None and high is not None else None,
        margin=finding.margin,
        threshold=_limits(metric) or None,
        n=finding.n,
        missing=finding.missing,
        worse=finding.worse,
        better=finding.better,
        p_worse=metric.p_adjusted,
        p_raw=finding.p,
        needed_n=needed,
        needed_cost_usd=None if needed is None or cost is None else needed * cost,
        provable_margin=finding.provable_margin,
        method=finding.method,
        judge_j=youden_of(finding),
        corrected=corrected(finding),
        left_out=finding.left_out,
        asked_again=_asked_again(finding),
        stability=finding.stability,
        warnings=metric.warnings,
        sentence=sentence,
    )


def _asked_again(finding: Finding) -> AskedAgain | None:
    again = finding.again
    if again is None:
        return None
    return AskedAgain(times=again.times, samples=len(again.worse), confirmed=again.confirmed)


def _limits(metric: Judged) -> dict[str, JsonValue]:
    limits: dict[str, JsonValue] = {}
    if metric.finding.max_increase is not None:
        limits["max_increase"] = metric.finding.max_increase
        limits["statistic"] = metric.finding.statistic
    bound = metric.threshold
    if bound is not None:
        is_clear = bound.verdict in {Verdict.PASS, Verdict.REGRESSION}
        limits |= dict(bound.limits.items())
        limits["rule"] = bound.rule
        limits["value"] = bound.value
        limits["bound"] = bound.bound
        limits["held"] = bound.verdict is Verdict.PASS if is_clear else None
    return limits


def _changed(judged: Mapping[str, Judged], reports: Reports, slices: Slices) -> Changed:
    findings = {key: metric.finding for key, metric in judged.items() if metric.gating}
    return changed_cases(findings, reports, slices.proven_worse)
