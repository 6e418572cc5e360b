"""Problems made of pydantic's validation errors, with places and near names."""

import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lm_eval_so.core.config.variables import is_secret_place
from lm_eval_so.core.config.yaml_lines import Located, Path_
from lm_eval_so.core.records.field_texts import field_texts
from lm_eval_so.errors import Problem, nearest

_MOST_PROBLEMS = 1000
_LONGEST_SHOWN = 60
_PYTHON_WORDS = {
    "model_type": "input should be a mapping of keys",
    "path_type": "input should be a path",
    "list_type": "input should be a list",
    "tuple_type": "input should be a list",
    "dict_type": "input should be a mapping of keys",
}
"""Own texts for errors that pydantic words with names of classes."""
_LIST_TYPES = {"list_type", "tuple_type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in values."""

    kind: Literal["unknown", "missing", "misfit"]
    """Unknown key, missing key, or a value of the wrong kind."""
    path: Path_
    """Path of the key in the validated values."""
    in_model: Path_
    """Path of the key in the model, with the tried shape of a union."""
    problem: Problem
    near: str | None = None
    """Known key that an unknown key may mean."""


def find_in(
    error: ValidationError,
    values: Any,
    *,
    model: type[BaseModel],
    located: Located,
    at: Path_ = (),
) -> list[Finding]:
    """Turn pydantic's errors into findings, without errors of the other shapes of a union.

    Args:
        error: Error of the validation.
        values: The values that were validated.
        model: The model that was validated.
        located: The file.
        at: Path of the values in the file.
    """
    items = islice(error.errors(include_url=False), _MOST_PROBLEMS)
    told = [(item, _written(item, values)) for item in items]
    kept = _of_one_shape(told)
    found = [_finding(item, path, model, located, at) for item, path in kept]
    meant = {(*each.path[:-1], each.near) for each in found if each.near}
    return [each for each in found if each.kind != "missing" or each.path not in meant]


def config_problems(
    error: ValidationError, located: Located, *, model: type[BaseModel], at: Path_ = ()
) -> Iterator[Problem]:
    """Yield problems of pydantic's errors, with line, key and the nearest known key.

    Args:
        error: Error of the validation.
        located: The file.
        model: The model that was validated.
        at: Path of the validated value in the file.
    """
    found = find_in(error, value_at(located.values, at), model=model, located=located, at=at)
    return (each.problem for each in found)


def params_problems(
    error: ValidationError, model: type[BaseModel], *, at: str, values: Any
) -> list[Problem]:
    """Return problems of pydantic's errors on parameters outside a config.

    Args:
        error: Error of the validation.
        model: The model that was validated.
        at: Name of their place, for people; each problem begins with it and the key.
        values: The parameters.
    """
    nowhere, start = Located(values={}), (at,) if at else ()
    found = find_in(error, values, model=model, located=nowhere, at=start)
    told = [(p.where.key if p.where else None, p) for p in (each.problem for each in found)]
    return [Problem(what=f"{key}: {p.what}" if key else p.what, hint=p.hint) for key, p in told]


def value_at(values: Any, path: Path_) -> Any:
    """Return the value at a path; None if there is none."""
    for part in path:
        values = _inner(values, part)
    return values


def field_at(model: type[BaseModel], path: Path_) -> FieldInfo | None:
    """Return the field that a path of keys leads to."""
    return next(iter(_fields_at(model, path)), None)


def _finding(
    item: Mapping[str, Any], path: Path_, model: type[BaseModel], located: Located, at: Path_
) -> Finding:
    kind, in_model, place = item["type"], item["loc"], (*at, *path)
    where = located.where(place)
    if kind == "extra_forbidden":
        key = str(path[-1])
        known = sorted(_known_keys(model, in_model[:-1]))
        close = nearest(key, known)
        what = f'unknown key "{key}"' + (f' (did you mean "{close}"?)' if close else "")
        hint = None if close or not known else f"known here: {', '.join(known)}"
        problem = Problem(what=what, where=where, hint=hint)
        return Finding(kind="unknown", path=path, in_model=in_model, problem=problem, near=close)
    if kind == "missing":
        what, hint = f'the key "{path[-1]}" is missing', _wanted(model, in_model)
        problem = Problem(what=what, where=where, hint=hint)
        return Finding(kind="missing", path=path, in_model=in_model, problem=problem)
    if kind == "union_tag_invalid":
        problem = replace(_unknown_tag(item["ctx"]), where=where)
    elif kind == "union_tag_not_found":
        key = item["ctx"]["discriminator"].strip("'")
        problem = Problem(what=f'the key "{key}" is missing', where=where)
    else:
        written = located.written.get(place)
        found = item.get("input") if written is None else written.text
        found = None if place and is_secret_place(place) else found
        what, hint = _misfit({**item, "input": found}, model, in_model)
        problem = Problem(what=what, where=where, hint=hint)
    return Finding(kind="misfit", path=path, in_model=in_model, problem=problem)


def _written(item: Mapping[str, Any], values: Any) -> Path_:
    """Return the path of a pydantic error, without the names of union shapes.

    For a union pydantic names the tried shape, as `list[str]` or the name of a class, which is no
    key of the values.
    """
    loc, path = item["loc"], list[str | int]()
    *way, last = loc or ("",)
    for part in way:
        if _holds(values, part):
            path.append(part)
            values = _inner(values, part)
    is_key = item["type"] in {"extra_forbidden", "missing"}
    if loc and (is_key or _holds(values, last)):
        path.append(last)
    return tuple(path)


def _of_one_shape(
    told: Sequence[tuple[Mapping[str, Any], Path_]],
) -> list[tuple[Mapping[str, Any], Path_]]:
    """Return the errors without those of the other shapes of a union."""
    inner = [path for item, path in told if not _ends_in_shape(item, path)]
    chosen: dict[Path_, Mapping[str, Any]] = {}
    for item, path in told:
        if not _ends_in_shape(item, path) or any(other[: len(path)] == path for other in inner):
            continue
        if path not in chosen or _is_of_type(chosen[path]) > _is_of_type(item):
            chosen[path] = item
    return [
        (item, path)
        for item, path in told
        if not _ends_in_shape(item, path) or chosen.get(path) is item
    ]


def _is_of_type(item: Mapping[str, Any]) -> bool:
    kind: str = item["type"]
    return kind.endswith("_type")


def _ends_in_shape(item: Mapping[str, Any], path: Path_) -> bool:
    return bool(item["loc"]) and (not path or path[-1] != item["loc"][-1])


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, Mapping):
        return part in values
    is_list = isinstance(values, list | tuple)
    return is_list and isinstance(part, int) and 0 <= part < len(values)


def _inner(values: Any, part: str | int) -> Any:
    return values[part] if _holds(values, part) else None


def _misfit(item: Mapping[str, Any], model: type[BaseModel], path: Path_) -> tuple[str, str | None]:
    """Return text and advice for a value that does not fit."""
    kind, value = item["type"], item.get("input")
    message = item["msg"].removeprefix("Value error, ")
    message = _PYTHON_WORDS.get(kind, message[:1].lower() + message[1:])
    shown = f", found {_short(value)}" if isinstance(value, str | int | float) else ""
    hint = None
    if kind == "string_pattern_mismatch" and (hint := _description(model, path)):
        message = "input should have another form"
    elif kind in _LIST_TYPES and isinstance(value, str):
        hint = f"write it as a list: [{value}]"
    return f"{message}{shown}", hint


def _wanted(model: type[BaseModel], path: Path_) -> str | None:
    """Return advice for a missing key."""
    for field in _fields_at(model, path):
        choices = typing.get_args(field.annotation)
        if typing.get_origin(field.annotation) is typing.Literal and len(choices) == 1:
            return f"write {path[-1]}: {choices[0]}"
    return _description(model, path)


def _short(value: str | float) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _unknown_tag(told: Mapping[str, Any]) -> Problem:
    """Return the problem of an unknown tag of a tagged union."""
    key, tag = told["discriminator"].strip("'"), str(told["tag"])
    known = re.findall("'([^']*)'", told["expected_tags"])
    close = nearest(tag, known)
    what = f'unknown {key} "{tag}"' + (f' (did you mean "{close}"?)' if close else "")
    return Problem(what=what, hint=None if close else f"known here: {', '.join(known)}")


def _known_keys(model: type[BaseModel], path: Path_) -> set[str]:
    found = _models_at(model, path)
    return {field.alias or name for each in found for name, field in each.model_fields.items()}


def _description(model: type[BaseModel], path: Path_) -> str | None:
    """Return the description of a key, as advice."""
    found = _found_at(model, path)
    told = (field.description or field_texts(owner).get(name) for owner, name, field in found)
    text = " ".join(next(filter(None, told), "").split())
    return text[:1].lower() + text[1:].rstrip(".") if text else None


def _fields_at(model: type[BaseModel], path: Path_) -> list[FieldInfo]:
    return [field for _, _, field in _found_at(model, path)]


def _found_at(
    model: type[BaseModel], path: Path_
) -> Iterator[tuple[type[BaseModel], str, FieldInfo]]:
    for each in _models_at(model, path[:-1]):
        for name, field in each.model_fields.items():
            if (field.alias or name) == path[-1]:
                yield each, name, field


def _models_at(model: type[BaseModel], path: Path_) -> list[type[BaseModel]]:
    """Return the models allowed at a path, several for a union."""
    found = [model]
    is_own_name = False
    for part in path:
        if isinstance(part, int) or is_own_name:  # a position, or what people call an entry
            is_own_name = False
            continue
        fields = [f for each in found for f in each.model_fields.items()]
        inner = [f.annotation for name, f in fields if (f.alias or name) == part]
        if inner:
            is_own_name = any(_is_mapping(annotation) for annotation in inner)
            found = [section for annotation in inner for section in _sections_in(annotation)]
        else:  # pydantic names in the path which of several shapes it tried
            shared = set.intersection(*(set(each.model_fields) for each in found or [model]))
            named = [e for e in found if e.__name__ == part or _is_told_by(e, shared, part)]
            found = named or found
    return found


def _is_told_by(model: type[BaseModel], keys: Collection[str], tag: str) -> bool:
    return any(tag in typing.get_args(model.model_fields[key].annotation) for key in keys)


def _is_mapping(annotation: object) -> bool:
    origin = typing.get_origin(annotation)
    inner = typing.get_args(annotation) if origin in _HOLDING - {dict} else ()
    return origin is dict or any(_is_mapping(each) for each in inner)


def _sections_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in _HOLDING:
        for argument in typing.get_args(annotation):
            yield from _sections_in(argument)


_HOLDING = {typing.Annotated, typing.Union, types.UnionType, list, tuple, dict}
