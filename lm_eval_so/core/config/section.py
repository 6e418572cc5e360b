"""What every part of the config is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config: no unknown keys, frozen, described by the texts under its fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )
