"""Which of the paired samples have something in common."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.core.records.report import NO_VALUE, Columns, keep_largest
from lm_eval_so.core.stats.groups import Chosen, Layout, lay_out


class Members:
    """The samples that have something in common.

    Args:
        by: tag, language, length, or a metadata key.
        value: What they have in common.
        samples: Their places among all that were divided.
        cells: What they are made of.
    """

    def __init__(
        self, by: str, value: str, *, samples: Sequence[int], cells: Sequence[int]
    ) -> None:
        self.by, self.value = by, value
        self.samples, self.cells = Chosen(samples), Chosen(cells)
        self._layout: Layout | None = None

    def by_group(self, groups: Sequence[Hashable]) -> Layout:
        """Put them in the order of their groups; `groups`, of all places, is looked at only once."""
        if self._layout is None:
            self._layout = lay_out(self.samples.places, self.samples.take(groups))
        return self._layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Samples, divided."""

    cells: Layout
    """Samples that lie in the same slices, side by side."""
    slices: Sequence[Members] = ()
    """But for those that hold all samples."""


class Slicer:
    """Divides samples; metrics with the same samples share what was found.

    Labels are those that the candidate's report tells of, else those of the baseline's: a report
    of an earlier release has none.
    """

    def __init__(self, reports: Reports) -> None:
        before = [reports.pairs.baseline] if reports.pairs else []
        self._sides = [reports.side, *before]
        self._known: list[tuple[Sequence[str], Division]] = []

    def divide(self, ids: Sequence[str]) -> Division:
        """Divide some samples by all that is told of them."""
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
                rows = [side.rows_by_id[name][0] for name in ids]
                kinds |= {kind.by: kind.at(rows) for kind in new}
        layout = lay_out(range(len(ids)), _cells(kinds.values(), len(ids)))
        slices = chain.from_iterable(_slices(kind, layout) for kind in kinds.values())
        return Division(cells=layout, slices=tuple(slices))


def _cells(kinds: Iterable["_Kind"], n: int) -> list[int]:
    """Give a number for each of n samples, the same where all keys are: a tuple each is slower."""
    numbers = [0] * n
    for kind in kinds:
        codes = {key: code for code, key in enumerate(dict.fromkeys(kind.column))}
        pairs = zip(numbers, kind.column, strict=True)
        numbers = [number * len(codes) + codes[key] for number, key in pairs]
    return numbers


def _slices(kind: "_Kind", layout: Layout) -> Iterator[Members]:
    sizes = layout.sizes
    by_label: dict[str, list[int]] = {}
    for cell, start in enumerate(layout.starts[:-1]):
        for label in kind.labels(kind.column[layout.order[start]]):
            by_label.setdefault(label, []).append(cell)
    kept = keep_largest(by_label, lambda cells: sum(map(sizes.__getitem__, cells)))
    for value, cells in kept.items():
        runs = map(layout.own, cells)
        places = sorted(chain.from_iterable(runs))  # near things are read faster
        if len(places) < len(layout.order):
            yield Members(kind.by, value, samples=places, cells=cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Something that rows are divided by."""

    by: str
    column: Sequence[Hashable]
    """A key per row, or per sample."""
    labels: Callable[[Any], Sequence[str]]
    """Gives the labels of a key."""

    def at(self, rows: Sequence[int]) -> "_Kind":
        """Return the keys of some rows."""
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
