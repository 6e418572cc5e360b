"""Views of slices: figures of a report, and changes of a comparison."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.changes import SliceComparison
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary, Slice, SliceFigures
from lm_eval_so.core.words.formats import MetricFigures, count, p_value
from lm_eval_so.reporter.views.metrics import bounds, valued
from lm_eval_so.reporter.views.view import ABSENT, SliceChange, SliceRow, Words, words_of

SMALL = 10
"""Least samples of a slice that says something."""

_MOST_SLICES = 10
_BUILT_IN = frozenset({"tag", "language", "length", "status"})


def slice_rows(report: EvaluationReport, lead: str, words: Words) -> tuple[list[SliceRow], int]:
    """Return the slices of a metric, worst first, and how many are left out."""
    rows: list[SliceRow] = []
    hidden = 0
    metric = report.metrics[lead]
    for by, slices in slices_by(report, lead).items():
        name = by_name(by, words)
        rows += [_slice_row(name, s, f, metric, words) for s, f in slices[:_MOST_SLICES]]
        hidden += len(slices[_MOST_SLICES:])
    return rows, hidden


def slices_by(report: EvaluationReport, lead: str) -> dict[str, list[tuple[Slice, SliceFigures]]]:
    """Return the slices in which a metric applies, without keys that have a single slice."""
    found: dict[str, list[tuple[Slice, SliceFigures]]] = {}
    for each in report.breakdowns:
        figures = each.metrics.get(lead)
        if figures is not None and (figures.n or figures.unscored):
            found.setdefault(each.by, []).append((each, figures))
    return {by: slices for by, slices in found.items() if len(slices) > 1}


def by_name(by: str, words: Words) -> str:
    """Return the name of a key of slices, as people call it."""
    return words(f"by_{by}") if by in _BUILT_IN else by


def is_small(each: Slice, figures: SliceFigures) -> bool:
    """Return whether a slice has too few samples to say much of a metric."""
    return each.small or figures.n < SMALL


def slice_changes(
    comparison: Comparison, shown: Mapping[str, MetricFigures], words: Words
) -> Iterator[SliceChange]:
    """Yield every slice that the record keeps, in its order."""
    for each in comparison.slices:
        figures = shown[each.metric]
        yield SliceChange(
            by=by_name(each.by, words_of("report", figures.language)),
            value=each.value,
            metric=each.metric,
            n=count(each.n),
            baseline=ABSENT if each.baseline is None else figures.value(each.baseline),
            candidate=ABSENT if each.candidate is None else figures.value(each.candidate),
            change=_slice_change(each, figures, words),
            evidence=_slice_evidence(each, figures, words),
            is_proven=each.proven,
            is_changed=each.delta not in {None, _of_no_change(figures)},
        )


def _of_no_change(figures: MetricFigures) -> float:
    return 1.0 if figures.is_ratio else 0.0


def _slice_change(each: SliceComparison, figures: MetricFigures, words: Words) -> str:
    if each.delta is None:
        return ABSENT
    change = figures.change(each.delta)
    if each.ci90 is None:
        return change
    low, high = map(figures.bare, figures.ends(*each.ci90))
    return f"{change} ({words('interval', low=low, high=high)})"


def _slice_evidence(each: SliceComparison, figures: MetricFigures, words: Words) -> str:
    if each.small or each.p_adjusted is None:
        return words("slice_small")
    key = f"slice_{each.change}" if each.proven else "slice_open"
    return words(key, p=p_value(each.p_adjusted, figures.language))


def _slice_row(
    by: str, each: Slice, figures: SliceFigures, metric: MetricSummary, words: Words
) -> SliceRow:
    n = count(figures.n)
    return SliceRow(
        by=by,
        value=each.value,
        n=f"{n} ({words('small')})" if is_small(each, figures) else n,
        mean=valued(figures.mean, metric.unit, words),
        interval=bounds(figures.ci95),
        no_score=count(figures.unscored),
    )
