"""Where a comparison found a change, as it is shown."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.comparison import Comparison, SliceComparison
from lm_eval_so.core.words.figures import MetricFigures
from lm_eval_so.core.words.numbers import count, p_value
from lm_eval_so.reporter.views.metrics import by_name
from lm_eval_so.reporter.views.view import ABSENT, SliceChange, Words, words_of


def slice_changes(
    comparison: Comparison, shown: Mapping[str, MetricFigures], words: Words
) -> Iterator[SliceChange]:
    """Yield every slice that is kept, in the order of the record.

    Args:
        comparison: The record.
        shown: How the figures of each metric are shown.
        words: Texts of the topic `comment`.
    """
    for each in comparison.slices:
        figures = shown[each.metric]
        yield SliceChange(
            by=by_name(each.by, words_of("report", figures.language)),
            value=each.value,
            metric=each.metric,
            n=count(each.n),
            baseline=ABSENT if each.baseline is None else figures.value(each.baseline),
            candidate=ABSENT if each.candidate is None else figures.value(each.candidate),
            change=_change(each, figures, words),
            evidence=_evidence(each, figures, words),
            is_proven=each.proven,
            is_changed=each.delta not in {None, _of_no_change(figures)},
        )


def _of_no_change(figures: MetricFigures) -> float:
    return 1.0 if figures.is_ratio else 0.0


def _change(each: SliceComparison, figures: MetricFigures, words: Words) -> str:
    if each.delta is None:
        return ABSENT
    change = figures.change(each.delta)
    if each.ci90 is None:
        return change
    low, high = map(figures.bare, figures.ends(*each.ci90))
    return f"{change} ({words('interval', low=low, high=high)})"


def _evidence(each: SliceComparison, figures: MetricFigures, words: Words) -> str:
    if each.small or each.p_adjusted is None:
        return words("slice_small")
    key = f"slice_{each.change}" if each.proven else "slice_open"
    return words(key, p=p_value(each.p_adjusted, figures.language))
