"""The parameters of what `instructions` checks, told apart by `type`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lm_eval_so.core.text.keywords import Boundary
from lm_eval_so.core.text.lengths import LengthUnit
from lm_eval_so.core.text.scripts import ScriptLanguage
from lm_eval_so.evaluator.metrics.honorific import Level

Text = Annotated[str, Field(min_length=1)]


class _Check(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Bounds(_Check):
    """How many there must be; at least one if nothing is said."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Counted(_Bounds):
    """Things of which there must be so many."""

    type: Literal[
        "sentences", "paragraphs", "bullets", "numbered", "headings", "highlights", "placeholders"
    ]


class Plain(_Check):
    """What an answer is or is not."""

    type: Literal["title", "json", "no_comma", "quoted", "no_hanja", "no_emoji", "hangul_only"]


class Edge(_Check):
    """What an answer begins or ends with."""

    type: Literal["starts_with", "ends_with"]
    text: Text


class LengthOf(_Bounds):
    """How long an answer is."""

    type: Literal["length"]
    unit: LengthUnit = "graphemes"
    count_spaces: bool = True


class Words(_Check):
    """Texts that an answer must have, or must not have."""

    type: Literal["include", "exclude"]
    texts: tuple[Text, ...] = Field(min_length=1)
    mode: Literal["all", "any"] = "all"
    boundary: Boundary = "auto"


class CountOf(_Bounds):
    """A text that an answer must have so many times."""

    type: Literal["count_of"]
    text: Text


class NoChar(_Check):
    """Characters that an answer must not have."""

    type: Literal["no_char"]
    chars: Text


class Postscript(_Check):
    """A remark at the end."""

    type: Literal["postscript"]
    marker: Text | None = None


class NthParagraph(_Check):
    """What a paragraph begins with."""

    type: Literal["nth_paragraph_starts"]
    n: int = Field(ge=1)
    text: Text


class Repeated(_Check):
    """A request that is repeated before it is answered."""

    type: Literal["repeat_prompt"]
    text: Text | None = None


class TwoAnswers(_Check):
    """Two answers, and what parts them."""

    type: Literal["two_answers"]
    separator: Text = "******"


class LanguageOf(_Check):
    """The language of an answer."""

    type: Literal["language"]
    language: ScriptLanguage
    min_share: float = Field(default=0.6, gt=0, le=1)


class Politeness(_Check):
    """How polite an answer is."""

    type: Literal["honorific"]
    level: Level = "polite"
    min_share: float = Field(default=1.0, gt=0, le=1)


Check = Annotated[
    Counted | Plain | Edge | LengthOf | Words | CountOf | NoChar | Postscript | NthParagraph
    | Repeated | TwoAnswers | LanguageOf | Politeness,
    Field(discriminator="type"),
]  # fmt: skip
"""One instruction that can be verified."""
