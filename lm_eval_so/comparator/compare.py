"""Two reports and a gate to a verdict; pure."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from lm_eval_so.comparator.changed import changed_cases, differences
from lm_eval_so.comparator.check import check, gate_problems
from lm_eval_so.comparator.finding import shape_of
from lm_eval_so.comparator.gate import Judged, exit_code, judge, whole_verdict
from lm_eval_so.comparator.measure import Reports, measure
from lm_eval_so.comparator.pair import pair_sides, read_side
from lm_eval_so.comparator.sentences import Speaker, metric_sentence
from lm_eval_so.comparator.threshold import judge_threshold
from lm_eval_so.comparator.whole import in_order, whole_reasons, whole_sentence
from lm_eval_so.core.config.model import GateMetricSection, GateSection
from lm_eval_so.core.records.comparison import (
    BaselineRef,
    ChangedCase,
    Comparison,
    MetricComparison,
    Pairing,
)
from lm_eval_so.core.records.enums import Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import ConfigError, ExitCode, Where

__all__ = ["check", "compare"]

_NOTHING_PAIRED = Pairing(paired=0, added=(), removed=(), changed=())
_GATING_KINDS = frozenset({MetricKind.BINARY, MetricKind.BOUNDED})


def compare(
    candidate: EvaluationReport,
    baseline: EvaluationReport | None,
    *,
    gate: GateSection,
    baseline_ref: BaselineRef,
    language: Language,
    compared_at: str,
) -> Comparison:
    """Compare a report with a baseline and decide whether the change may go in.

    Without a baseline only fixed bounds are judged. `compared_at` is RFC 3339, UTC.

    Raises:
        ConfigError: If the gate names a metric that neither report has, or asks of one what does
            not fit it; lists every problem.
    """
    _refuse_gate(gate, candidate, baseline)
    reports = _pair(candidate, baseline, gate.alpha)
    judged = in_order(_judge(reports, gate))
    has_baseline = baseline is not None
    verdict = whole_verdict(judged, has_baseline=has_baseline)
    code = exit_code(verdict, judged, gate, has_baseline=has_baseline)
    metrics = _metric_records(judged, reports, language)
    return Comparison(
        suite=candidate.experiment.suite,
        suite_id=candidate.experiment.suite_id,
        verdict=verdict,
        passed=code is ExitCode.DONE,
        exit_code=code.value,
        sentence=whole_sentence(
            verdict, judged, metrics, has_baseline=has_baseline, language=language
        ),
        reasons=whole_reasons(judged, has_baseline=has_baseline),
        metrics=metrics,
        changed=_changed(judged, reports),
        pairing=reports.pairs.record if reports.pairs else _NOTHING_PAIRED,
        baseline=baseline_ref,
        differences=differences(baseline.experiment, candidate.experiment) if baseline else (),
        alpha=gate.alpha,
        compared_at=compared_at,
    )


def _pair(candidate: EvaluationReport, baseline: EvaluationReport | None, alpha: float) -> Reports:
    side = read_side(candidate.samples)
    pairs = pair_sides(read_side(baseline.samples), side) if baseline else None
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


def _judge(reports: Reports, gate: GateSection) -> dict[str, Judged]:
    sections = gate.metrics or {}
    gating = list(_gating(reports, gate))
    keys = dict.fromkeys([*gating, *reports.candidate.metrics])
    default = GateMetricSection()
    findings = {key: measure(key, reports, sections.get(key, default)) for key in keys}
    thresholds = {key: judge_threshold(key, reports, sections.get(key, default)) for key in keys}
    return judge(findings, thresholds, gating, alpha=gate.alpha)


def _gating(reports: Reports, gate: GateSection) -> Iterator[str]:
    if gate.metrics is not None:
        yield from gate.metrics
        return
    before = reports.baseline.metrics if reports.baseline else {}
    for key, summary in {**reports.candidate.metrics, **before}.items():
        if summary.kind in _GATING_KINDS:
            yield key


def _metric_records(
    judged: Mapping[str, Judged], reports: Reports, language: Language
) -> dict[str, MetricComparison]:
    cost = _cost_per_sample(reports)
    records = {}
    for key, metric in judged.items():
        speaker = Speaker(
            metric=key,
            finding=metric.finding,
            language=language,
            alpha=reports.alpha,
            cost_per_sample=cost,
        )
        records[key] = _record(metric, metric_sentence(metric, speaker), cost)
    return records


def _record(metric: Judged, sentence: str, cost: float | None) -> MetricComparison:
    finding = metric.finding
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
        warnings=metric.warnings,
        sentence=sentence,
    )


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


def _changed(judged: Mapping[str, Judged], reports: Reports) -> tuple[ChangedCase, ...]:
    if reports.baseline is None or reports.pairs is None:
        return ()
    findings = {key: metric.finding for key, metric in judged.items() if metric.gating}
    return changed_cases(
        findings, reports.pairs, baseline=reports.baseline, candidate=reports.candidate
    )


def _cost_per_sample(reports: Reports) -> float | None:
    cost, side = reports.candidate.cost, reports.side
    if cost.bot_usd is None or not cost.bot_priced or not side.rows_by_id:
        return None
    return cost.bot_usd / cost.bot_priced * len(side.columns.ids) / len(side.rows_by_id)
