"""Figures by slice: tag, language, length, status and metadata."""

import json
from array import array
from collections.abc import Iterable, Sequence
from itertools import groupby

from pydantic import JsonValue

from lm_eval_so.core.records.report import NO_VALUE, OTHER_VALUES, Labels, Slice, keep_largest
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.rows.sheet import Sheet
from lm_eval_so.evaluator.summary.fold import percentile, slice_figures

_BUILT_IN = frozenset({"tag", "language", "length", "status"})
_SMALL = 10
_MOST_NUMBERS = 8
_LENGTHS = ((50, "≤ 50"), (200, "51–200"))
_LONGEST = "> 200"


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
    for name, rows_by_value in _groups(sheet, by).items():
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
    found = {"length": [_length_label(length) for length in samples.lengths]}
    for key in by:
        found[_name_of(key)] = metadata_labels([told.get(key) for told in samples.metadata])
    return {name: _labels(sheet, labels) for name, labels in found.items()}


def _labels(sheet: Sheet, labels: Sequence[str]) -> Labels:
    rows = _rows_by_label(sheet, labels)
    places = {label: place for place, label in enumerate(keep_largest(rows))}
    other = places.get(OTHER_VALUES, 0)
    of_samples = [places.get(label, other) for label in labels]
    return Labels(
        values=tuple(places), places=tuple(of_samples[sample] for sample in sheet.sample_of)
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


def _groups(sheet: Sheet, by: Sequence[str]) -> "dict[str, dict[str, array[int]]]":
    """Return rows by value, for each breakdown."""
    samples = sheet.samples
    found = {
        "tag": _collect(
            (tag, row)
            for row, sample in enumerate(sheet.sample_of)
            for tag in dict.fromkeys(samples.tags[sample]) or (NO_VALUE,)
        ),
        "language": _rows_by_label(sheet, [language or NO_VALUE for language in samples.languages]),
        "length": _rows_by_label(sheet, [_length_label(length) for length in samples.lengths]),
        "status": _collect((status, row) for row, status in enumerate(sheet.statuses)),
    }
    for key in by:
        labels = metadata_labels([told.get(key) for told in samples.metadata])
        found[_name_of(key)] = _rows_by_label(sheet, labels)
    return found


def _rows_by_label(sheet: Sheet, labels: Sequence[str]) -> "dict[str, array[int]]":
    return _collect((labels[sample], row) for row, sample in enumerate(sheet.sample_of))


def _collect(pairs: Iterable[tuple[str, int]]) -> "dict[str, array[int]]":
    found: dict[str, array[int]] = {}
    for label, row in pairs:
        if label not in found:
            found[label] = array("L")
        found[label].append(row)
    return found


def _length_label(length: int) -> str:
    return next((label for most, label in _LENGTHS if length <= most), _LONGEST)


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


def _label(value: JsonValue) -> str:
    if value is None:
        return NO_VALUE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
