"""Slices on the HTML page: figures, changes, and the filter that picks their rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison, SliceComparison
from lm_eval_so.core.records.report import NO_VALUE, Columns, EvaluationReport, Slice
from lm_eval_so.core.words.numbers import count
from lm_eval_so.reporter.html.plot import tint
from lm_eval_so.reporter.views.cases import status_name
from lm_eval_so.reporter.views.metrics import valued
from lm_eval_so.reporter.views.slices import by_name, is_small
from lm_eval_so.reporter.views.view import ComparisonView, SliceChange, Words


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
    report: EvaluationReport, shown: Sequence[str], words: Words
) -> Iterator[SliceDrawing]:
    """Yield the slices of a report, without keys that have a single slice.

    Args:
        report: Report record.
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


def _cell(report: EvaluationReport, each: Slice, key: str, words: Words) -> Cell | None:
    figures, metric = each.metrics.get(key), report.metrics[key]
    if figures is None or not (figures.n or figures.unscored):
        return None
    return Cell(
        mean=valued(figures.mean, metric, words),
        n=count(figures.n),
        tint=tint(figures.mean, metric),
        is_small=is_small(each, figures),
    )
