"""Some places of columns, taken from one column after the other."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

T = TypeVar("T")


class Chosen:
    """Some of the places of columns; what takes them is made once.

    Args:
        places: They, in the order in which they are taken.
    """

    def __init__(self, places: Sequence[int]) -> None:
        self.places = places
        self._getter: Callable[[Any], Any] | None = None

    def take(self, column: Sequence[T]) -> Sequence[T]:
        """Return the entries of a column."""
        if len(self.places) < 2:  # an itemgetter of one gives no tuple
            return [column[place] for place in self.places]
        if self._getter is None:
            self._getter = itemgetter(*self.places)
        taken: tuple[T, ...] = self._getter(column)
        return taken
