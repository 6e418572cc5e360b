"""Base of all sections of the config."""

from pydantic import BaseModel


class Section(
    BaseModel,
    extra="forbid",
    frozen=True,
    populate_by_name=True,
    allow_inf_nan=False,
):
    """A section of the config: frozen, without unknown keys, described by the texts under its fields."""
