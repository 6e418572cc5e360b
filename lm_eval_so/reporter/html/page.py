"""The HTML report: one file that asks nothing of the network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.sandbox import asset, content_policy, fill_html
from lm_eval_so.core.words.verdict_names import lead_metric
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.content import Content
from lm_eval_so.reporter.html.cases import case_list
from lm_eval_so.reporter.html.drawings import (
    WIDTH,
    Span,
    change_spans,
    changed_slices,
    mean_span,
    shares,
    slice_drawings,
)
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.report import view_report
from lm_eval_so.reporter.views.view import ComparisonView, GateRow, MetricRow, words_of

_PACKAGE = "lm_eval_so.reporter"
_TONES = {
    Verdict.PASS: "pass",
    Verdict.IMPROVED: "pass",
    Verdict.REGRESSION: "bad",
    Verdict.ERROR: "bad",
    Verdict.INCONCLUSIVE: "open",
}
_ICONS = {"pass": "✓", "bad": "✕", "open": "≈", "none": "○"}
_MOST_WARNINGS = 40
_MOST_METRICS = 8
"""Most metrics side by side in the table of slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDrawing:
    """A metric's row, its interval on its range, and the distribution of its scores."""

    row: MetricRow
    span: Span | None
    bars: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDrawing:
    """A metric's change, and its interval on the axis."""

    row: GateRow
    span: Span | None
    tone: str
    sentence: str


def html_report(content: Content) -> str:
    """Return the HTML report, the comparison first.

    Raises:
        NothingToDo: If there are no scores.
    """
    report, comparison, style = content.report, content.comparison, content.style
    if report is None:
        hint = "give the candidate's report.json, and the comparison beside it"
        raise NothingToDo("an HTML report needs the scores", hint=hint)
    language, examples, redactor = style.language, style.examples, style.redactor
    words = words_of("report", language)
    lead = lead_metric(comparison) if comparison else None
    compared = view_comparison(comparison, report, language=language) if comparison else None
    view = view_report(
        report, lead=lead, language=language, examples=examples, is_compared=compared is not None
    )
    shown = [key for key, m in report.metrics.items() if m.kind is not MetricKind.RATIO]
    shown = shown[:_MOST_METRICS]
    css = asset(_PACKAGE, "report.css") + asset(_PACKAGE, "cases.css")
    script = asset(_PACKAGE, "report.js")
    cases = case_list(report, comparison, style)
    values = {
        "language": language.value,
        "report": view,
        "comparison": compared,
        "icons": _ICONS,
        "warnings": [*(compared.warnings if compared else ()), *view.warnings][:_MOST_WARNINGS],
        "tone": compared.verdict.headline.tone if compared else "none",
        "means": [_mean_drawing(row, report) for row in view.metrics],
        "changes": _changes(comparison, compared) if comparison and compared else [],
        "slice_metrics": shown,
        "slices": list(slice_drawings(report, comparison, shown, words)),
        "changed": list(changed_slices(comparison, compared, report))
        if comparison and compared
        else [],
        "cases": cases,
        "settings": {
            "settings_run": _pretty(report.experiment.run_config),
            "settings_evaluation": _pretty(report.experiment.evaluator_config),
        },
        "width": WIDTH,
        "csp": content_policy(css, script),
        "t": words,
        "c": words_of("comment", language),
        "k": words_of("cases", language),
        "l": words_of("case_list", language),
    }
    trusted = {
        "style": css,
        "script": script,
        "data": cases.data,
        "texts": cases.texts,
    }
    return fill_html(_PACKAGE, "report.html.j2", values, trusted=trusted, redact=redactor.redact)


def _mean_drawing(row: MetricRow, report: EvaluationReport) -> MeanDrawing:
    metric = report.metrics[row.id]
    values = report.samples.scores.get(row.id, ())
    return MeanDrawing(row=row, span=mean_span(metric), bars=shares(values, metric.range))


def _changes(comparison: Comparison, view: ComparisonView) -> list[ChangeDrawing]:
    """Return the changes, gating metrics first; scores share an axis, and so do ratios."""
    rows = {row.metric: row for row in (*view.scores, *view.ratios)}
    spans: dict[str, Span | None] = {}
    for group in _groups(comparison.metrics):
        spans |= dict(zip(group, change_spans([comparison.metrics[k] for k in group]), strict=True))
    ordered = sorted(rows, key=lambda key: not comparison.metrics[key].gating)
    return [
        ChangeDrawing(
            row=rows[key],
            span=spans[key],
            tone=_TONES.get(comparison.metrics[key].verdict, "none"),
            sentence=comparison.metrics[key].sentence,
        )
        for key in ordered
    ]


def _groups(metrics: Mapping[str, MetricComparison]) -> list[list[str]]:
    scores = [k for k, m in metrics.items() if m.kind in {MetricKind.BINARY, MetricKind.BOUNDED}]
    ratios = [k for k, m in metrics.items() if m.kind is MetricKind.RATIO]
    open_ones = [[k] for k, m in metrics.items() if m.kind is MetricKind.UNBOUNDED]
    return [scores, ratios, *open_ones]


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
