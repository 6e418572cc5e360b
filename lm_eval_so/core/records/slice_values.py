"""Values of slices: names of absent and rare ones."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

S = TypeVar("S", bound=Sequence[int])
NO_VALUE: Final = "(none)"
"""Name of the slice of samples without a value."""
OTHER_VALUES: Final = "(other)"
"""Name of the slice of samples with a rare value."""
_MOST_VALUES = 30


def keep_largest(
    by_value: Mapping[str, S], size: Callable[[S], int] = len
) -> "dict[str, S | array[int]]":
    """Keep the 30 most frequent values, and join the rest as `OTHER_VALUES`.

    Args:
        by_value: Places of rows or samples, ascending, by value.
        size: Function that returns the number of rows or samples at some places.
    """
    if len(by_value) <= _MOST_VALUES:
        return dict(by_value)
    named = by_value.keys() - {OTHER_VALUES}  # a value may call itself that
    ordered = sorted(named, key=lambda value: (-size(by_value[value]), value))
    kept = {value: by_value[value] for value in ordered[:_MOST_VALUES]}
    rest = {place for value in by_value.keys() - kept.keys() for place in by_value[value]}
    return {**kept, OTHER_VALUES: array("L", sorted(rest))}
