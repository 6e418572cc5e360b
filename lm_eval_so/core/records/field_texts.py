"""Texts under the fields of a class, read from its source when a schema or an error shows them.

pydantic can read them itself, but does so for every class of every process: a quarter of the time
that a short command takes.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema, ModelSchema


@cache
def field_texts(cls: type) -> Mapping[str, str]:
    """Return the text under each field that has one, those of its bases included.

    Args:
        cls: A record or a pydantic model of this package.
    """
    texts: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.startswith(f"{__name__.partition('.')[0]}."):
            texts |= _own_texts(each)
    return texts


class DescribedSchema(GenerateJsonSchema):
    """JSON Schema in which every field is described by the text under it."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Return the schema of a pydantic model."""
        return _described(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """Return the schema of a dataclass."""
        return _described(super().dataclass_schema(schema), schema["cls"])


def _described(schema: JsonSchemaValue, cls: type) -> JsonSchemaValue:
    aliases = _aliases(cls)
    properties = schema.get("properties", {})
    for name, text in field_texts(cls).items():
        key = aliases.get(name) or name
        if key in properties:
            properties[key].setdefault("description", text)
    return schema


def _aliases(cls: type) -> Mapping[str, str | None]:
    """Return the name in files of each field that has another one there."""
    if issubclass(cls, BaseModel):
        return {name: field.alias for name, field in cls.model_fields.items()}
    hints = get_type_hints(cls, include_extras=True)
    given = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {
        name: each.alias
        for name, all_of in given.items()
        for each in all_of
        if hasattr(each, "alias")
    }


def _own_texts(cls: type) -> dict[str, str]:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
