"""Texts of a column by what they are: where they stand, and how often."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby, pairwise

from lm_eval_so.core.columns.column import Column, key_of

_BUCKETS = 256


class Places:
    """Places of the texts of a column: 4 bytes each, beside its keys, if the texts stay in a file.

    Args:
        texts: The column.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def are_distinct(self) -> bool:
        """Return whether no text stands twice."""
        return self.count() == len(self._texts)

    def count(self) -> int:
        """Return the number of different texts."""
        if not isinstance(self._texts, Column):
            return len(self._by_text)
        keys, rows = self._ordered
        in_order = pairwise(map(keys.__getitem__, rows))
        return sum(key != next_key for key, next_key in in_order) + bool(rows)

    def find(self, text: str) -> int | None:
        """Return the last place of a text; None if there is none."""
        if not isinstance(self._texts, Column):
            return self._by_text.get(text)
        at = self._with_key(key_of(text))
        return at if at >= 0 and self._texts[at] == text else None

    def find_all(self, texts: Sequence[str]) -> Iterator[int]:
        """Yield the last place of each text of another column; −1 if there is none.

        In a file only the keys are compared: of ten million texts two share one with a chance of 3 in a million.
        """
        if not isinstance(self._texts, Column):
            return (self._by_text.get(text, -1) for text in texts)
        return self.find_keys(texts.keys if isinstance(texts, Column) else map(key_of, texts))

    def find_keys(self, keys: Iterable[int]) -> Iterator[int]:
        """Yield the last place of the text with each key, as `find_all`; the texts are those of a `Column`."""
        return map(self._with_key, keys)

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {text: row for row, text in enumerate(self._texts)}

    @cached_property
    def _ordered(self) -> "tuple[array[int], array[int]]":
        """Keys of the texts, and the rows in the order of their keys: sorted keys would take 8 bytes a row more."""
        assert isinstance(self._texts, Column)  # noqa: S101 - `find` said so
        return self._texts.keys, order_of(self._texts.keys)

    def _with_key(self, key: int) -> int:
        keys, rows = self._ordered
        at = bisect_right(rows, key, key=keys.__getitem__) - 1
        row: int = rows[at] if at >= 0 and keys[rows[at]] == key else -1
        return row


class Paired(Mapping[str, str]):
    """Entries of one column by those of another, where there are any; made only when they are asked for.

    Args:
        names: Column of the keys.
        values: Column of the values, as long or empty.
    """

    def __init__(self, names: Sequence[str], values: Sequence[str | None]) -> None:
        self._names, self._values, self._places = names, values, Places(names)

    def __getitem__(self, name: str) -> str:
        row = self._places.find(name) if self._values else None
        value = None if row is None else self._values[row]
        if not value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        told = zip(self._names, self._values, strict=False)
        return iter(dict.fromkeys(name for name, value in told if value))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def times_of_each(column: Sequence[str]) -> Iterator[int]:
    """Yield how many times each different text stands in a column."""
    if not isinstance(column, Column):
        return iter(Counter(column).values())
    keys = map(column.keys.__getitem__, order_of(column.keys))
    return (sum(1 for _ in same) for _, same in groupby(keys))


def order_of(keys: "array[int]") -> "array[int]":
    """Return the rows in ascending order of their 64-bit keys, equal ones as they stand: 4 bytes a row."""
    buckets = [array("I") for _ in range(_BUCKETS)]
    for row, key in enumerate(keys):
        buckets[key >> 56].append(row)
    ordered = array("I")
    buckets.reverse()
    while buckets:  # what is sorted goes, so that no row stands twice
        ordered.extend(sorted(buckets.pop(), key=keys.__getitem__))
    return ordered
