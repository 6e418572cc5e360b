"""Verdicts in words: icon, name and headline, the same in reports, comments and on the terminal."""

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import MetricFigures

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
_GOOD_BUT_LOST = "⚠️"
_GOOD = frozenset({Verdict.PASS, Verdict.IMPROVED})
_UNIT = (0.0, 1.0)


def verdict_icon(verdict: Verdict) -> str:
    """Return the icon of a verdict."""
    return _ICONS[verdict]


def verdict_name(verdict: Verdict | str, language: Language) -> str:
    """Return the name of a verdict within a sentence."""
    return say(f"comment.verdict_{verdict}", language)


def verdict_heading(verdict: Verdict, language: Language) -> str:
    """Return the name of a verdict in a heading."""
    name = verdict_name(verdict, language)
    return name[:1].upper() + name[1:]


def is_good_but_lost(comparison: Comparison) -> bool:
    """Return whether the scores are good, but cases lost their answer, so all is not well."""
    return comparison.lost is not None and comparison.verdict in _GOOD


def run_icon(comparison: Comparison) -> str:
    """Return the icon of a comparison's verdict."""
    return _GOOD_BUT_LOST if is_good_but_lost(comparison) else verdict_icon(comparison.verdict)


def deciding_metrics(comparison: Comparison) -> list[str]:
    """Return the gating metrics with the verdict of the run."""
    metrics = comparison.metrics.items()
    return [key for key, m in metrics if m.gating and m.verdict is comparison.verdict]


def lead_metric(comparison: Comparison) -> str | None:
    """Return the metric that decides: the first gating one with the verdict of the run."""
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    return next(iter([*deciding_metrics(comparison), *gating]), None)


def figures_of(
    comparison: Comparison, report: EvaluationReport | None, language: Language
) -> dict[str, MetricFigures]:
    """Return the format of the figures of each metric.

    Args:
        comparison: Compared metrics.
        report: Candidate's report with the range of each metric; None if not available.
        language: Language of the texts.
    """
    return {
        key: MetricFigures(
            kind=metric.kind,
            direction=metric.direction,
            is_unit=_is_unit(key, metric, report),
            language=language,
        )
        for key, metric in comparison.metrics.items()
    }


def headline(key: str, metric: MetricComparison, shown: MetricFigures) -> str:
    """Return the change of a metric in one line, or the fixed bound that it misses.

    Args:
        key: Id of the metric.
        metric: Comparison of the metric.
        shown: Form of its figures.
    """
    if metric.reason == "threshold" and (missed := _missed(metric, shown)):
        return f"{key} {missed}"
    if metric.baseline is None or metric.candidate is None:
        return "" if metric.candidate is None else f"{key} {shown.value(metric.candidate)}"
    means = f"{shown.value(metric.baseline)} → {shown.value(metric.candidate)}"
    if metric.delta is None:
        return f"{key} {means}"
    return f"{key} {means} ({shown.change(metric.delta)})"


def _missed(metric: MetricComparison, shown: MetricFigures) -> str:
    """Return the fixed bound that is missed; the change may be for the better all the same."""
    limits = metric.threshold or {}
    value, low, high = (limits.get(key) for key in ("value", "min", "max"))
    if not isinstance(value, int | float):
        return ""
    bounds = (
        ("below_min", low, isinstance(low, int | float) and value < low),
        ("above_max", high, isinstance(high, int | float) and value > high),
    )
    for key, limit, is_missed in bounds:
        if is_missed and isinstance(limit, int | float):
            told = {"value": shown.value(value), "limit": shown.value(limit)}
            return say(f"comment.{key}", shown.language, told)
    return ""


def _is_unit(key: str, metric: MetricComparison, report: EvaluationReport | None) -> bool:
    if metric.kind is MetricKind.BINARY:
        return True
    if metric.kind is not MetricKind.BOUNDED:
        return False
    if report is not None and key in report.metrics:
        return report.metrics[key].range == _UNIT
    return all(0 <= mean <= 1 for mean in (metric.baseline, metric.candidate) if mean is not None)
