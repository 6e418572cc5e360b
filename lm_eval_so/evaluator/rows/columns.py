"""Flags of rows: a byte each."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet


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
