"""What a metric requires of a sample: told to people, and held against its parameters."""

from typing import Any


def is_given(params: Any, need: str) -> bool:
    """Return whether parameters have one of those that a need as "params.min|max" names."""
    return any(_says(params, name) for name in need.removeprefix("params.").split("|"))


def _says(params: Any, name: str) -> bool:
    value = getattr(params, name)
    # where the default is none at all, an empty list says something, as that no call is right
    is_told = isinstance(value, tuple | list) and type(params).model_fields[name].default is None
    return is_told or value not in (None, "", (), [], {})


def need_text(need: str) -> str:
    """Return what a metric needs of a sample, as people read it."""
    return need.replace("|", " or ")
