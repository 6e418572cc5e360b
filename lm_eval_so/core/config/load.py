"""Reading `lm-eval-so.yaml`: nodes with lines, `${NAME}`, then the models; all problems at once."""

import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.core.config.model import SCHEMA_ID, Config
from lm_eval_so.core.config.override import override_value
from lm_eval_so.core.config.variables import fill_in, is_secret_place, shown_lines
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.yaml_lines import Located, Path_, read_yaml
from lm_eval_so.errors import ConfigError, Problem, Where, nearest

_PYTHON_WORDS = {
    "model_type": "input should be a mapping of keys",
    "path_type": "input should be a path",
    "list_type": "input should be a list",
    "tuple_type": "input should be a list",
    "dict_type": "input should be a mapping of keys",
}
"""Findings that pydantic words with names of classes."""
_LIST_TYPES = {"list_type", "tuple_type"}
_YAML_ENDS = {".yaml", ".yml"}


def load_config(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    rewritten: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read a config file.

    Args:
        path: The file.
        overrides: `key.path=value` texts, over the file; values are YAML.
        rewritten: The same, under these, where the value is made of what the file says: variables
            are filled in as there.
        environ: Environment for `${NAME}` and `${NAME:-default}`.

    Raises:
        InputError: If the file cannot be read.
        ConfigError: With every problem of the file, its line and key.
    """
    if not path.is_file():
        raise _no_config(path)
    located = read_yaml(path)
    if not isinstance(located.values, dict):
        raise ConfigError("not a mapping of keys", where=Where(file=str(path), line=1))
    problems: list[Problem] = []
    values = located.values
    for text in rewritten:
        values, _ = override_value(values, text)
    for text in overrides:
        values, at = override_value(values, text)
        located = replace(located, overridden=located.overridden | {at})
    _refuse_keys(located, problems)
    located = replace(located, values=values, lines=tuple(shown_lines(located)))
    return _make(fill_in(located, environ or {}, problems), folder=path.parent, problems=problems)


def make_config(
    values: Mapping[str, Any], *, folder: Path = Path(), base: Config | None = None
) -> Config:
    """Make a config of values instead of a file; errors as in `load_config`.

    Args:
        values: The values.
        folder: Where relative paths start.
        base: A config whose folder and whose sections that are not among the values are kept.
    """
    problems: list[Problem] = []
    located = fill_in(Located(values=dict(values)), {}, problems)
    if base is None:
        return _make(located, folder=folder, problems=problems)
    kept = {at: each for at, each in base.located.written.items() if at[0] not in values}
    both = {**base.located.values, **located.values}
    located = replace(located, values=both, written={**kept, **located.written})
    return _make(located, folder=base.folder, problems=problems)


def config_schema() -> dict[str, Any]:
    """Give the JSON Schema of the config file."""
    schema = TypeAdapter(Config).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def config_problems(
    error: ValidationError, located: Located, *, model: type[BaseModel], at: Path_ = ()
) -> Iterator[Problem]:
    """Turn pydantic's findings into problems with line, key and the nearest known key.

    Args:
        error: What validation found.
        located: The file.
        model: The model that was validated.
        at: Path of the validated value in the file.
    """
    for item in error.errors(include_url=False):
        path = (*at, *(part for part in item["loc"] if not _is_tag(part)))
        where = located.where(path)
        if item["type"] == "extra_forbidden":
            key = str(path[-1])
            known = sorted(_known_keys(model, path[len(at) : -1]))
            close = nearest(key, known)
            what = f'unknown key "{key}"' + (f' (did you mean "{close}"?)' if close else "")
            hint = None if close or not known else f"known here: {', '.join(known)}"
            yield Problem(what=what, where=where, hint=hint)
        elif item["type"] == "missing":
            hint = _wanted(model, path[len(at) :])
            yield Problem(what=f'the key "{path[-1]}" is missing', where=where, hint=hint)
        elif item["type"] == "union_tag_invalid":
            yield replace(_unknown_tag(item["ctx"]), where=where)
        elif item["type"] == "union_tag_not_found":
            key = item["ctx"]["discriminator"].strip("'")
            yield Problem(what=f'the key "{key}" is missing', where=where)
        else:
            written = located.written.get(path)
            found = item.get("input") if written is None else written.text
            found = None if is_secret_place(path) else found
            what, hint = _misfit({**item, "input": found}, model, path[len(at) :])
            yield Problem(what=what, where=where, hint=hint)


def params_problems(error: ValidationError, model: type[BaseModel], *, at: str) -> list[Problem]:
    """Turn pydantic's findings on parameters that stand in no config into problems.

    Args:
        error: What validation found.
        model: The model that was validated.
        at: Where they stand, for people; each problem begins with it and its key.
    """
    found = config_problems(error, Located(values={}), model=model, at=(at,) if at else ())
    told = [(p.where.key if p.where else None, p) for p in found]
    return [Problem(what=f"{key}: {p.what}" if key else p.what, hint=p.hint) for key, p in told]


def _no_config(path: Path) -> ConfigError:
    if path.is_dir():
        what = f"{path} is a folder, not a config file"
        return ConfigError(what, hint=f"name the file in it, as {path / CONFIG_FILE}")
    close = nearest(path.name, sorted(_yaml_files(path.parent)))
    hint = "make one with a dataset and metrics, or name it by -c FILE"
    if close:
        hint = f"did you mean {path.parent / close}? Name it by -c FILE"
    return ConfigError(f"no config file {path}", hint=hint)


def _yaml_files(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if each.suffix in _YAML_ENDS]
    except OSError:  # there is none, or nobody may look into it
        return []


def _misfit(item: Mapping[str, Any], model: type[BaseModel], path: Path_) -> tuple[str, str | None]:
    """Say what is wrong with a value, and what may stand there."""
    kind, value = item["type"], item.get("input")
    message = item["msg"].removeprefix("Value error, ")
    message = _PYTHON_WORDS.get(kind, message[:1].lower() + message[1:])
    shown = f", found {value!r}" if isinstance(value, str | int | float) else ""
    hint = None
    if kind == "string_pattern_mismatch" and (hint := _description(model, path)):
        message = "input should have another form"
    elif kind in _LIST_TYPES and isinstance(value, str):
        hint = f"write it as a list: [{value}]"
    return f"{message}{shown}", hint


def _wanted(model: type[BaseModel], path: Path_) -> str | None:
    """Say what to write for a key that is missing."""
    for field in _fields_at(model, path):
        choices = typing.get_args(field.annotation)
        if typing.get_origin(field.annotation) is typing.Literal and len(choices) == 1:
            return f"write {path[-1]}: {choices[0]}"
    return _description(model, path)


def _make(located: Located, *, folder: Path, problems: list[Problem]) -> Config:
    values = dict(located.values)
    values.pop("$schema", None)
    config: Config | None = None
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += config_problems(error, located, model=Config)
    if config is None or problems:
        raise ConfigError.of(problems)
    return config.placed(located, folder)


def _refuse_keys(located: Located, problems: list[Problem]) -> None:
    redactor = make_redactor({})
    for number, line in enumerate(located.lines, start=1):
        clean, found = redactor.redact_counting(line)
        if found:
            where = Where(file=located.file, line=number, text=clean)
            hint = "put it into an environment variable and name that by api_key_env"
            problems.append(Problem(what="this looks like a key", where=where, hint=hint))


def _is_tag(part: int | str) -> bool:
    # pydantic names the branch of a union in the path; none of our keys looks like this
    return isinstance(part, str) and ("[" in part or part in {"str", "list", "dict", "bool"})


def _unknown_tag(told: Mapping[str, Any]) -> Problem:
    """Say that the key by which one of several shapes is told names none of them."""
    key, tag = told["discriminator"].strip("'"), str(told["tag"])
    known = re.findall("'([^']*)'", told["expected_tags"])
    close = nearest(tag, known)
    what = f'unknown {key} "{tag}"' + (f' (did you mean "{close}"?)' if close else "")
    return Problem(what=what, hint=None if close else f"known here: {', '.join(known)}")


def _known_keys(model: type[BaseModel], path: Path_) -> set[str]:
    found = _models_at(model, path)
    return {field.alias or name for each in found for name, field in each.model_fields.items()}


def _description(model: type[BaseModel], path: Path_) -> str | None:
    """Give what the docstring of a key says, as a hint."""
    told = [f.description for f in _fields_at(model, path) if f.description]
    text = " ".join(told[0].split()) if told else ""
    return text[:1].lower() + text[1:].rstrip(".") if text else None


def _fields_at(model: type[BaseModel], path: Path_) -> list[FieldInfo]:
    fields = [f for each in _models_at(model, path[:-1]) for f in each.model_fields.items()]
    return [field for name, field in fields if (field.alias or name) == path[-1]]


def _models_at(model: type[BaseModel], path: Path_) -> list[type[BaseModel]]:
    """Give what may stand at a path: more than one model if that is one of several shapes."""
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
        else:  # pydantic names the shape that was told by a key in the path
            shared = set.intersection(*(set(each.model_fields) for each in found or [model]))
            found = [each for each in found if _is_told_by(each, shared, part)]
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
