"""Compact columns of a sheet: a hundred thousand rows may have a million scores."""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import overload

_MOST_SHARED = 10_000


class Values(Sequence[float | None]):
    """A number for each row, 8 bytes each; None without a number."""

    def __init__(self, values: Iterable[float | None] = ()) -> None:
        self._numbers = array("d", (math.nan if v is None else v for v in values))
        self._n = len(self._numbers)

    def __len__(self) -> int:
        return self._n

    def expect(self, rows: int) -> None:
        """Reserve memory: columns that grow side by side waste as much again between them."""
        self._numbers += array("d", [math.nan]) * (rows - len(self._numbers))

    @overload
    def __getitem__(self, row: int) -> float | None: ...

    @overload
    def __getitem__(self, row: slice) -> "Values": ...

    def __getitem__(self, row: int | slice) -> "float | Values | None":
        if isinstance(row, slice):
            return Values([self[at] for at in range(self._n)[row]])
        number = self._numbers[row if 0 <= row < self._n else range(self._n)[row]]
        return number if number == number else None

    def __setitem__(self, row: int, value: float | None) -> None:
        self._numbers[row] = math.nan if value is None else value

    def __iter__(self) -> Iterator[float | None]:
        return (v if v == v else None for v in islice(self._numbers, self._n))

    def shared(self) -> tuple[float | None, ...]:
        """Return all numbers, equal ones as one object: most metrics have few different values."""
        once: dict[float, float] = {}

        def share(number: float) -> float | None:
            if number != number:
                return None
            known = once.setdefault if len(once) < _MOST_SHARED else once.get
            return known(number, number)

        return tuple([share(number) for number in islice(self._numbers, self._n)])

    def present(self, rows: Iterable[int]) -> "array[float]":
        """Return the numbers that some rows have."""
        numbers = self._numbers
        return array("d", (number for row in rows if (number := numbers[row]) == number))

    def where(self, rows: Iterable[int]) -> "array[int]":
        """Return those of the rows that have a number."""
        numbers = self._numbers
        return array("L", (row for row in rows if numbers[row] == numbers[row]))

    def absent(self, rows: Iterable[int]) -> Iterator[int]:
        """Return those of the rows that have no number."""
        numbers = self._numbers
        return (row for row in rows if numbers[row] != numbers[row])

    def append(self, value: float | None) -> None:
        """Add a row."""
        number = math.nan if value is None else value
        if self._n < len(self._numbers):
            self._numbers[self._n] = number
        else:
            self._numbers.append(number)
        self._n += 1


class Flags:
    """A small number for each row, a byte each; 0 if never set."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __getitem__(self, row: int) -> int:
        return self._bytes[row] if row < len(self._bytes) else 0

    def __setitem__(self, row: int, value: int) -> None:
        if row >= len(self._bytes):
            self._bytes.extend(bytes(row + 1 - len(self._bytes)))
        self._bytes[row] = value

    def __iter__(self) -> Iterator[int]:
        return iter(self._bytes)


class RowSet(AbstractSet[int]):
    """A set of rows in ascending order: a byte for each row up to the last."""

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self._flags = Flags()
        self._n = 0
        for row in rows:
            self.add(row)

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and self._flags[row] == 1

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[int]:
        return (row for row, is_in in enumerate(self._flags) if is_in)

    def add(self, row: int) -> None:
        """Add a row."""
        self._n += self._flags[row] == 0
        self._flags[row] = 1
