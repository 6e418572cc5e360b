"""Figures of samples that have something in common."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import regex
from pydantic import JsonValue

from lm_eval_so.core.records.report import Slice
from lm_eval_so.evaluator.fold import percentile, slice_figures
from lm_eval_so.evaluator.score import BoundMetric
from lm_eval_so.evaluator.sheet import Sheet

NONE = "(none)"
OTHER = "(other)"

_SMALL = 10
_MOST_VALUES = 30
_MOST_NUMBERS = 8
_LENGTHS = ((50, "≤ 50"), (200, "51–200"))
_LONGEST = "> 200"
_GRAPHEME = regex.compile(r"\X")


def count_graphemes(text: str) -> int:
    """Count what people see as one character.

    Source: Unicode Standard Annex #29.
    """
    return len(text) if text.isascii() else sum(1 for _ in _GRAPHEME.finditer(text))


def break_down(
    bound: Sequence[BoundMetric], sheet: Sheet, *, lead: str | None, by: Sequence[str]
) -> tuple[Slice, ...]:
    """Give the figures by tag, language, length, status and chosen metadata.

    Args:
        bound: The metrics.
        sheet: The scores.
        lead: Metric by which slices are ordered, worst first.
        by: Metadata keys.
    """
    found = []
    for name, rows_by_value in _groups(sheet, by).items():
        if set(rows_by_value) == {NONE}:
            continue
        slices = [
            _slice(bound, sheet, name, value, rows)
            for value, rows in _largest(rows_by_value).items()
        ]
        found += sorted(slices, key=lambda each: _badness(each, bound, lead))
    return tuple(found)


def _slice(
    bound: Sequence[BoundMetric], sheet: Sheet, by: str, value: str, rows: Sequence[int]
) -> Slice:
    samples = len({sheet.sample_of[row] for row in rows})
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


def _groups(sheet: Sheet, by: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Give rows by value, for each thing to break down by."""
    samples = sheet.samples
    found = {
        "tag": _rows_by_label(sheet, [dict.fromkeys(s.tags) or (NONE,) for s in samples]),
        "language": _rows_by_label(sheet, [(s.language or NONE,) for s in samples]),
        "length": _rows_by_label(sheet, [(_length_label(s.length),) for s in samples]),
        "status": _collect((status, row) for row, status in enumerate(sheet.statuses)),
    }
    for key in by:
        labels = metadata_labels([sample.metadata.get(key) for sample in samples])
        found.setdefault(key, _rows_by_label(sheet, [(label,) for label in labels]))
    return found


def _rows_by_label(sheet: Sheet, labels: Sequence[Iterable[str]]) -> dict[str, list[int]]:
    return _collect(
        (label, row) for row, sample in enumerate(sheet.sample_of) for label in labels[sample]
    )


def _collect(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for label, row in pairs:
        found.setdefault(label, []).append(row)
    return found


def _largest(rows_by_value: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Keep the values with the most rows, and put the rest together."""
    if len(rows_by_value) <= _MOST_VALUES:
        return dict(rows_by_value)
    ordered = sorted(rows_by_value, key=lambda value: (-len(rows_by_value[value]), value))
    kept = {value: rows_by_value[value] for value in ordered[:_MOST_VALUES]}
    rest = {row for value in ordered[_MOST_VALUES:] for row in rows_by_value[value]}
    return {**kept, OTHER: sorted(rest)}


def _length_label(length: int) -> str:
    return next((label for most, label in _LENGTHS if length <= most), _LONGEST)


def metadata_labels(values: Sequence[JsonValue]) -> list[str]:
    """Give a label per value; more than eight different numbers become quartiles."""
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
    return [names[quarter(value)] if isinstance(value, int | float) else NONE for value in values]


def _label(value: JsonValue) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
