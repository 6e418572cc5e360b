"""JSON Schemas: checked when they are read, applied without a network and in bounded time.

Only this module imports `jsonschema`, on first use, since that takes 0.1 s.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import regex
from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records.codec import dotted
from lm_eval_so.core.text.json_in_text import composed

Schema: TypeAlias = dict[str, JsonValue] | bool
"""Schema: an object, or true or false for a schema that always or never fits."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_PATTERN_TIMEOUT_S: Final = 1.0
_LONGEST_MESSAGE: Final = 200
_PROBES: Final[tuple[JsonValue, ...]] = (None, {}, [])


class Broken(NamedTuple):
    """First rule of a schema that a value breaks."""

    path: str
    """Path in the value, such as items[0].name; "" for the whole."""
    message: str
    keyword: str


def find_broken(schema: Schema, value: JsonValue) -> Broken | None:
    """Return the first rule of a schema that a value breaks; None if it keeps all.

    Args:
        schema: Schema without a `schema_problem`.
        value: Value to check.

    Raises:
        TimeoutError: If a `pattern` takes too long on a text of the value.
    """
    try:
        error = next(_validator(_text(schema)).iter_errors(value), None)
    except RecursionError:
        return Broken("", "nested too deeply", "")
    if error is None:
        return None
    path = writable(_cut(dotted(tuple(error.absolute_path))))
    return Broken(path, writable(_cut(error.message)), str(error.validator))


def schema_problem(schema: Schema) -> str | None:
    """Return the problem of a schema; None if it can be used."""
    return _problem(_text(schema))


@lru_cache(maxsize=256)
def _problem(text: str) -> str | None:
    library, schema = _library(), json.loads(text)
    dialect = _dialect(schema)
    if library.validators.validator_for({"$schema": dialect}, default=None) is None:
        return f'its $schema "{dialect}" is not known'
    try:
        # patterns are checked below, by the package that applies them
        no_formats = library.FormatChecker(())
        _validator_class(dialect).check_schema(schema, format_checker=no_formats)
        _check_parts(schema, dialect)
        for value in _PROBES:  # a schema that refers to itself without end shows it now
            next(_validator(text).iter_errors(value), None)
    except library.exceptions.SchemaError as error:
        at = dotted(tuple(error.absolute_path))
        return f"{at}: {_cut(error.message)}" if at else _cut(error.message)
    except _referencing().exceptions.Unresolvable as error:
        return f'the reference "{error.ref}" leads nowhere; remote ones are not followed'
    except regex.error as error:
        return f"a pattern is no regular expression: {error}"
    except RecursionError:
        return "it refers to itself without end"
    return None


def _check_parts(schema: Any, dialect: str) -> None:
    """Follow every reference and compile every pattern."""
    specification = _referencing().jsonschema.specification_with(dialect)
    root = specification.create_resource(schema)
    registry = importlib.import_module("jsonschema_specifications").REGISTRY

    def walk(part: Any, resolver: Any) -> None:
        if isinstance(part.contents, Mapping):
            for keyword in _REFERENCES:
                if isinstance(reference := part.contents.get(keyword), str):
                    resolver.lookup(reference)
            for pattern in [*part.contents.get("patternProperties", {})]:
                regex.compile(pattern)
            if isinstance(pattern := part.contents.get("pattern"), str):
                regex.compile(pattern)
        for inner in part.subresources():
            walk(inner, resolver.in_subresource(inner))

    walk(root, registry.resolver_with_root(root))


@lru_cache(maxsize=256)
def _validator(text: str) -> Any:
    schema = json.loads(text)
    # an empty registry: the default one fetches what it does not know
    return _validator_class(_dialect(schema))(schema, registry=_referencing().Registry())


@cache
def _validator_class(dialect: str) -> Any:
    """Return the library's validator, with rules of bounded time in place of its own."""
    library = _library()
    stock = library.validators.validator_for(
        {"$schema": dialect}, default=library.Draft202012Validator
    )
    fails = library.exceptions.ValidationError
    additional = stock.VALIDATORS["additionalProperties"]

    def pattern(validator: Any, wanted: str, value: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and not _finds(wanted, value):
            yield fails(f"{value!r} does not match {wanted!r}")

    def pattern_properties(validator: Any, rules: Any, value: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(value, "object"):
            for wanted, rule in rules.items():
                for key in filter(_finder(wanted), value):
                    yield from validator.descend(value[key], rule, path=key, schema_path=wanted)

    def additional_properties(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(value, "object"):
            patterns, known = [*schema.get("patternProperties", {})], schema.get("properties", {})
            rest = {
                key: inner
                for key, inner in value.items()
                if key not in known and not any(_finds(wanted, key) for wanted in patterns)
            }
            yield from additional(validator, rule, rest, {})

    def unique_items(validator: Any, wanted: bool, value: Any, _: Any) -> Iterator[Any]:
        items = value if wanted and validator.is_type(value, "array") else []
        if len({json.dumps(_plain(item), sort_keys=True) for item in items}) < len(items):
            yield fails("it has non-unique elements")

    rules: dict[str, Callable[..., Iterator[Any]]] = {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional_properties,
        "uniqueItems": unique_items,
    }
    return library.validators.extend(stock, rules)


def _finder(pattern: str) -> Callable[[str], bool]:
    return lambda text: _finds(pattern, text)


def _finds(pattern: str, text: str) -> bool:
    return regex.search(pattern, text, timeout=_PATTERN_TIMEOUT_S) is not None


def _plain(value: Any) -> Any:
    """Return a value with equal numbers written alike: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _dialect(schema: Any) -> str:
    return str(schema.get("$schema", _DIALECT)) if isinstance(schema, dict) else _DIALECT


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} …"


def _text(schema: Schema) -> str:
    """Return a schema as a text, the key of caches; the order of its rules stays."""
    return json.dumps(composed(schema))


@cache
def _library() -> Any:
    importlib.import_module("jsonschema.validators")
    return importlib.import_module("jsonschema")


@cache
def _referencing() -> Any:
    importlib.import_module("referencing.jsonschema")
    return importlib.import_module("referencing")
