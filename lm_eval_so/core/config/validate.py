"""Validation that goes on after a mistake, so that one mistake hides no other.

An unknown key that resembles a known one is renamed to it, values that do not fit are removed, and
missing keys get a stand-in. Problems found in the rest are then valid, unless they are about a place
that was reported before.
"""

import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lm_eval_so.core.config.problems import Finding, field_at, find_in, value_at
from lm_eval_so.core.config.yaml_lines import Located, Path_, Place
from lm_eval_so.errors import Problem

M = TypeVar("M", bound=BaseModel)
S = TypeVar("S")

_MOST_ROUNDS = 20
_MOST_MENDED = 100
"""Findings in one round; a text with more is no config."""
_TEXT = "x"
"""Stand-in for a text or a path, valid as any name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Generic[S]):
    """A value made of the valid parts, with the problems of the rest."""

    value: S | None
    """The value; None if nothing could be made."""
    located: Located
    """The file, with the values in use."""
    at: Path_ = ()
    """Path of the values in the file."""
    problems: tuple[Problem, ...] = ()
    reported: frozenset[str] = field(default_factory=frozenset)
    """Keys whose values differ from the file."""

    @property
    def values(self) -> Any:
        """The values in use."""
        return value_at(self.located.values, self.at)

    def new(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return the problems that are about values of the file."""
        return [each for each in problems if not lies_in(each, self.reported)]


def validate_parts(
    model: type[M], located: Located, *, values: Any, at: Path_ = ()
) -> Validated[M]:
    """Validate the valid parts of values.

    Args:
        model: The model.
        located: The file, or values in its place.
        values: The values to validate.
        at: Path of the values in the file.
    """
    located = _with_places(replace(located, values=_set(located.values, at, values)), at)
    problems: list[Problem] = []
    reported: set[str] = set()
    stood: set[Path_] = set()
    for _ in range(_MOST_ROUNDS):
        values = value_at(located.values, at)
        try:
            made = model.model_validate(values)
        except ValidationError as error:
            found = find_in(error, values, model=model, located=located, at=at)
        else:
            return Validated(
                value=made,
                located=located,
                problems=tuple(problems),
                reported=frozenset(reported),
                at=at,
            )
        problems += [each.problem for each in found if not _follows(each.problem, reported)]
        reported |= {_key(each.problem) for each in found if each.kind != "unknown"} - {""}
        mended = _mended(located, at, found, model, stood)
        if mended is None:
            break
        located = mended
    return Validated(
        value=None, located=located, problems=tuple(problems), reported=frozenset(reported), at=at
    )


def lies_in(problem: Problem, keys: Collection[str]) -> bool:
    """Return whether a problem is about one of some keys, or about a key below it."""
    return any(_is_in(_key(problem), each) for each in keys)


def _follows(problem: Problem, reported: Collection[str]) -> bool:
    """Return whether a problem may follow from values removed before."""
    return lies_in(problem, reported) or any(_is_in(each, _key(problem)) for each in reported)


def _is_in(key: str, other: str) -> bool:
    return key == other or key.startswith((f"{other}.", f"{other}["))


def by_line(problems: Iterable[Problem], file: str) -> list[Problem]:
    """Return problems without duplicates, those of a file first, by line."""

    def place(problem: Problem) -> tuple[bool, int, int]:
        where = problem.where
        if where is None or where.file != file or where.line is None:
            return True, 0, 0
        return False, where.line, where.column or 0

    once = {(each.what, str(each.where)): each for each in problems}
    return sorted(once.values(), key=place)


def _key(problem: Problem) -> str:
    return (problem.where.key if problem.where else None) or ""


def _mended(
    located: Located,
    at: Path_,
    found: Sequence[Finding],
    model: type[BaseModel],
    stood: set[Path_],
) -> Located | None:
    """Return values without the findings; None if that is impossible."""
    if len(found) > _MOST_MENDED:
        return None
    out: set[Path_] = set()
    for each in found:
        path = (*at, *each.path)
        stands_in = _stand_in(field_at(model, each.in_model)) if each.kind == "missing" else None
        if each.near and each.near not in value_at(located.values, path[:-1]):
            located = _renamed(located, path, each.near)
        elif stands_in is not None:
            located = replace(located, values=_set(located.values, path, stands_in))
            stood.add(path)
        else:
            is_whole = each.kind == "missing" or path in stood
            out.add(path[:-1] if is_whole else path)
    if any(len(path) <= len(at) for path in out):
        return None
    # from the end, so that what leaves a list moves nothing that is still to leave it
    for path in sorted(out, key=lambda path: [(isinstance(p, str), p) for p in path], reverse=True):
        located = _without(located, path)
    return located


def _stand_in(wanted: FieldInfo | None) -> Any:
    """Return a stand-in for a missing key; None if there is none."""
    if wanted is None:
        return None
    annotation = wanted.annotation
    choices = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return choices[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {}
    return _TEXT if {str, Path} & {annotation, *choices} else None


def _renamed(located: Located, path: Path_, name: str) -> Located:
    parent, key = path[:-1], path[-1]
    items = value_at(located.values, parent).items()
    values = _set(located.values, parent, {name if k == key else k: v for k, v in items})

    def to(other: Path_) -> Path_:
        return (*parent, name, *other[len(path) :]) if other[: len(path)] == path else other

    return located.moved(values, to)


def _without(located: Located, path: Path_) -> Located:
    parent, key = path[:-1], path[-1]
    holder = value_at(located.values, parent)
    if isinstance(holder, Mapping):
        kept: Any = {k: v for k, v in holder.items() if k != key}
    else:
        kept = [each for number, each in enumerate(holder) if number != key]

    def to(other: Path_) -> Path_ | None:
        if other[: len(path)] == path:
            return None
        step = other[len(parent)] if other[: len(parent)] == parent and other != parent else None
        if isinstance(step, int) and isinstance(key, int) and step > key:
            return (*parent, step - 1, *other[len(path) :])
        return other

    return located.moved(_set(located.values, parent, kept), to)


def _set(values: Any, path: Path_, value: Any) -> Any:
    """Return a copy of values with one value at a path changed."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(values, list):
        return [_set(v, rest, value) if i == step else v for i, v in enumerate(values)]
    held = values if isinstance(values, Mapping) else {}
    return {**held, step: _set(held.get(step), rest, value)}


def _with_places(located: Located, at: Path_) -> Located:
    """Return a copy with a place for every value; values outside the file get that of their parent."""
    places = dict(located.places)

    def add(values: Any, path: Path_, above: Place) -> None:
        own = Place(above.line, above.column, (*above.path, path[-1])) if path else above
        place = places.setdefault(path, own)
        keys = values if isinstance(values, Mapping) else ()
        for key in keys or range(len(values) if isinstance(values, list) else 0):
            add(values[key], (*path, key), place)

    place = Place(None, None, ())
    for end in range(len(at)):
        own = Place(place.line, place.column, (*place.path, *at[end - 1 : end]))
        place = places.get(at[:end], own)
    add(value_at(located.values, at), at, place)
    return replace(located, places=places)
