"""Which of the paired samples have something in common."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from lm_eval_so.comparator.measure import Reports
from lm_eval_so.core.records.report import Columns
from lm_eval_so.core.slices import NONE, keep_largest
from lm_eval_so.core.stats.groups import Layout, lay_out

_ONE = ord("1")
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")
T = TypeVar("T")


class Members:
    """Some of the samples of a metric, and their values in its columns.

    Args:
        by: tag, language, length, or a metadata key.
        value: What they have in common.
        positions: Where they stand among the samples.
    """

    def __init__(self, by: str, value: str, positions: Sequence[int]) -> None:
        self.by, self.value, self.positions = by, value, positions
        self._getter = itemgetter(*positions) if len(positions) > 1 else None
        self._blocks: Blocks | None = None
        self._mask: int | None = None

    def take(self, values: Sequence[T]) -> Sequence[T]:
        """Give their entries of a column that has one for every sample."""
        if self._getter is None:
            return [values[position] for position in self.positions]
        taken: tuple[T, ...] = self._getter(values)
        return taken

    def count(self, mask: int) -> int:
        """Count the members that a mask of all samples holds."""
        if self._mask is None:
            digits = bytearray(b"0") * (max(self.positions, default=-1) + 1)
            for position in self.positions:
                digits[-1 - position] = _ONE
            self._mask = int(digits or b"0", 2)
        return (self._mask & mask).bit_count()

    def blocks(self, groups: Sequence[Hashable]) -> "Blocks":
        """Give their groups; `groups`, of all samples, is looked at only once."""
        if self._blocks is None:
            layout = lay_out(self.positions, self.take(groups))
            self._blocks = Blocks(members=Members("", "", layout.order), layout=layout)
        return self._blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Samples in the order of their groups."""

    members: Members
    """In that order."""
    layout: Layout

    @property
    def are_single(self) -> bool:
        """Whether each sample is alone in its group."""
        return self.layout.units == len(self.members.positions)

    @property
    def names(self) -> list[int]:
        """Give a number of its group for each sample."""
        return [number for number, size in enumerate(self.layout.sizes) for _ in range(size)]


def mask_of(flags: Iterable[bool]) -> int:
    """Give a number whose bits are the flags, the first one the lowest."""
    digits = bytes(flags).translate(_DIGITS)
    return int(digits[::-1] or b"0", 2)


class Slicer:
    """Divides samples; metrics with the same samples share what was found.

    Labels are those that the candidate's report tells of, else those of the baseline's: a report
    of an earlier release has none.
    """

    def __init__(self, reports: Reports) -> None:
        before = [reports.pairs.baseline] if reports.pairs else []
        self._sides = [reports.side, *before]
        self._known: list[tuple[Sequence[str], tuple[Members, ...]]] = []

    def slices_of(self, ids: Sequence[str]) -> tuple[Members, ...]:
        """Give the slices of some samples, but for those that hold all of them."""
        for known, found in self._known:
            if known is ids or known == ids:
                return found
        divided = tuple(self._divide(ids))
        self._known.append((ids, divided))
        return divided

    def _divide(self, ids: Sequence[str]) -> Iterator[Members]:
        told: set[str] = set()
        for side in self._sides:
            rows = [side.rows_by_id[name][0] for name in ids]
            for kind in _kinds(side.columns):
                if kind.by in told:
                    continue
                told.add(kind.by)
                for value, positions in keep_largest(kind.divide(rows)).items():
                    if len(positions) < len(ids):
                        yield Members(kind.by, value, positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Something that rows are divided by."""

    by: str
    column: Sequence[Hashable]
    """A key per row."""
    labels: Callable[[Any], Sequence[str]]
    """Gives the labels of a key."""

    def divide(self, rows: Sequence[int]) -> dict[str, Sequence[int]]:
        by_key: dict[Hashable, list[int]] = {}
        for position, key in enumerate(map(self.column.__getitem__, rows)):
            by_key.setdefault(key, []).append(position)
        by_label: dict[str, list[list[int]]] = {}
        for key, positions in by_key.items():
            for label in self.labels(key):
                by_label.setdefault(label, []).append(positions)
        return {
            label: parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
            for label, parts in by_label.items()
        }


def _kinds(columns: Columns) -> Iterator[_Kind]:
    if columns.tags is not None:
        yield _Kind(
            by="tag",
            column=columns.tags,
            labels=lambda tags: tuple(dict.fromkeys(tags)) or (NONE,),
        )
    if columns.languages is not None:
        yield _Kind(by="language", column=columns.languages, labels=lambda name: (name or NONE,))
    for by, each in columns.labels.items():
        names = [(value,) for value in each.values]
        yield _Kind(by=by, column=each.places, labels=names.__getitem__)
