"""`instructions`: the share of verifiable instructions that an answer keeps."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.keywords import Boundary
from lm_eval_so.core.text.lengths import LengthUnit
from lm_eval_so.core.text.scripts import ScriptLanguage
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.form.honorific import Level
from lm_eval_so.evaluator.metrics.form.instruction_rules import RULES, Answer, variants

__all__ = ["Check", "Instructions"]

Text = Annotated[str, Field(min_length=1)]


class _Check(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Bounds(_Check):
    """Bounds of a count; at least one without bounds."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Counted(_Bounds):
    """Parts to count."""

    type: Literal[
        "sentences", "paragraphs", "bullets", "numbered", "headings", "highlights", "placeholders"
    ]


class Plain(_Check):
    """Property without parameters."""

    type: Literal["title", "json", "no_comma", "quoted", "no_hanja", "no_emoji", "hangul_only"]


class Edge(_Check):
    """Text at the start or end of an answer."""

    type: Literal["starts_with", "ends_with"]
    text: Text


class LengthOf(_Bounds):
    """Length of an answer."""

    type: Literal["length"]
    unit: LengthUnit = "graphemes"
    count_spaces: bool = True


class Words(_Check):
    """Texts that an answer must contain, or must not."""

    type: Literal["include", "exclude"]
    texts: tuple[Text, ...] = Field(min_length=1)
    mode: Literal["all", "any"] = "all"
    boundary: Boundary = "auto"


class CountOf(_Bounds):
    """Text to count."""

    type: Literal["count_of"]
    text: Text


class NoChar(_Check):
    """Characters that an answer must not contain."""

    type: Literal["no_char"]
    chars: Text


class Postscript(_Check):
    """Remark at the end."""

    type: Literal["postscript"]
    marker: Text | None = None


class NthParagraph(_Check):
    """Text at the start of a paragraph."""

    type: Literal["nth_paragraph_starts"]
    n: int = Field(ge=1)
    text: Text


class Repeated(_Check):
    """Request that the answer repeats first."""

    type: Literal["repeat_prompt"]
    text: Text | None = None


class TwoAnswers(_Check):
    """Two answers and their separator."""

    type: Literal["two_answers"]
    separator: Text = "******"


class LanguageOf(_Check):
    """Language of an answer."""

    type: Literal["language"]
    language: ScriptLanguage
    min_share: float = Field(default=0.6, gt=0, le=1)


class Politeness(_Check):
    """Politeness of an answer."""

    type: Literal["honorific"]
    level: Level = "polite"
    min_share: float = Field(default=1.0, gt=0, le=1)


Check = Annotated[
    Counted | Plain | Edge | LengthOf | Words | CountOf | NoChar | Postscript | NthParagraph
    | Repeated | TwoAnswers | LanguageOf | Politeness,
    Field(discriminator="type"),
]  # fmt: skip
"""Instruction that can be verified."""


class Instructions(Metric):
    """Share of the instructions about its form that the answer keeps.

    Definition: checks that hold / all `checks`; `mode: all` is 1 if all hold, else 0. `loose: true`
        also looks at the answer without its first line, without its last line, without both, and
        each without `*`: a check holds if it holds for one of them. An empty answer keeps none.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without `checks`.
    Language notes: made for Korean and English alike: spaces separate words (어절), texts are compared
        after the profile `basic`, particles may follow keywords.
    Source: in the spirit of Zhou et al. (2023), IFEval, arXiv:2311.07911, §2; own rules.
    """

    version = 2
    normalises = True
    requires = frozenset({"params.checks"})

    class Params(Metric.Params):
        """Instructions, each with its type."""

        checks: tuple[Check, ...] = ()
        mode: Literal["share", "all"] = "share"
        loose: bool = False

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Check each instruction."""
        params = self.params_for(sample)
        text = nfc(run.text)
        texts = list(variants(text)) if params.loose else [text]
        answers = [Answer(text, sample.question) for text in texts if text.strip()]
        broken = [
            check
            for check in params.checks
            if not any(RULES[check.type](answer, check) for answer in answers)
        ]
        kept = len(params.checks) - len(broken)
        value = float(not broken) if params.mode == "all" else kept / len(params.checks)
        names = ", ".join(map(_shown, broken))
        why = say_in_each("metrics.instructions_broken", {"checks": names})
        details: dict[str, JsonValue] = {"kept": kept, "broken": [check.type for check in broken]}
        return self.make_score(sample, value=value, reason=why if broken else None, details=details)


def _shown(check: BaseModel) -> str:
    given = check.model_dump(exclude_defaults=True)
    figures = ", ".join(f"{key}: {value}" for key, value in given.items() if key != "type")
    return f"{given['type']} ({figures})" if figures else given["type"]
