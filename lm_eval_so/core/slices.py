"""Samples with something in common: how evaluation and comparison name them, and how many."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

S = TypeVar("S", bound=Sequence[int])

NONE: Final = "(none)"
"""The samples without a value."""
OTHER: Final = "(other)"
"""The samples of all values that are not kept by themselves."""

_MOST_VALUES = 30


def keep_largest(
    by_value: Mapping[str, S], size: Callable[[S], int] = len
) -> "dict[str, S | array[int]]":
    """Keep the 30 values that the most places have, and put the rest together as `OTHER`.

    Args:
        by_value: Places of rows or samples, ascending, by value.
        size: How many rows or samples some places stand for.
    """
    if len(by_value) <= _MOST_VALUES:
        return dict(by_value)
    named = by_value.keys() - {OTHER}  # a value may call itself that
    ordered = sorted(named, key=lambda value: (-size(by_value[value]), value))
    kept = {value: by_value[value] for value in ordered[:_MOST_VALUES]}
    rest = {place for value in by_value.keys() - kept.keys() for place in by_value[value]}
    return {**kept, OTHER: array("L", sorted(rest))}
