"""Slices of a comparison by evidence; where nothing is compared, the means of all slices."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from lm_eval_so.core.records.changes import SliceComparison
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.records.report import Columns, EvaluationReport, MetricSummary, Slice
from lm_eval_so.core.records.slice_values import NO_VALUE
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.verdict_names import lead_metric
from lm_eval_so.reporter.html.drawings import change_bar
from lm_eval_so.reporter.views.cases import status_name
from lm_eval_so.reporter.views.metrics import valued
from lm_eval_so.reporter.views.slices import by_name, is_small
from lm_eval_so.reporter.views.view import SliceChange, Words

_STEPS: Final = (0.02, 0.05, 0.1, 0.2)
_MOST_METRICS: Final = 8
"""Most metrics side by side in the table of means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Filter of the page's rows, when a slice is chosen."""

    by: str
    """tag, language, status or label."""
    key: str
    """Name of a label."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSlice:
    """A slice of a comparison; without a filter the page cannot pick its rows."""

    row: SliceChange
    name: str
    """Value of the slice, a language by its name."""
    pick: Pick | None
    tone: str
    """bad or pass if it is proven; else none."""
    bar: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSlices:
    """Slices of a comparison, the best evidence first."""

    first: tuple[ChangedSlice, ...]
    """Slices of the metric that decides, and all that are proven."""
    others: tuple[ChangedSlice, ...]
    """Slices by the other metrics."""
    small: tuple[ChangedSlice, ...]
    """Slices with too few cases to test, each once."""

    @property
    def has_metrics(self) -> bool:
        """Whether the first ones are of several metrics."""
        return len({each.row.metric for each in self.first}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A metric in a slice."""

    mean: str
    n: str
    tint: int
    is_small: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMeans:
    """A slice and its cells; without a filter the page cannot pick its rows."""

    by: str
    value: str
    pick: Pick | None
    cells: Sequence[Cell | None]


def changed_slices(
    comparison: Comparison,
    rows: Sequence[SliceChange],
    report: EvaluationReport,
    words: Words,
) -> ChangedSlices:
    """Return the slices of a comparison.

    Args:
        comparison: Verdict and its evidence.
        rows: Views of its slices, in its order.
        report: Scores, which tell what rows a slice has.
        words: Texts of the topic `page`.
    """
    lead = _told_by(comparison)
    largest: dict[bool, float] = {}
    for each in comparison.slices:
        is_ratio = _is_ratio(comparison, each)
        largest[is_ratio] = max(largest.get(is_ratio, 0.0), abs(_size(comparison, each)))
    first, others = list[ChangedSlice](), list[ChangedSlice]()
    small: dict[tuple[str, str], ChangedSlice] = {}
    for each, row in zip(comparison.slices, rows, strict=True):
        most = largest[_is_ratio(comparison, each)]
        share = _size(comparison, each) / most if most else 0.0
        made = ChangedSlice(
            row=row,
            name=_name(each.by, each.value, words),
            pick=_pick(report.samples, each.by, each.value),
            tone=("bad" if each.change == "worse" else "pass") if each.proven else "none",
            bar=change_bar(share, is_sure=each.proven),
        )
        if each.small:
            small.setdefault((each.by, each.value), made)
        else:
            (first if each.proven or each.metric == lead else others).append(made)
    return ChangedSlices(first=tuple(first), others=tuple(others), small=tuple(small.values()))


def _told_by(comparison: Comparison) -> str | None:
    """Return the metric whose slices come first: the one that decides, unless it is a cost and a score gates."""
    lead = lead_metric(comparison)
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    scores = [key for key in gating if comparison.metrics[key].kind is not MetricKind.RATIO]
    return lead if not scores or lead in scores else scores[0]


def _is_ratio(comparison: Comparison, each: SliceComparison) -> bool:
    return comparison.metrics[each.metric].kind is MetricKind.RATIO


def _size(comparison: Comparison, each: SliceComparison) -> float:
    """Return a change, positive = better; of a ratio its logarithm, of an open metric its sign."""
    if each.delta is None:
        return 0.0
    metric = comparison.metrics[each.metric]
    if metric.kind is MetricKind.RATIO:
        sign = -1 if metric.direction is Direction.LOWER else 1
        return sign * math.log(each.delta) if each.delta > 0 else 0.0
    return each.delta


def _name(by: str, value: str, words: Words) -> str:
    is_known = by == "language" and value in frozenset(Language)
    return words(f"name_{value}") if is_known else value


def slice_means(
    report: EvaluationReport, words: Words, names: Words
) -> tuple[tuple[str, ...], tuple[SliceMeans, ...]]:
    """Return the metrics of a table of slices, and its rows, without keys that have a single slice.

    The colour of a cell is the distance from the mean of all samples.

    Args:
        report: Scores.
        words: Texts of the topic `report`.
        names: Texts of the topic `page`.
    """
    scores = [key for key, m in report.metrics.items() if m.kind is not MetricKind.RATIO]
    shown = tuple(scores[:_MOST_METRICS])
    return shown, tuple(_means(report, shown, words, names))


def _means(
    report: EvaluationReport, shown: Sequence[str], words: Words, names: Words
) -> Iterator[SliceMeans]:
    per_kind: dict[str, int] = {}
    for each in report.breakdowns:
        per_kind[each.by] = per_kind.get(each.by, 0) + 1
    for each in report.breakdowns:
        if per_kind[each.by] == 1:
            continue
        is_status = each.by == "status"
        value = status_name(each.value, words) if is_status else _name(each.by, each.value, names)
        picked = _pick(report.samples, each.by, each.value)
        if is_status and each.value in report.samples.statuses:
            picked = Pick(by="status", key="", value=value)
        cells = [_cell(report, each, key, words) for key in shown]
        yield SliceMeans(by=by_name(each.by, words), value=value, pick=picked, cells=cells)


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


def _cell(report: EvaluationReport, each: Slice, key: str, words: Words) -> Cell | None:
    figures, metric = each.metrics.get(key), report.metrics[key]
    if figures is None or not (figures.n or figures.unscored):
        return None
    return Cell(
        mean=valued(figures.mean, metric.unit, words),
        n=count(figures.n),
        tint=_tint(figures.mean, metric),
        is_small=is_small(each, figures),
    )


def _tint(mean: float | None, whole: MetricSummary) -> int:
    """Return how much better or worse a mean is than that of all samples, from -4 to 4 (best)."""
    if mean is None or whole.mean is None:
        return 0
    gap = mean - whole.mean
    better = gap if whole.direction is Direction.HIGHER else -gap
    width = whole.range[1] - whole.range[0] if whole.range else abs(whole.mean) or 1.0
    steps = sum(abs(better) / width >= step for step in _STEPS)
    return steps if better > 0 else -steps
