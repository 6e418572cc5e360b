"""Comparison of two JSON values, leaf by leaf."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.text.profiles import PROFILES, Profile, basic

Leaf = JsonValue
"""Text, number, true, false or null, or an empty object or list."""
SameLeaf = Callable[[str, Leaf, JsonValue], float]
"""Function from path, expected and found leaf to their match, 0 … 1."""

_MOST_EXTRA_ITEMS: Final = 1000
"""Most unexpected items of a list that are tried in a pair; the others are left over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Result of comparing two values."""

    hits: float = 0.0
    """Number of leaves as expected, partial matches as a share."""
    leaves: int = 0
    """Number of expected leaves."""
    extra: int = 0
    """Number of unexpected leaves."""
    wrong: tuple[str, ...] = field(default=())
    """Paths of the leaves that are missing or differ."""

    def __add__(self, other: "Matched") -> "Matched":
        return Matched(
            hits=self.hits + other.hits,
            leaves=self.leaves + other.leaves,
            extra=self.extra + other.extra,
            wrong=self.wrong + other.wrong,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of a comparison."""

    same: SameLeaf
    is_unordered: bool = False
    """Whether the items of lists are paired by best match, not by position."""


def match_leaves(expected: JsonValue, found: JsonValue, rules: Rules, path: str = "") -> Matched:
    """Compare a value with the expected one.

    Args:
        expected: Expected value.
        found: Found value.
        rules: Rules of the comparison.
        path: Path of both, such as items[0].name.
    """
    if isinstance(expected, dict) and expected:
        inner = found if isinstance(found, dict) else {}
        total = sum(
            (
                match_leaves(value, inner[key], rules, _join(path, key))
                if key in inner
                else _missing(value, _join(path, key))
                for key, value in expected.items()
            ),
            Matched(),
        )
        left = [value for key, value in inner.items() if key not in expected]
        return total + _left_over(left if isinstance(found, dict) else [found])
    if isinstance(expected, list) and expected:
        items = found if isinstance(found, list) else []
        left = items if isinstance(found, list) else [found]
        if not items:
            return _missing(expected, path) + _left_over([] if found == [] else left)
        return _match_lists(expected, items, rules, path)
    if isinstance(found, dict | list) and found:  # a leaf was expected
        return Matched(leaves=1, extra=count_leaves(found), wrong=(path,))
    share = rules.same(path, expected, found)
    return Matched(hits=share, leaves=1, wrong=() if share == 1 else (path,))


def count_leaves(value: JsonValue) -> int:
    """Count the leaves of a value; an empty object or list is one."""
    if isinstance(value, dict | list) and value:
        return sum(map(count_leaves, value.values() if isinstance(value, dict) else value))
    return 1


def paths(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield every value inside a value, itself first, with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, _join(path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from paths(inner, f"{path}[{position}]")


def is_branch(value: JsonValue) -> bool:
    """Return whether a value is an object or a list."""
    return isinstance(value, dict | list)


def same_scalar(expected: JsonValue, found: JsonValue, *, rel_tol: float = 0.0) -> bool:
    """Return whether two leaves other than texts are equal: 1 is 1.0, true is not 1."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        try:
            return expected == found or abs(found - expected) <= rel_tol * abs(expected)
        except OverflowError:  # an integer that no float can hold
            return False
    return type(expected) is type(found) and expected == found


def same_text(expected: str, found: str, profile: Profile) -> bool:
    """Return whether two texts are equal after a profile."""
    one, other = PROFILES[profile](expected), PROFILES[profile](found)
    # punctuation alone leaves nothing to compare: "?" is not "!"
    return one == other and (bool(one) or basic(expected) == basic(found))


def same_json(
    expected: JsonValue, found: JsonValue, *, is_subset: bool = False, profile: Profile = "basic"
) -> bool:
    """Return whether two values are equal.

    Args:
        expected: Expected value.
        found: Found value.
        is_subset: Whether objects may have more keys than expected, at every level.
        profile: Profile that normalises texts.
    """
    if isinstance(expected, str) and isinstance(found, str):
        return same_text(expected, found, profile)
    if isinstance(expected, dict) and isinstance(found, dict):
        return (is_subset or len(expected) == len(found)) and all(
            key in found and same_json(value, found[key], is_subset=is_subset, profile=profile)
            for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            same_json(one, other, is_subset=is_subset, profile=profile)
            for one, other in zip(expected, found, strict=True)
        )
    return same_scalar(expected, found)


def _match_lists(
    expected: list[JsonValue], items: list[JsonValue], rules: Rules, path: str
) -> Matched:
    taken = dict[int, Matched]()
    if rules.is_unordered:
        pairs = _pairs(expected, items, rules, path)
        taken = {place: found for place, (_, found) in pairs.items()}
        used = {position for position, _ in pairs.values()}
    else:
        used = set(range(min(len(expected), len(items))))
        for place in used:
            here = f"{path}[{place}]"
            taken[place] = match_leaves(expected[place], items[place], rules, here)
    total = Matched()
    for place, value in enumerate(expected):
        total += taken[place] if place in taken else _missing(value, f"{path}[{place}]")
    return total + _left_over([item for n, item in enumerate(items) if n not in used])


def _pairs(
    expected: list[JsonValue], items: list[JsonValue], rules: Rules, path: str
) -> dict[int, tuple[int, Matched]]:
    """Pair the items of two lists, the best fit first; ties go to the first of both."""
    candidates = [
        (_rank(found), place, position, found)
        for place, value in enumerate(expected)
        for position, item in enumerate(items[: len(expected) + _MOST_EXTRA_ITEMS])
        if (found := match_leaves(value, item, rules, f"{path}[{place}]")).hits
    ]
    candidates.sort(key=lambda candidate: candidate[:3])
    pairs: dict[int, tuple[int, Matched]] = {}
    used: set[int] = set()
    for _, place, position, found in candidates:
        if place not in pairs and position not in used:
            pairs[place] = (position, found)
            used.add(position)
    # what fits nothing still stands in the place of something
    places = [place for place in range(len(expected)) if place not in pairs]
    free = [n for n in range(len(items)) if n not in used]
    for place, position in zip(places, free, strict=False):
        found = match_leaves(expected[place], items[position], rules, f"{path}[{place}]")
        pairs[place] = (position, found)
    return pairs


def _rank(found: Matched) -> tuple[float, int]:
    return (-found.hits / found.leaves, found.extra)


def _missing(value: JsonValue, path: str) -> Matched:
    leaves = [where for where, inner in paths(value, path) if not (inner and is_branch(inner))]
    return Matched(leaves=len(leaves), wrong=tuple(leaves))


def _left_over(values: list[Any]) -> Matched:
    return Matched(extra=sum(map(count_leaves, values)))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
