"""Columns of very many rows: numbers in 8 bytes, repeated values once, texts that stay in a file."""

import math
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat
from operator import eq
from typing import Any, BinaryIO, Generic, TypeVar, overload
from weakref import finalize

from pydantic_core import from_json

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)
S = TypeVar("S")
_EVERY = 16
"""Lines per kept offset: half a byte a line, and a jump reads at most 15 lines too many."""
_BUCKETS = 256
_MOST_SHARED = 10_000
_KEY = 0xFFFF_FFFF_FFFF_FFFF


class Column(Sequence[T]):
    """A column that makes its entries when they are asked for."""

    def at(self, row: int) -> T:
        """Return an entry by its place, counted from 0."""
        raise NotImplementedError

    @overload
    def __getitem__(self, row: int) -> T: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...

    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        if isinstance(row, slice):
            return [self.at(place) for place in range(len(self))[row]]
        return self.at(range(len(self))[row])

    def __iter__(self) -> Iterator[T]:
        return map(self.at, range(len(self)))

    @cached_property
    def keys(self) -> "array[int]":
        """Keys of the entries, 8 bytes each; equal entries have equal keys."""
        return array("Q", map(key_of, self))

    def share_keys(self, other: "Column[T]") -> None:
        """Keep the keys of another column in the place of these, if they are equal: once instead of twice."""
        if self.keys == other.keys:
            self.keys = other.keys

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Column):
            return bool(self.keys == other.keys)
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


class Lines:
    """Lines of JSON in an open file, found by number; the last one is kept parsed.

    Args:
        file: File that is read from here on, and written to by `add` alone. It is closed as soon as nobody uses the
            lines.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        finalize(self, file.close)
        self._starts = array("Q")
        self._n = self._size = 0
        self._next = -1
        """Number of the line at the file's position; −1 if it is not known."""
        self._known = -1
        self._values: Any = None

    def __len__(self) -> int:
        return self._n

    def add(self, line: bytes) -> None:
        """Write a line, with its end, behind the last one."""
        if self._next != self._n:
            self._file.seek(self._size)
        self._file.write(line)
        self.note(len(line))

    def note(self, length: int) -> None:
        """Note that the line at the file's position was read or written."""
        if self._n % _EVERY == 0:
            self._starts.append(self._size)
        self._n += 1
        self._next = self._n
        self._size += length

    def at(self, number: int) -> Any:
        """Return the values of a line."""
        if number != self._known:
            self._values, self._known = from_json(self._line(number)), number
        return self._values

    def _line(self, number: int) -> bytes:
        if not self._next <= number < self._next + _EVERY or self._next < 0:
            self._next = number - number % _EVERY
            self._file.seek(self._starts[number // _EVERY])
        for _ in range(number - self._next):
            self._file.readline()
        self._next = number + 1
        return self._file.readline()


class InFile(Column[T]):
    """A column whose entries stand in lines of a file.

    Args:
        lines: The lines, one a row.
        take: Function that takes the entry out of the values of a line.
        keys: 64-bit keys of the entries, if they are known.
    """

    def __init__(
        self, lines: Lines, take: Callable[[Any], T], keys: "array[int] | None" = None
    ) -> None:
        self._lines, self._take = lines, take
        if keys is not None:
            self.keys = keys

    def __len__(self) -> int:
        return len(self._lines)

    def at(self, row: int) -> T:
        """Return an entry."""
        return self._take(self._lines.at(row))


class Picked(Column[T]):
    """Some entries of a column.

    Args:
        column: The column.
        places: Places of the entries.
    """

    def __init__(self, column: Sequence[T], places: Sequence[int]) -> None:
        self.column, self.places = column, places

    def __len__(self) -> int:
        return len(self.places)

    def at(self, row: int) -> T:
        """Return an entry."""
        return self.column[self.places[row]]


class Changed(Column[T], Generic[S, T]):
    """A column with every entry changed when it is asked for.

    Args:
        column: The column.
        change: Function of an entry.
    """

    def __init__(self, column: Sequence[S], change: Callable[[S], T]) -> None:
        self._column, self._change = column, change

    def __len__(self) -> int:
        return len(self._column)

    def at(self, row: int) -> T:
        """Return an entry."""
        return self._change(self._column[row])


class Coded(Column[H]):
    """A column of few different values: nothing for one, a byte a row, four bytes if there are more than 256."""

    def __init__(self, values: Iterable[H] = ()) -> None:
        self._values: list[H] = []
        self._codes: dict[H, int] = {}
        self._rows = array("B")
        """Place of each row's value; empty while all have the same."""
        self._n = 0
        for value in values:
            self.append(value)

    def __len__(self) -> int:
        return self._n

    @property
    def values(self) -> Sequence[H]:
        """The different values, in the order of their first rows."""
        return self._values

    @property
    def codes(self) -> Sequence[int]:
        """Place of each row's value among `values`."""
        return self._rows or bytes(self._n)

    def append(self, value: H) -> None:
        """Add a row."""
        code = self._codes.setdefault(value, len(self._values))
        if code == len(self._values):
            self._values.append(value)
            if code == 1:
                self._rows = array("B", bytes(self._n))
            elif code == _BUCKETS:
                self._rows = array("I", self._rows)
        if len(self._values) > 1:
            self._rows.append(code)
        self._n += 1

    def at(self, row: int) -> H:
        """Return an entry."""
        return self._values[self._rows[row] if self._rows else 0]

    def __iter__(self) -> Iterator[H]:
        if self._rows or not self._n:
            return map(self._values.__getitem__, self._rows)
        return repeat(self._values[0], self._n)


class Numbers(Sequence[float | None]):
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
    def __getitem__(self, row: slice) -> "Numbers": ...

    def __getitem__(self, row: int | slice) -> "float | Numbers | None":
        if isinstance(row, slice):
            return Numbers([self[at] for at in range(self._n)[row]])
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

    def compact(self) -> "Numbers | array[float]":
        """Return the numbers alone if every row has one, else this column."""
        if any(map(math.isnan, islice(self._numbers, self._n))):
            return self
        is_full = self._n == len(self._numbers)
        return self._numbers if is_full else self._numbers[: self._n]

    def present(self, rows: Iterable[int]) -> "array[float]":
        """Return the numbers that some rows have."""
        numbers = self._numbers
        return array("d", (number for row in rows if (number := numbers[row]) == number))

    def where(self, rows: Iterable[int]) -> "array[int]":
        """Return those of the rows that have a number."""
        numbers = self._numbers
        return array("I", (row for row in rows if numbers[row] == numbers[row]))

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


def is_large(column: object) -> bool:
    """Return whether a column makes its entries only when they are asked for."""
    return isinstance(column, Column)


def changed(column: Sequence[S], change: Callable[[S], T]) -> Sequence[T]:
    """Return a column with every entry changed."""
    return Changed(column, change) if is_large(column) else tuple(map(change, column))


def key_of(value: Hashable) -> int:
    """Return a number in 0 … 2⁶⁴−1 that no writer of a file can choose; it lasts as long as the process."""
    return hash(value) & _KEY
