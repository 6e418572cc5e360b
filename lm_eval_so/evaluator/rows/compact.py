"""Flags and texts of very many rows: a byte each, and in memory or in a file that ends with the process."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from lm_eval_so.core.columns.column import InFile, Lines
from lm_eval_so.core.records.codec import dump_line

T = TypeVar("T")
Column = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]
"""Name of a column, the JSON value of an entry, and the entry of a JSON value."""


def as_it_is(value: T) -> T:
    """Return a value that JSON has, too."""
    return value


class Texts:
    """Columns that grow together, an entry each.

    Args:
        columns: The columns.
        in_file: Whether the entries are kept in a file, which takes half a byte of memory a row. It has no name,
            so it is gone as soon as nobody uses the columns.
    """

    def __init__(self, columns: Sequence[Column], *, in_file: bool) -> None:
        self._columns = columns
        self._lines = Lines(tempfile.TemporaryFile()) if in_file else None  # noqa: SIM115
        self._held: dict[str, list[Any]] = {name: [] for name, _, _ in columns}

    def add(self, *entries: Any) -> None:
        """Add an entry to each column."""
        if self._lines is not None:
            told = zip(self._columns, entries, strict=True)
            values = [to_json(entry) for (_, to_json, _), entry in told]
            self._lines.add(f"{dump_line(values)}\n".encode())
            return
        for column, entry in zip(self._held.values(), entries, strict=True):
            column.append(entry)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column, which grows with the others."""
        if self._lines is None:
            return self._held[name]
        place = [*self._held].index(name)
        _, _, from_json = self._columns[place]
        return InFile(self._lines, lambda values: from_json(values[place]))


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
