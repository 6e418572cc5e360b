"""A comparison as it is shown."""

from collections.abc import Iterator

from lm_eval_so.core.records.comparison import ChangedCase, Comparison, MetricComparison
from lm_eval_so.core.records.enums import Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.numbers import (
    bare_points,
    count,
    factor,
    percent,
    points,
    round_up,
    score,
    signed,
)
from lm_eval_so.reporter.report_view import ABSENT, COMMIT_DIGITS, minute, report_footer, short_hash
from lm_eval_so.reporter.view import ChangedView, ComparisonView, GateRow, Words, words_of

_ICONS = {
    Verdict.PASS: "✅",
    Verdict.IMPROVED: "✅",
    Verdict.REGRESSION: "❌",
    Verdict.ERROR: "❌",
    Verdict.INCONCLUSIVE: "➖",
    Verdict.INCOMPARABLE: "⚪",
    Verdict.SKIPPED: "⚪",
    Verdict.REPORTED: "⚪",
}
_UNIT = (0.0, 1.0)


def view_comparison(
    comparison: Comparison, report: EvaluationReport | None, *, language: Language
) -> ComparisonView:
    """Make the view of a comparison.

    Args:
        comparison: The record.
        report: The candidate's report, which knows the range of each metric, if it is at hand.
        language: Language of the texts.
    """
    words = words_of("comment", language)
    rows = [
        (metric.kind, _gate_row(key, metric, report, language, words))
        for key, metric in comparison.metrics.items()
    ]
    lead = lead_metric(comparison)
    worse = _by_sample([case for case in comparison.changed if case.change == "worse"])
    better = dict.fromkeys(c.sample_id for c in comparison.changed if c.change == "better")
    return ComparisonView(
        suite=comparison.suite,
        icon=_ICONS[comparison.verdict],
        word=_capital(words(f"verdict_{comparison.verdict}")),
        headline=_headline(lead, comparison, report, language) if lead else "",
        sentence=comparison.sentence,
        scores=tuple(row for kind, row in rows if kind is not MetricKind.RATIO),
        ratios=tuple(row for kind, row in rows if kind is MetricKind.RATIO),
        notes=tuple(_notes(comparison, lead, report, language, words)),
        worse=tuple(worse),
        better=tuple(better),
        unscored=tuple(_unscored(report)) if report else (),
        unscored_rows=_unscored_rows(comparison, report),
        differences=comparison.differences,
        footer=tuple(_footer(comparison, report, language, words)),
    )


def lead_metric(comparison: Comparison) -> str | None:
    """Give the metric that decides: the first gating one with the verdict of the whole."""
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    deciding = [k for k in gating if comparison.metrics[k].verdict is comparison.verdict]
    return next(iter([*deciding, *gating]), None)


def _headline(
    lead: str, comparison: Comparison, report: EvaluationReport | None, language: Language
) -> str:
    metric = comparison.metrics[lead]
    if metric.baseline is None or metric.candidate is None:
        return "" if metric.candidate is None else f"{lead} {_value(metric, metric.candidate)}"
    means = f"{_value(metric, metric.baseline)} → {_value(metric, metric.candidate)}"
    if metric.delta is None:
        return f"{lead} {means}"
    return f"{lead} {means} ({_change(lead, metric, metric.delta, report, language)})"


def _gate_row(
    key: str,
    metric: MetricComparison,
    report: EvaluationReport | None,
    language: Language,
    words: Words,
) -> GateRow:
    change = ABSENT
    if metric.delta is not None:
        change = _change(key, metric, metric.delta, report, language)
        if metric.ci90 is not None:
            low, high = (_bare(key, metric, bound, report) for bound in metric.ci90)
            change += f" ({words('interval', low=low, high=high)})"
    verdict = f"{_ICONS[metric.verdict]} {words(f'verdict_{metric.verdict}')}"
    return GateRow(
        metric=key,
        baseline=_mean(metric, metric.baseline),
        candidate=_mean(metric, metric.candidate),
        change=change,
        allowed=_allowed(key, metric, report, language, words),
        verdict=verdict if metric.gating else f"{verdict} ({words('not_gating')})",
    )


def _mean(metric: MetricComparison, value: float | None) -> str:
    if value is None:
        return ABSENT
    shown = _value(metric, value)
    hits = value * metric.n
    is_count = metric.kind is MetricKind.BINARY and not any(metric.missing)
    if is_count and abs(hits - round(hits)) < 1e-6 * max(metric.n, 1):
        shown += f" ({count(round(hits))}/{count(metric.n)})"
    return shown


def _value(metric: MetricComparison, value: float) -> str:
    return percent(value) if metric.kind is MetricKind.BINARY else score(value)


def _change(
    key: str,
    metric: MetricComparison,
    delta: float,
    report: EvaluationReport | None,
    language: Language,
) -> str:
    if metric.kind is MetricKind.RATIO:
        return factor(delta)
    return points(delta, language) if _is_unit(key, metric, report) else signed(delta)


def _bare(key: str, metric: MetricComparison, bound: float, report: EvaluationReport | None) -> str:
    """Give a bound of the change without its unit, which stands before it."""
    if metric.kind is MetricKind.RATIO:
        return factor(bound).removeprefix("×")
    if not _is_unit(key, metric, report):
        return signed(bound)
    return bare_points(bound)


def _allowed(
    key: str,
    metric: MetricComparison,
    report: EvaluationReport | None,
    language: Language,
    words: Words,
) -> str:
    parts = []
    limits = metric.threshold or {}
    if metric.kind is MetricKind.RATIO:
        increase = limits.get("max_increase", metric.margin)
        if isinstance(increase, int | float):
            parts.append(factor(1 + increase))
    elif metric.margin is not None:
        parts.append(_change(key, metric, -metric.margin, report, language))
    for bound in ("min", "max"):
        limit = limits.get(bound)
        if isinstance(limit, int | float):
            parts.append(words(bound, limit=_value(metric, limit)))
    return ", ".join(parts) or ABSENT


def _is_unit(key: str, metric: MetricComparison, report: EvaluationReport | None) -> bool:
    if metric.kind is MetricKind.BINARY:
        return True
    if metric.kind is not MetricKind.BOUNDED:
        return False
    if report is not None and key in report.metrics:
        return report.metrics[key].range == _UNIT
    return all(0 <= mean <= 1 for mean in (metric.baseline, metric.candidate) if mean is not None)


def _notes(
    comparison: Comparison,
    lead: str | None,
    report: EvaluationReport | None,
    language: Language,
    words: Words,
) -> Iterator[str]:
    pairing = comparison.pairing
    if comparison.baseline.source != "none":
        yield words("paired", n=count(pairing.paired))
        for name in ("added", "removed", "changed"):
            if ids := getattr(pairing, name):
                yield words(name, n=count(len(ids)))
    if lead is None:
        return
    metric = comparison.metrics[lead]
    if missing := max(metric.missing):
        yield words("missing", n=count(missing))
    if metric.provable_margin is not None and metric.margin is not None:
        smallest = _change(lead, metric, metric.provable_margin, report, language).lstrip("+")
        yield words("provable", margin=smallest)
    if metric.needed_n is not None and comparison.verdict is not Verdict.INCONCLUSIVE:
        yield words("needed", n=count(round_up(metric.needed_n)))


def _by_sample(cases: list[ChangedCase]) -> Iterator[ChangedView]:
    by_id: dict[str, list[ChangedCase]] = {}
    for case in cases:
        by_id.setdefault(case.sample_id, []).append(case)
    for sample_id, same in by_id.items():
        first = same[0]
        yield ChangedView(
            sample_id=sample_id,
            scores=tuple(f"{c.metric} {c.baseline:.3g} → {c.candidate:.3g}" for c in same),
            input=first.input,
            expected=first.expected,
            baseline_answer=first.baseline_answer,
            candidate_answer=first.candidate_answer,
            reasons=tuple(case.reason for case in same if case.reason),
        )


def _unscored(report: EvaluationReport) -> Iterator[str]:
    seen = dict.fromkeys(c.sample_id for c in report.errors if c.kind == "infrastructure")
    yield from seen


def _unscored_rows(comparison: Comparison, report: EvaluationReport | None) -> str:
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    known = report.metrics if report else {}
    rows = max((known[key].unscored for key in gating if key in known), default=0)
    return count(rows) if rows else ""


def _footer(
    comparison: Comparison, report: EvaluationReport | None, language: Language, words: Words
) -> Iterator[tuple[str, str]]:
    baseline = comparison.baseline
    if baseline.source != "none":
        place = baseline.commit or baseline.ref or baseline.path or baseline.source
        yield words("footer_baseline", source=baseline.source), short_hash(place, COMMIT_DIGITS)
    if report is not None:
        yield from report_footer(report, words_of("report", language))
    yield words("compared"), minute(comparison.compared_at)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
