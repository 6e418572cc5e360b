"""Figures of metrics, over all rows and by slice."""

import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from pydantic import JsonValue

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.enums import Direction, MetricKind, RunStatus
from lm_eval_so.core.records.report import (
    Labels,
    MetricSummary,
    PartFigures,
    Slice,
    SliceFigures,
)
from lm_eval_so.core.records.slice_values import NO_VALUE, OTHER_VALUES, keep_largest
from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.bounded import mean_interval, mean_of
from lm_eval_so.core.stats.groups import grouped_interval
from lm_eval_so.core.stats.ratios import ascending
from lm_eval_so.core.stats.ratios import percentile as percentile_of
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.rows.sheet import MISSING, Column, Sheet

T = TypeVar("T")
_FEWEST_GROUPS = 10
_OPEN_KINDS = {MetricKind.RATIO, MetricKind.UNBOUNDED}
_BUILT_IN = frozenset({"tag", "language", "length", "status"})
_SMALL = 10
_MOST_PARTS = 50
_MOST_NUMBERS = 8
_LENGTHS = ((50, "≤ 50"), (200, "51–200"))
_LONGEST = "> 200"


def summarise_all(
    bound: Iterable[BoundMetric], sheet: Sheet, *, config_file: str | None = None
) -> dict[str, MetricSummary]:
    """Return the figures of all metrics over all rows, by metric id.

    Args:
        bound: The metrics.
        sheet: The scores.
        config_file: File of the config, for the error.

    Raises:
        CannotMeasure: If no row has a score of any metric.
    """
    summaries = {each.id: summarise(each, sheet) for each in bound}
    if not any(summary.rows for summary in summaries.values()):
        raise _nothing_scored(sheet, config_file)
    return summaries


def summarise(bound: BoundMetric, sheet: Sheet) -> MetricSummary:
    """Return the figures of a metric over all rows."""
    metric, column = bound.metric, sheet.columns[bound.id]
    rows = range(len(sheet.sample_of))
    values, groups = sample_values(column, sheet, rows)
    scored = sum(value is not None for value in column.values)
    applicable = len(rows) - len(column.not_applicable)
    low, high = metric.range or (None, None)
    worst, best = (low, high) if metric.higher_is_better else (high, low)
    is_open = metric.kind in _OPEN_KINDS
    corpus = metric.corpus_score(column.corpus_counts, sorted(column.units))
    return MetricSummary(
        name=metric.name,
        mean=mean_of(values),
        std=deviation(values),
        sample_count=len(values),
        rows=scored,
        ci95=interval(values, groups, metric, has_repeats=sheet.has_repeats),
        unscored=applicable - scored,
        unscored_by=dict(sorted(column.codes.items())),
        scored_by=dict(sorted(column.scored_codes.items())),
        not_applicable=len(column.not_applicable),
        vacuous=column.vacuous,
        coverage=scored / applicable if applicable else None,
        mean_if_missing_worst=_mean_if_missing(column, sheet, worst),
        mean_if_missing_best=_mean_if_missing(column, sheet, best),
        passed_share=column.passed / column.judged if column.judged else None,
        direction=Direction.HIGHER if metric.higher_is_better else Direction.LOWER,
        kind=metric.kind,
        range=metric.range,
        unit=metric.unit,
        category=metric.category,
        measures_overlap=bound.measures_overlap,
        min=min(values, default=None) if is_open else None,
        p50=percentile(values, 0.50) if is_open else None,
        p95=percentile(values, 0.95) if is_open else None,
        max=max(values, default=None) if is_open else None,
        units=dict(sorted(column.units.items())),
        parts=_part_figures(column),
        corpus_score=corpus.value if corpus else None,
        signature=corpus.signature if corpus else None,
        fingerprint=bound.fingerprint,
        definition=bound.definition(),
    )


def _part_figures(column: Column) -> dict[str, PartFigures]:
    """Return the rate of each part, of very many those that most rows have."""
    most = {*sorted(column.parts, key=lambda name: -column.parts[name][0])[:_MOST_PARTS]}
    return {
        name: PartFigures(n=decided, rate=met / decided if decided else None)
        for name, (decided, met) in column.parts.items()
        if name in most
    }


def slice_figures(bound: BoundMetric, sheet: Sheet, rows: Sequence[int]) -> SliceFigures:
    """Return the figures of a metric over some rows, in ascending order."""
    column = sheet.columns[bound.id]
    values, groups = sample_values(column, sheet, rows)
    return SliceFigures(
        n=len(values),
        mean=mean_of(values),
        ci95=interval(values, groups, bound.metric, has_repeats=sheet.has_repeats),
        unscored=column.count_unscored(rows),
    )


def sample_values(
    column: Column, sheet: Sheet, rows: Iterable[int]
) -> tuple[Sequence[float], Sequence[Hashable]]:
    """Return one value per scored sample, the mean over its rows, with the sample's group.

    The groups are empty if no two samples share one.
    """
    if not sheet.has_repeats:
        group_of = sheet.samples.groups
        places = column.values.where(rows) if sheet.samples.has_groups else ()
        groups = [group_of[at := sheet.sample_of[row]] or at for row in places]
        return column.values.present(rows), groups
    values = array("d")
    groups = []
    for of_sample in _by_sample(sheet, rows):
        mean = mean_of([v for row in of_sample if (v := column.values[row]) is not None])
        if mean is not None:
            sample = sheet.sample_of[of_sample[0]]
            values.append(mean)
            groups.append(sheet.samples.groups[sample] or sample)
    return values, groups


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation (n−1); None below two values."""
    mean = mean_of(values)
    if mean is None or len(values) == 1:
        return None
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def percentile(values: Sequence[float], level: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed."""
    return percentile_of(ascending(values), level) if values else None


def interval(
    values: Sequence[float], groups: Sequence[Hashable], metric: Metric, *, has_repeats: bool
) -> tuple[float, float] | None:
    """Return the two-sided 95 % interval of the mean; None below two samples.

    Cluster-robust with ten groups or more that samples share; else Wilson's for binary metrics and
    Student's for all others. The interval stays within the range of the metric.
    """
    if len(values) <= 1:
        return None
    low, high = metric.range or (0.0 if metric.kind is MetricKind.RATIO else None, None)
    if groups and _FEWEST_GROUPS <= len(set(groups)) < len(values):
        width = high - low if low is not None and high is not None else None
        found = grouped_interval(values, groups, width=width, alpha=0.025)
        bottom = found.low if low is None else max(low, found.low)
        return bottom, found.high if high is None else min(high, found.high)
    if metric.kind is MetricKind.BINARY and not has_repeats:
        return wilson_interval(round(math.fsum(values)), len(values))
    return mean_interval(values, low=low, high=high)


def break_down(
    bound: Sequence[BoundMetric], sheet: Sheet, *, lead: str | None, by: Sequence[str]
) -> tuple[Slice, ...]:
    """Return the figures by tag, language, length, status and chosen metadata.

    Args:
        bound: The metrics.
        sheet: The scores.
        lead: Id of the metric by which slices are ordered, worst first.
        by: Metadata keys.
    """
    found = []
    for name, rows_by_value in _groups(sheet, by):
        if set(rows_by_value) == {NO_VALUE}:
            continue
        slices = [
            _slice(bound, sheet, name, value, rows)
            for value, rows in keep_largest(rows_by_value).items()
        ]
        found += sorted(slices, key=lambda each: _badness(each, bound, lead))
    return tuple(found)


def label_columns(sheet: Sheet, by: Sequence[str]) -> dict[str, Labels]:
    """Return the labels of each row by length and by chosen metadata.

    A key with very many values keeps only the most frequent ones, as in the figures.
    """
    samples = sheet.samples
    found = {"length": _labels(sheet, samples.lengths, _length_label)}
    for key in by:
        found[_name_of(key)] = _labels(sheet, metadata_labels(samples.metadata[key]), str)
    return found


def metadata_labels(values: Sequence[JsonValue]) -> list[str]:
    """Return a label per value; more than eight different numbers become quartiles."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < sum(v is not None for v in values) or len(set(numbers)) <= _MOST_NUMBERS:
        return [_label(value) for value in values]
    cuts = [c for level in (0.25, 0.5, 0.75) if (c := percentile(numbers, level)) is not None]

    def quarter(number: float) -> int:
        return sum(number > cut for cut in cuts)

    names = {
        place: f"{min(inside):g}–{max(inside):g}"
        for place, members in groupby(sorted(numbers), key=quarter)
        if (inside := list(members))
    }
    return [
        names[quarter(value)] if isinstance(value, int | float) else NO_VALUE for value in values
    ]


def _mean_if_missing(column: Column, sheet: Sheet, value: float | None) -> float | None:
    """Return the mean if every unscored row had this value; None if the range is open."""
    if value is None:
        return None
    if not sheet.has_repeats:
        away = column.not_applicable
        known = (v for row, v in enumerate(column.values) if v is not None or row not in away)
        return mean_of(array("d", (value if v is None else v for v in known)))
    means = []
    for rows in _by_sample(sheet, range(len(sheet.sample_of))):
        applicable = [row for row in rows if row not in column.not_applicable]
        filled = [column.values[row] for row in applicable]
        means += (
            [m] if (m := mean_of([value if v is None else v for v in filled])) is not None else []
        )
    return mean_of(means)


def _by_sample(sheet: Sheet, rows: Iterable[int]) -> Iterator[list[int]]:
    sample_of: Callable[[int], int] = sheet.sample_of.__getitem__
    for _, of_sample in groupby(rows, key=sample_of):
        yield list(of_sample)


def _nothing_scored(sheet: Sheet, config_file: str | None) -> CannotMeasure:
    """Return the error of an evaluation without any score, with its reason."""
    rows = len(sheet.statuses)
    of = f"{rows:,} {'row' if rows == 1 else 'rows'}"
    hint = f"see run.json; run again with lm-eval-so run -c {config_file or CONFIG_FILE}"
    answers = {status.value for status in RunStatus if status.is_answer}
    failed = Counter(status for status in sheet.statuses if status not in answers)
    if failed.total() == rows and rows:
        status, n = failed.most_common(1)[0]
        how = "missing in the run" if status == MISSING else f"ended with {status}"
        return CannotMeasure(f"nothing could be scored: {n:,} of {of} {how}", hint=hint)
    reasons = [
        f"{metric_id}: {n:,} of {of} {code}"
        for metric_id, column in sheet.columns.items()
        for code, n in [*column.codes.most_common(), ("not_applicable", len(column.not_applicable))]
        if n
    ]
    what = f"nothing could be scored: {'; '.join(reasons) or 'there are no rows'}"
    return CannotMeasure(what, hint="check that the metrics fit the dataset")


def _labels(sheet: Sheet, values: Sequence[T], label: Callable[[T], str]) -> Labels:
    rows = _rows_by_label(sheet, values, label)
    places = {label: place for place, label in enumerate(keep_largest(rows))}
    other = places.get(OTHER_VALUES, 0)
    of_rows = (places.get(label(values[sample]), other) for sample in sheet.sample_of)
    return Labels(  # few labels are kept, so that a byte names one
        values=tuple(places), places=array("B", of_rows) if sheet.in_file else tuple(of_rows)
    )


def _name_of(key: str) -> str:
    return f"metadata.{key}" if key in _BUILT_IN else key


def _slice(
    bound: Sequence[BoundMetric], sheet: Sheet, by: str, value: str, rows: Sequence[int]
) -> Slice:
    samples = len({sheet.sample_of[row] for row in rows}) if sheet.has_repeats else len(rows)
    return Slice(
        by=by,
        value=value,
        samples=samples,
        small=samples < _SMALL,
        metrics={each.id: slice_figures(each, sheet, rows) for each in bound},
    )


def _badness(
    each: Slice, bound: Sequence[BoundMetric], lead: str | None
) -> tuple[bool, float, str]:
    mean = each.metrics[lead].mean if lead is not None else None
    if mean is None:
        return True, 0.0, each.value
    is_higher = next(b.metric.higher_is_better for b in bound if b.id == lead)
    return False, mean if is_higher else -mean, each.value


def _groups(sheet: Sheet, by: Sequence[str]) -> "Iterator[tuple[str, dict[str, array[int]]]]":
    """Yield rows by value, one breakdown after the other."""
    samples = sheet.samples
    labels_of = [tuple(dict.fromkeys(tags)) or (NO_VALUE,) for tags in samples.tags.values]
    codes = samples.tags.codes
    yield (
        "tag",
        _collect(
            (tag, row)
            for row, sample in enumerate(sheet.sample_of)
            for tag in labels_of[codes[sample]]
        ),
    )
    yield "language", _rows_by_label(sheet, samples.languages, lambda name: name or NO_VALUE)
    yield "length", _rows_by_label(sheet, samples.lengths, _length_label)
    yield "status", _collect((status, row) for row, status in enumerate(sheet.statuses))
    for key in by:
        yield _name_of(key), _rows_by_label(sheet, metadata_labels(samples.metadata[key]), str)


def _rows_by_label(
    sheet: Sheet, values: Sequence[T], label: Callable[[T], str]
) -> "dict[str, array[int]]":
    """Return the rows by the label of their sample's value; a list of labels would take 8 bytes a sample."""
    return _collect((label(values[sample]), row) for row, sample in enumerate(sheet.sample_of))


def _collect(pairs: Iterable[tuple[str, int]]) -> "dict[str, array[int]]":
    found: dict[str, array[int]] = {}
    for label, row in pairs:
        if label not in found:
            found[label] = array("I")
        found[label].append(row)
    return found


def _length_label(length: int) -> str:
    return next((label for most, label in _LENGTHS if length <= most), _LONGEST)


def _label(value: JsonValue) -> str:
    if value is None:
        return NO_VALUE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
