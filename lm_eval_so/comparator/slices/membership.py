"""Slices of the paired samples: samples with something in common."""

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, count
from typing import Any

from lm_eval_so.comparator.pairing import Reports, Side
from lm_eval_so.core.columns.column import Picked
from lm_eval_so.core.records.report import Columns
from lm_eval_so.core.records.slice_values import NO_VALUE, keep_largest
from lm_eval_so.core.stats.groups import Chosen, Layout, lay_out


class Members:
    """Samples of one slice.

    Args:
        by: Key of the slice: tag, language, length, or a metadata key.
        value: Value that the samples have in common.
        samples: Places among all samples that were divided.
        cells: Cells that the slice is made of.
    """

    def __init__(
        self, by: str, value: str, *, samples: Sequence[int], cells: Sequence[int]
    ) -> None:
        self.by, self.value = by, value
        self.samples, self.cells = Chosen(samples), Chosen(cells)
        self._layout: Layout | None = None

    def by_group(self, groups: Sequence[Hashable]) -> Layout:
        """Return the samples in the order of their groups; `groups`, of all places, is read only once."""
        if self._layout is None:
            self._layout = lay_out(self.samples.places, self.samples.take(groups))
        return self._layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Samples, divided."""

    cells: Layout
    """Samples that lie in the same slices, side by side."""
    slices: Sequence[Members] = ()
    """Slices that do not hold all samples."""


class Slicer:
    """Divides samples into slices; metrics with the same samples share one division.

    Labels are those of the candidate's report, else those of the baseline's: a report of an earlier
    release has none.
    """

    def __init__(self, reports: Reports) -> None:
        before = [reports.pairs.baseline] if reports.pairs else []
        self._sides = [reports.side, *before]
        self._known: list[tuple[Sequence[str], Division]] = []

    def divide(self, ids: Sequence[str]) -> Division:
        """Return the division of some samples by all their labels."""
        for known, found in self._known:
            if known is ids or known == ids:
                return found
        divided = self._divide(ids)
        self._known.append((ids, divided))
        return divided

    def _divide(self, ids: Sequence[str]) -> Division:
        kinds: dict[str, _Kind] = {}
        for side in self._sides:
            told = _kinds(side.columns)
            if new := [kind for kind in told if kind.by not in kinds]:
                rows = _first_rows(side, ids)
                kinds |= {kind.by: kind.at(rows) for kind in new}
        layout = lay_out(range(len(ids)), _cells(kinds.values(), len(ids)))
        slices = chain.from_iterable(_slices(kind, layout) for kind in kinds.values())
        return Division(cells=layout, slices=tuple(slices))


def _first_rows(side: Side, ids: Sequence[str]) -> Sequence[int]:
    """Return the first row of each of some samples that a side has."""
    given = side.rows_by_id
    if isinstance(ids, Picked) and ids.column is given.names:
        return given.rows.some(ids.places).firsts
    if ids is given.names:
        return given.rows.some(range(len(ids))).firsts
    return array("I", (given.rows.of(number)[0] for number in given.places.find_all(ids)))


def _cells(kinds: Iterable["_Kind"], n: int) -> "array[int]":
    """Return a number for each of n samples, equal if all keys are; tuples would be slower."""
    numbers = array("I", bytes(4 * n))
    for kind in kinds:
        codes: dict[tuple[int, Hashable], int] = {}
        pairs = zip(numbers, kind.column, strict=True)
        numbers = array("I", (codes.setdefault(pair, len(codes)) for pair in pairs))
    return numbers


def _slices(kind: "_Kind", layout: Layout) -> Iterator[Members]:
    sizes = layout.sizes
    by_label: dict[str, list[int]] = {}
    for cell, start in enumerate(layout.starts[:-1]):
        for label in kind.labels(kind.column[layout.order[start]]):
            by_label.setdefault(label, []).append(cell)
    kept = keep_largest(by_label, lambda cells: sum(map(sizes.__getitem__, cells)))
    for value, cells in kept.items():
        if sum(map(sizes.__getitem__, cells)) < len(layout.order):
            is_in = bytearray(len(layout.order))  # to sort the places would take 40 bytes for each
            for place in chain.from_iterable(map(layout.own, cells)):
                is_in[place] = 1
            yield Members(kind.by, value, samples=array("I", compress(count(), is_in)), cells=cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A key that rows are divided by."""

    by: str
    column: Sequence[Hashable]
    """Value per row, or per sample."""
    labels: Callable[[Any], Sequence[str]]
    """Labels of a value of the column."""

    def at(self, rows: Sequence[int]) -> "_Kind":
        """Return the keys of some rows."""
        if rows == range(len(self.column)):
            return self
        return replace(self, column=Chosen(rows).take(self.column))


def _kinds(columns: Columns) -> Iterator[_Kind]:
    if columns.tags is not None:
        yield _Kind(
            by="tag",
            column=columns.tags,
            labels=lambda tags: tuple(dict.fromkeys(tags)) or (NO_VALUE,),
        )
    if columns.languages is not None:
        yield _Kind(
            by="language", column=columns.languages, labels=lambda name: (name or NO_VALUE,)
        )
    for by, each in columns.labels.items():
        names = [(value,) for value in each.values]
        yield _Kind(by=by, column=each.places, labels=names.__getitem__)
