"""Values of templates that users write: as texts and JSON values, within bounds."""

import math
from typing import Any

from jinja2.runtime import Undefined

from lm_eval_so.core.templates.grammar import TemplateFault

MOST_CHARACTERS = 2**20
"""Characters that a template, and any text on the way, may come to."""
_LARGEST = 2**53
"""Integers above are not exact in JSON's usual readers."""


def check_size(size: int) -> None:
    """Refuse a text that is too long.

    Args:
        size: Its characters.

    Raises:
        TemplateFault: If there are more than `MOST_CHARACTERS`.
    """
    if size > MOST_CHARACTERS:
        raise TemplateFault(f"a text comes to more than {MOST_CHARACTERS:,} characters")


def text_of(value: Any) -> str:
    """Return what a template writes of a value.

    Raises:
        TemplateFault: If it is none: of null, a list or a mapping.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which
    cure = "default('…', true)" if value is None else "tojson"
    raise TemplateFault(f"{kind_of(value)} is no text; write it with | {cure}")


def value_of(value: Any) -> Any:
    """Return what an expression gave as a JSON value.

    Raises:
        TemplateFault: If it is a method.
    """
    if value is None or isinstance(value, str | int | float | list | dict):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which
    if callable(value):
        raise TemplateFault("a method is no value; call it with ()")
    return list(value)


def kind_of(value: Any) -> str:
    """Name the kind of a value, for error texts."""
    kinds = {bool: "true or false", str: "a text", list: "a list", dict: "a mapping"}
    return "null" if value is None else kinds.get(type(value), "this value")


def within(number: Any) -> Any:
    """Return a number.

    Raises:
        TemplateFault: If JSON's usual readers do not read it as it is.
    """
    if isinstance(number, complex) or not abs(number) <= _LARGEST:
        raise TemplateFault("numbers go up to 2^53")
    return number
