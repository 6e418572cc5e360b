"""A comparison as it is shown."""

from collections.abc import Iterator

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.figures import MetricFigures, reason_figures
from lm_eval_so.core.words.numbers import count, factor, round_up
from lm_eval_so.core.words.phrases import exemption_warning
from lm_eval_so.reporter.views.baseline import acceptance_note
from lm_eval_so.reporter.views.cases import changed_views
from lm_eval_so.reporter.views.cost import minute
from lm_eval_so.reporter.views.exemptions import exemption_tables, flaky_views, stability_notes
from lm_eval_so.reporter.views.lost import is_good_but_lost, lost_view
from lm_eval_so.reporter.views.origin import COMMIT_DIGITS, report_footer, short_hash
from lm_eval_so.reporter.views.slices import slice_changes
from lm_eval_so.reporter.views.view import (
    ABSENT,
    ComparisonView,
    GateRow,
    Words,
    words_of,
)

ICONS = {
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
_MISSING_ROWS = "missing_rows"
_ABOUT_MISSING = {"missing", "missing_unbounded", "error_rate"}
"""Reason codes whose sentence tells of the missing rows already."""


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
    accepted = comparison.baseline.accepted
    shown = {key: _figures_of(key, m, report, language) for key, m in comparison.metrics.items()}
    # a table that has figures of the baseline only tells nothing of this run
    is_error = comparison.verdict is Verdict.ERROR
    is_empty = is_error and all(m.candidate is None for m in comparison.metrics.values())
    rows = [
        (metric.kind, _gate_row(key, metric, shown[key], words))
        for key, metric in comparison.metrics.items()
        if not is_empty
    ]
    lead = lead_metric(comparison)
    lead_notes = _lead_notes(comparison, lead, shown[lead], words) if lead else ()
    worse = changed_views([case for case in comparison.changed if case.change == "worse"], words)
    better = dict.fromkeys(c.sample_id for c in comparison.changed if c.change == "better")
    return ComparisonView(
        suite=comparison.suite,
        icon="⚠️" if is_good_but_lost(comparison) else ICONS[comparison.verdict],
        is_error=is_error,
        word=verdict_word(comparison.verdict, language),
        headline=_headline(lead, comparison.metrics[lead], shown[lead], words)
        if lead and not is_error
        else "",
        sentence=comparison.sentence,
        scores=tuple(row for kind, row in rows if kind is not MetricKind.RATIO),
        ratios=tuple(row for kind, row in rows if kind is MetricKind.RATIO),
        notes=(*_pairing_notes(comparison, words), *lead_notes),
        warnings=tuple(_warnings(comparison, language)),
        worse=tuple(worse),
        better=tuple(better),
        unscored=tuple(_unscored(report)) if report else (),
        unscored_rows=_unscored_rows(comparison, report),
        differences=comparison.differences,
        flaky=tuple(flaky_views(comparison.flaky, words)),
        exemptions=tuple(exemption_tables(comparison, words)),
        footer=tuple(_footer(comparison, report, language, words)),
        accepted=acceptance_note(accepted, language) if accepted else None,
        slices=tuple(slice_changes(comparison, shown, words)),
        slices_note=words("slices_note", n=count(comparison.slices_tested))
        if comparison.slices_tested
        else "",
        rerun=comparison.rerun,
        lost=lost_view(comparison.lost, language),
    )


def verdict_word(verdict: Verdict, language: Language) -> str:
    """Return the name of a verdict, as it stands in a heading."""
    return _capital(words_of("comment", language)(f"verdict_{verdict}"))


def lead_metric(comparison: Comparison) -> str | None:
    """Return the metric that decides: the first gating one with the verdict of the whole."""
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    deciding = [k for k in gating if comparison.metrics[k].verdict is comparison.verdict]
    return next(iter([*deciding, *gating]), None)


def _headline(lead: str, metric: MetricComparison, shown: MetricFigures, words: Words) -> str:
    if metric.reason == "threshold" and (missed := _missed(metric, shown, words)):
        return f"{lead} {missed}"
    if metric.baseline is None or metric.candidate is None:
        return "" if metric.candidate is None else f"{lead} {shown.value(metric.candidate)}"
    means = f"{shown.value(metric.baseline)} → {shown.value(metric.candidate)}"
    if metric.delta is None:
        return f"{lead} {means}"
    return f"{lead} {means} ({shown.change(metric.delta)})"


def _missed(metric: MetricComparison, shown: MetricFigures, words: Words) -> str:
    """Say which fixed bound is missed; the change may be for the better all the same."""
    limits = metric.threshold or {}
    value, low, high = (limits.get(key) for key in ("value", "min", "max"))
    if not isinstance(value, int | float):
        return ""
    if isinstance(low, int | float) and value < low:
        return words("below_min", value=shown.value(value), limit=shown.value(low))
    if isinstance(high, int | float) and value > high:
        return words("above_max", value=shown.value(value), limit=shown.value(high))
    return ""


def _gate_row(key: str, metric: MetricComparison, shown: MetricFigures, words: Words) -> GateRow:
    change = ABSENT
    if metric.delta is not None:
        change = shown.change(metric.delta)
        if metric.ci90 is not None:
            low, high = map(shown.bare, shown.ends(*metric.ci90))
            change += f" ({words('interval', low=low, high=high)})"
    verdict = f"{ICONS[metric.verdict]} {words(f'verdict_{metric.verdict}')}"
    is_lower = metric.direction is Direction.LOWER and not shown.is_ratio
    return GateRow(
        metric=key,
        note=words("less_is_better") if is_lower else "",
        baseline=_mean(metric, metric.baseline, shown),
        candidate=_mean(metric, metric.candidate, shown),
        change=change,
        allowed=_allowed(metric, shown, words),
        verdict=verdict if metric.gating else f"{verdict} ({words('not_gating')})",
    )


def _mean(metric: MetricComparison, value: float | None, shown: MetricFigures) -> str:
    if value is None:
        return ABSENT
    hits = value * metric.n
    is_count = metric.kind is MetricKind.BINARY and metric.n and not any(metric.missing)
    if is_count and abs(hits - round(hits)) < 1e-6 * metric.n:
        return f"{shown.value(value)} ({count(round(hits))}/{count(metric.n)})"
    return shown.value(value)


def _allowed(metric: MetricComparison, shown: MetricFigures, words: Words) -> str:
    parts = []
    limits = metric.threshold or {}
    increase = limits.get("max_increase")
    if isinstance(increase, int | float):
        parts.append(factor(1 + increase))
    elif metric.margin is not None and not shown.is_ratio:
        parts.append(shown.change(-metric.margin))
    for bound in ("min", "max"):
        limit = limits.get(bound)
        if isinstance(limit, int | float):
            parts.append(words(bound, limit=shown.value(limit)))
    return ", ".join(parts) or ABSENT


def _figures_of(
    key: str, metric: MetricComparison, report: EvaluationReport | None, language: Language
) -> MetricFigures:
    return MetricFigures(
        kind=metric.kind,
        direction=metric.direction,
        is_unit=_is_unit(key, metric, report),
        language=language,
    )


def _is_unit(key: str, metric: MetricComparison, report: EvaluationReport | None) -> bool:
    if metric.kind is MetricKind.BINARY:
        return True
    if metric.kind is not MetricKind.BOUNDED:
        return False
    if report is not None and key in report.metrics:
        return report.metrics[key].range == _UNIT
    return all(0 <= mean <= 1 for mean in (metric.baseline, metric.candidate) if mean is not None)


def _pairing_notes(comparison: Comparison, words: Words) -> Iterator[str]:
    if comparison.baseline.source == "none":
        return
    pairing = comparison.pairing
    yield words("paired", n=count(pairing.paired))
    for name in ("added", "removed", "changed"):
        if ids := getattr(pairing, name):
            yield words(name, n=count(len(ids)))


def _lead_notes(
    comparison: Comparison, lead: str, shown: MetricFigures, words: Words
) -> Iterator[str]:
    metric = comparison.metrics[lead]
    if metric.left_out:
        yield words("left_out", metric=lead, n=count(metric.left_out))
    is_closed = metric.kind in {MetricKind.BINARY, MetricKind.BOUNDED}
    is_warned = any(warning.code == _MISSING_ROWS for warning in metric.warnings)
    missing = sum(metric.missing)
    if missing and is_closed and not is_warned and metric.ci90 is not None:
        yield words("missing", metric=lead, n=count(missing))
    if metric.provable_margin is not None and metric.margin is not None:
        yield words("provable", metric=lead, margin=shown.size(metric.provable_margin))
    needed = metric.needed_n or 0
    # a regression and a gain are settled, and inconclusive says it in its sentence
    if needed > metric.n and comparison.verdict is Verdict.PASS:
        yield words("needed", metric=lead, n=count(round_up(needed)))
    yield from stability_notes(lead, metric, words)


def _warnings(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield what people should know of the data, as far as the sentence does not tell it."""
    for exemption in (*comparison.quarantine, *comparison.accept):
        if told := exemption_warning(exemption, language):
            yield told
    for key, metric in comparison.metrics.items():
        # too many rows without a score are an error, and not counted as anything
        is_told = metric.reason == "error_rate" or (
            metric.sentence in comparison.sentence and metric.reason in _ABOUT_MISSING
        )
        for warning in metric.warnings:
            if is_told and warning.code == _MISSING_ROWS:
                continue
            figures = {"metric": key, **reason_figures(warning.figures, language)}
            text = say(f"comparison.{warning.code}", language, figures)
            if text not in comparison.sentence:
                yield text


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
