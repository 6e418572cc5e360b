"""The rows of samples, found by id: a few bytes a sample, however many there are."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import TypeVar, overload

from lm_eval_so.core.columns.column import Picked, is_large
from lm_eval_so.core.columns.index import Places
from lm_eval_so.core.records.report import Columns

T = TypeVar("T")
Rows = tuple[int, ...]
"""Positions of a sample's rows in a report, one per repeat."""


class SampleRows(Sequence[Rows]):
    """Rows of some samples of a report.

    Args:
        flat: Rows of all its samples, sample by sample.
        starts: Start of each sample's rows in there, then their number.
        chosen: Numbers of the samples that these are.
    """

    def __init__(self, flat: Sequence[int], starts: Sequence[int], chosen: Sequence[int]) -> None:
        self.flat, self.starts, self.chosen = flat, starts, chosen

    @property
    def firsts(self) -> Sequence[int]:
        """First row of each sample."""
        if isinstance(self.flat, range) and isinstance(self.starts, range):
            return self.chosen  # one row each
        flat, starts = self.flat, self.starts
        return array("I", (flat[starts[sample]] for sample in self.chosen))

    def rows(self) -> Sequence[int]:
        """Return all rows, sample by sample."""
        if len(self.chosen) == len(self.starts) - 1 and isinstance(self.chosen, range):
            return self.flat
        if isinstance(self.starts, range):
            return self.firsts
        return array("I", chain.from_iterable(self))

    def some(self, chosen: Sequence[int]) -> "SampleRows":
        """Return the rows of other samples of the same report."""
        return SampleRows(self.flat, self.starts, chosen)

    def of(self, sample: int) -> Rows:
        """Return the rows of a sample, by its number; empty if it has none."""
        return tuple(self.flat[self.starts[sample] : self.starts[sample + 1]])

    def has(self, sample: int) -> bool:
        """Return whether a sample has a row."""
        return self.starts[sample] < self.starts[sample + 1]

    def __len__(self) -> int:
        return len(self.chosen)

    @overload
    def __getitem__(self, place: int) -> Rows: ...

    @overload
    def __getitem__(self, place: slice) -> "SampleRows": ...

    def __getitem__(self, place: int | slice) -> "Rows | SampleRows":
        if isinstance(place, slice):
            return self.some(self.chosen[place])
        return self.of(self.chosen[place])

    def __iter__(self) -> Iterator[Rows]:
        if isinstance(self.flat, range) and isinstance(self.starts, range):
            return zip(self.chosen)
        return map(self.of, self.chosen)


class RowsById(Mapping[str, Rows]):
    """Rows by sample, in dataset order.

    Args:
        names: Id of each sample of the report.
        rows: Rows of those that are in here.
        places: Index of the names, shared by selections of the same samples.
    """

    def __init__(
        self, names: Sequence[str], rows: SampleRows, places: Places | None = None
    ) -> None:
        self.names, self.rows = names, rows
        self.places = places or Places(names)

    def without(self, rows: Iterable[int], *, n: int) -> "RowsById":
        """Return the rows without some of the n rows of the report; a sample without a row is left out."""
        left_out = flags_of(rows, n)
        if isinstance(self.rows.flat, range) and isinstance(self.rows.starts, range):
            kept = array("I", (row for row in self.rows.chosen if not left_out[row]))
            starts = array("I", accumulate((not flag for flag in left_out), initial=0))
            return RowsById(self.names, SampleRows(kept, starts, kept), self.places)
        flat, sizes, kept = array("I"), array("I"), array("I")
        for sample in range(len(self.names)):
            own = [row for row in self.rows.of(sample) if not left_out[row]]
            flat.extend(own)
            sizes.append(len(own))
            if own:
                kept.append(sample)
        starts = array("I", accumulate(sizes, initial=0))
        return RowsById(self.names, SampleRows(flat, starts, kept), self.places)

    def numbers_in(self, other: "RowsById") -> Iterator[int]:
        """Yield for each of these samples its number in another report; −1 if it is not there.

        Both lack the same samples, if any were left out.
        """
        if other.names is self.names:
            return iter(self.rows.chosen)
        return other.places.find_all(pick(self.names, self.rows.chosen))

    def __getitem__(self, sample_id: str) -> Rows:
        sample = self.places.find(sample_id)
        rows = () if sample is None else self.rows.of(sample)
        if not rows:
            raise KeyError(sample_id)
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(pick(self.names, self.rows.chosen))

    def __len__(self) -> int:
        return len(self.rows)


def rows_by_id(columns: Columns) -> tuple[RowsById, str | None]:
    """Find the rows of each sample, and an id that has the same repeat twice, if there is one."""
    ids, n = columns.ids, len(columns.ids)
    places = Places(ids)
    if places.are_distinct():
        rows = SampleRows(range(n), range(n + 1), range(n))
        return RowsById(ids, rows, places), None
    flat, sizes = _grouped(ids)
    starts = array("I", accumulate(sizes, initial=0))
    names = pick(ids, array("I", map(flat.__getitem__, starts[:-1])))
    rows = SampleRows(flat, starts, range(len(sizes)))
    doubles = (
        name
        for name, own in zip(names, rows, strict=True)
        if len({columns.repeats[row] for row in own}) < len(own)
    )
    return RowsById(names, rows), next(doubles, None)


def pick(column: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    """Return some entries of a column, as lazily as the column itself."""
    if isinstance(places, range) and places == range(len(column)):
        return column
    if is_large(column):
        return Picked(column, places)
    return tuple(map(column.__getitem__, places))


def flags_of(rows: Iterable[int], n: int) -> bytearray:
    """Return a byte for each of n rows, 1 for those that are named."""
    flags = bytearray(n)
    for row in rows:
        flags[row] = 1
    return flags


def _grouped(ids: Sequence[str]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows, sample by sample, and how many each sample has."""
    starts = array("I", [0])
    starts.extend(row for row, (last, name) in enumerate(pairwise(ids), 1) if name != last)
    if Places(pick(ids, starts)).are_distinct():  # the rows of each sample stand together
        return range(len(ids)), array("I", (b - a for a, b in pairwise([*starts, len(ids)])))
    found: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        found.setdefault(name, []).append(row)
    flat = array("I", chain.from_iterable(found.values()))
    return flat, array("I", map(len, found.values()))
