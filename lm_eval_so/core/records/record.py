"""The decorator that makes a class a record."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

from pydantic import ConfigDict

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted, keyword-only dataclass whose fields describe themselves.

    A text under a field becomes its description in the JSON Schema (`field_texts`). A dataclass costs a third of
    a pydantic model to build; validation happens only where a file is read (`codec`).
    """
    config = ConfigDict(ser_json_inf_nan="constants", serialize_by_alias=True)
    cls.__pydantic_config__ = config  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)
