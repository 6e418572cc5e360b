"""Drawings of the HTML page: places of figures on a line or in a bar, and slices."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.records.changes import SliceComparison
from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import Columns, EvaluationReport, MetricSummary, Slice
from lm_eval_so.core.records.slice_values import NO_VALUE
from lm_eval_so.core.words.formats import count
from lm_eval_so.reporter.views.cases import status_name
from lm_eval_so.reporter.views.metrics import valued
from lm_eval_so.reporter.views.slices import by_name, is_small
from lm_eval_so.reporter.views.view import ComparisonView, SliceChange, Words

WIDTH = 200.0
"""Width of every drawing."""

_MIDDLE = WIDTH / 2
_BINS = 10
_ROOM = 1.1
_STEPS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An interval and its middle, as places from 0 to WIDTH."""

    low: float
    dot: float
    high: float
    limit: float | None = None
    """Place of the worst accepted change."""


def mean_span(metric: MetricSummary) -> Span | None:
    """Place a mean and its interval within the range of a metric; None if it is open."""
    if metric.mean is None or metric.range is None:
        return None
    bottom, top = metric.range

    def place(value: float) -> float:
        return _rounded(WIDTH * (value - bottom) / (top - bottom))

    low, high = metric.ci95 or (metric.mean, metric.mean)
    return Span(low=place(low), dot=place(metric.mean), high=place(high))


def change_spans(metrics: Sequence[MetricComparison]) -> list[Span | None]:
    """Place changes on one axis: zero in the middle, better to the right.

    Ratios are placed by their logarithm; a smaller cost lies to the right.
    """
    found = [_change(metric) for metric in metrics]
    ends = [abs(v) for each in found if each for v in each if v is not None]
    reach = _ROOM * max(ends, default=0) or 1.0

    def place(value: float) -> float:
        return _rounded(min(WIDTH, max(0.0, _MIDDLE + _MIDDLE * value / reach)))

    return [
        Span(
            low=place(low),
            dot=place(dot),
            high=place(high),
            limit=None if limit is None else place(limit),
        )
        if each is not None
        else None
        for each in found
        for low, dot, high, limit in [each or (0.0, 0.0, 0.0, None)]
    ]


def shares(values: Sequence[float | None], span: tuple[float, float] | None) -> list[float]:
    """Return the heights of ten bars, 0 … 1, over a closed range; none if nothing is known."""
    known = [value for value in values if value is not None]
    if not known or span is None:
        return []
    low, high = span
    counts = [0] * _BINS
    for value in known:
        counts[min(_BINS - 1, max(0, int(_BINS * (value - low) / (high - low))))] += 1
    most = max(counts)
    return [_rounded(n / most) for n in counts]


def tint(mean: float | None, whole: MetricSummary) -> int:
    """Return how much better or worse a mean is than that of all samples, from -4 to 4 (best)."""
    if mean is None or whole.mean is None:
        return 0
    gap = mean - whole.mean
    return _steps(gap if whole.direction is Direction.HIGHER else -gap, whole)


def _steps(better: float, whole: MetricSummary) -> int:
    """Return the strength of a difference, from -4 to 4 (best), as a share of the metric's range."""
    width = whole.range[1] - whole.range[0] if whole.range else abs(whole.mean or 0.0) or 1.0
    steps = sum(abs(better) / width >= step for step in _STEPS)
    return steps if better > 0 else -steps


def _change(metric: MetricComparison) -> tuple[float, float, float, float | None] | None:
    if metric.delta is None:
        return None
    low, high = metric.ci90 or (metric.delta, metric.delta)
    if metric.kind is not MetricKind.RATIO:
        limit = None if metric.margin is None else -metric.margin
        return low, metric.delta, high, limit
    if min(low, metric.delta) <= 0:
        return None
    sign = -1 if metric.direction is Direction.LOWER else 1
    low, dot, high = (sign * math.log(ratio) for ratio in (low, metric.delta, high))
    increase = (metric.threshold or {}).get("max_increase")
    limit = sign * math.log(1 + increase) if isinstance(increase, int | float) else None
    return min(low, high), dot, max(low, high), limit


def _rounded(value: float) -> float:
    return round(value, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Filter of the page's rows, when a slice is chosen."""

    by: str
    """tag, language, status or label."""
    key: str
    """Name of a label."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A metric in a slice."""

    mean: str
    n: str
    tint: int
    is_small: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDrawing:
    """A slice and its cells; without a filter the page cannot pick its rows."""

    by: str
    value: str
    pick: Pick | None
    cells: Sequence[Cell | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSlice:
    """A slice of a comparison, and the strength of its evidence."""

    row: SliceChange
    pick: Pick | None
    tone: str
    is_small: bool


def slice_drawings(
    report: EvaluationReport, comparison: Comparison | None, shown: Sequence[str], words: Words
) -> Iterator[SliceDrawing]:
    """Yield the slices of a report, without keys that have a single slice.

    The colour of a cell is the change since the baseline; without a comparison it is the distance
    from the mean of all samples.

    Args:
        report: Report record.
        comparison: Comparison of the report, if there is one.
        shown: Metrics that get a cell.
        words: Texts of the topic `report`.
    """
    per_kind: dict[str, int] = {}
    for each in report.breakdowns:
        per_kind[each.by] = per_kind.get(each.by, 0) + 1
    for each in report.breakdowns:
        if per_kind[each.by] == 1:
            continue
        is_status = each.by == "status"
        value = status_name(each.value, words) if is_status else each.value
        picked = _pick(report.samples, each.by, each.value)
        if is_status and each.value in report.samples.statuses:
            picked = Pick(by="status", key="", value=value)
        cells = [_cell(report, each, key, words) for key in shown]
        if comparison is not None:
            cells = [
                cell and replace(cell, tint=_tint_of_change(comparison, report, each, key))
                for cell, key in zip(cells, shown, strict=True)
            ]
        yield SliceDrawing(by=by_name(each.by, words), value=value, pick=picked, cells=cells)


def changed_slices(
    comparison: Comparison, view: ComparisonView, report: EvaluationReport
) -> Iterator[ChangedSlice]:
    """Yield the slices of a comparison, in its order."""
    for each, row in zip(comparison.slices, view.slices.rows, strict=True):
        yield ChangedSlice(
            row=row,
            pick=_pick(report.samples, each.by, each.value),
            tone=_tone(each),
            is_small=each.small,
        )


def _tone(each: SliceComparison) -> str:
    if each.small:
        return "none"
    if not each.proven:
        return "open"
    return "bad" if each.change == "worse" else "pass"


def _pick(columns: Columns, by: str, value: str) -> Pick | None:
    """Return the filter of a slice; None if no row has its value, as of merged small slices."""
    if by in columns.labels:
        is_known = value in columns.labels[by].values
        return Pick(by="label", key=by, value=value) if is_known else None
    if by == "tag":
        tags = columns.tags or ()
        is_known = any(value in each or (value == NO_VALUE and not each) for each in tags)
    elif by == "language":
        names = columns.languages or ()
        is_known = value in names or (value == NO_VALUE and None in names)
    else:
        is_known = False
    return Pick(by=by, key="", value=value) if is_known else None


def _tint_of_change(comparison: Comparison, report: EvaluationReport, each: Slice, key: str) -> int:
    """Return the strength of a change since the baseline; 0 where the slice was not compared."""
    metric = comparison.metrics.get(key)
    if metric is None or metric.kind is MetricKind.RATIO:
        return 0
    for found in comparison.slices:
        if (found.by, found.value, found.metric) == (each.by, each.value, key) and found.delta:
            return _steps(found.delta, report.metrics[key])
    return 0


def _cell(report: EvaluationReport, each: Slice, key: str, words: Words) -> Cell | None:
    figures, metric = each.metrics.get(key), report.metrics[key]
    if figures is None or not (figures.n or figures.unscored):
        return None
    return Cell(
        mean=valued(figures.mean, metric.unit, words),
        n=count(figures.n),
        tint=tint(figures.mean, metric),
        is_small=is_small(each, figures),
    )
