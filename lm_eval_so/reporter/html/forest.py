"""Figures of the page: means with their intervals, and changes with theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.reporter.html.drawings import Span, change_spans, mean_span, shares
from lm_eval_so.reporter.views.view import ComparisonView, GateRow, MetricRow

_TONES = {
    Verdict.PASS: "pass",
    Verdict.IMPROVED: "pass",
    Verdict.REGRESSION: "bad",
    Verdict.ERROR: "bad",
    Verdict.INCONCLUSIVE: "open",
}


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


def mean_drawing(row: MetricRow, report: EvaluationReport) -> MeanDrawing:
    """Return a metric with its interval on its range."""
    metric = report.metrics[row.id]
    values = report.samples.scores.get(row.id, ())
    return MeanDrawing(row=row, span=mean_span(metric), bars=shares(values, metric.range))


def change_drawings(comparison: Comparison, view: ComparisonView) -> list[ChangeDrawing]:
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
