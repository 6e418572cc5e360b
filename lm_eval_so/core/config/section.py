"""Base of all sections of the config, and the sections inside of a metric's that name no backend."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from lm_eval_so.core.records.enums import Language


class Section(
    BaseModel,
    extra="forbid",
    frozen=True,
    populate_by_name=True,
    allow_inf_nan=False,
):
    """A section of the config: frozen, without unknown keys, described by the texts under its fields."""


def _template_of(value: Any) -> Any:
    """Return the language of a template, or its file."""
    if isinstance(value, str) and value not in {*Language} and not _TEMPLATE.fullmatch(value):
        raise ValueError("say en, ko or a file that ends with .j2")
    return value


_TEMPLATE = re.compile(r"[^\n\r\0]{1,200}\.j2")
AnyTemplate = Annotated[
    Language | str, Field(union_mode="left_to_right"), BeforeValidator(_template_of)
]


class JudgeSection(Section):
    """Settings of asking and checking a judge."""

    template: AnyTemplate = Language.EN
    """Language of the judge's instructions, or a template of your own: a .j2 file, in Korean if its
    name ends with .ko.j2."""
    quorum: int | None = Field(default=None, ge=1)
    """Usable votes that a panel needs; default: more than half."""
    retest: int = Field(default=0, ge=0)
    """Rows to judge a second time, without the cache, to measure the judge's consistency."""
    executor: Literal["live", "batch"] = "live"
    """Way of asking the judge; batch uses its endpoint's batch service: cheaper, within a day."""
    calibration: Path | None = None
    """Path of the calibration.json made by `calibrate`."""

    @property
    def template_file(self) -> str | None:
        """File of a template of the user's own."""
        return None if isinstance(self.template, Language) else self.template

    @property
    def language(self) -> Language:
        """Language of what a judge is told beside a template: notes, and problems of its output."""
        if isinstance(self.template, Language):
            return self.template
        return Language.KO if self.template.endswith(".ko.j2") else Language.EN


class OnlySection(Section):
    """Filter of samples for a metric; a sample must match each list."""

    tags: list[str] = Field(default_factory=list)
    """Samples with at least one of these tags."""
    language: list[str] = Field(default_factory=list)
    """Samples whose language is exactly one of these."""
