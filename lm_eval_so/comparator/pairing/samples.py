"""Which rows of a report belong to a sample."""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

from lm_eval_so.core.stats.groups import Chosen

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
        self._flat: Chosen | None = None
        self._is_in_order = False

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Return the entries of a column, sample by sample and repeat by repeat."""
        if self._flat is None:
            flat = list(chain.from_iterable(self.rows))
            self._flat, self._is_in_order = Chosen(flat), flat == list(range(len(flat)))
        if self._is_in_order and len(self._flat.places) == len(column):
            return column  # of most candidates: as it stands
        return self._flat.take(column)
