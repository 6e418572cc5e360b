"""Which rows of a report belong to a sample."""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

Rows = tuple[int, ...]
"""Positions of a sample's rows, one per repeat."""
T = TypeVar("T")


class Samples:
    """Some samples of a report; metrics that have the same ones share what was found.

    Args:
        rows: Those of each sample.
    """

    def __init__(self, rows: Sequence[Rows]) -> None:
        self.rows = rows
        self._flat: list[int] | None = None
        self._is_in_order = False
        self._getter: Callable[[Any], Any] | None = None

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Give the entries of a column, sample by sample and repeat by repeat."""
        if self._flat is None:
            self._flat = list(chain.from_iterable(self.rows))
            self._is_in_order = self._flat == list(range(len(self._flat)))
        flat = self._flat
        if self._is_in_order and len(flat) == len(column):  # most candidates: as it stands
            return column
        if len(flat) < 2:
            return [column[row] for row in flat]
        if self._getter is None:
            self._getter = itemgetter(*flat)
        taken: tuple[T, ...] = self._getter(column)
        return taken
