"""Verdicts of metrics in words: icon and name, which metrics decide a run, and how they changed."""

from collections.abc import Iterator
from typing import Final

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import MetricFigures

_ICONS = {
    Verdict.PASS: "✅",
    Verdict.IMPROVED: "✅",
    Verdict.REGRESSION: "❌",
    Verdict.ERROR: "⚠️",
    Verdict.INCONCLUSIVE: "➖",
    Verdict.INCOMPARABLE: "⚪",
    Verdict.SKIPPED: "⚪",
    Verdict.REPORTED: "⚪",
}
_UNIT = (0.0, 1.0)

ANCHOR: Final = "anchor"
"""Reason code of a metric that is a regression against the anchor alone."""
NO_BASELINE: Final = "no_baseline"
"""Reason code of a metric that a first run has nothing to compare with."""


def verdict_icon(verdict: Verdict) -> str:
    """Return the icon of a verdict."""
    return _ICONS[verdict]


def verdict_name(verdict: Verdict | str, language: Language) -> str:
    """Return the name of a verdict within a sentence."""
    return say(f"comment.verdict_{verdict}", language)


def metric_verdict_name(metric: MetricComparison, language: Language) -> str:
    """Return the name of a metric's verdict: without a baseline none, against the anchor alone it says so."""
    if metric.reason == NO_BASELINE:
        return say("page.not_judged", language)
    name = verdict_name(metric.verdict, language)
    return say("anchor.verdict", language, {"verdict": name}) if metric.reason == ANCHOR else name


def verdict_heading(verdict: Verdict, language: Language) -> str:
    """Return the name of a verdict in a heading."""
    name = verdict_name(verdict, language)
    return name[:1].upper() + name[1:]


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
            # of answers that were repeated, the mean is a share of right ones, too
            kind=MetricKind.BINARY if metric.stability else metric.kind,
            direction=metric.direction,
            is_unit=_is_unit(key, metric, report),
            language=language,
        )
        for key, metric in comparison.metrics.items()
    }


def _is_unit(key: str, metric: MetricComparison, report: EvaluationReport | None) -> bool:
    if metric.kind is MetricKind.BINARY:
        return True
    if metric.kind is not MetricKind.BOUNDED:
        return False
    if report is not None and key in report.metrics:
        return report.metrics[key].range == _UNIT
    return all(0 <= mean <= 1 for mean in (metric.baseline, metric.candidate) if mean is not None)


def change_text(key: str, metric: MetricComparison, shown: MetricFigures) -> str:
    """Return the fixed bound that a metric misses, or else both its means; empty without a mean.

    Args:
        key: Id of the metric.
        metric: Comparison of the metric.
        shown: Form of its figures.
    """
    if metric.reason == "threshold" and (missed := _missed(metric, shown)):
        return f"{key} {missed}"
    means = [shown.value(mean) for mean in (metric.baseline, metric.candidate) if mean is not None]
    return f"{key} {' → '.join(means)}" if metric.candidate is not None else ""


def _missed(metric: MetricComparison, shown: MetricFigures) -> str:
    """Return the fixed bound that is missed; the change may be for the better all the same."""
    limits = metric.threshold or {}
    value = limits.get("value")
    if not isinstance(value, int | float):
        return ""
    for key, limit in _missed_bounds(metric, value):
        told = {"value": shown.value(value), "limit": shown.value(limit)}
        return say(f"comment.{key}", shown.language, told)
    return ""


def _missed_bounds(metric: MetricComparison, value: float) -> Iterator[tuple[str, float]]:
    limits = metric.threshold or {}
    low, high = limits.get("min"), limits.get("max")
    if isinstance(low, int | float) and value < low:
        yield "below_min", low
    if isinstance(high, int | float) and value > high:
        yield "above_max", high
