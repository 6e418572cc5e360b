"""Metrics of the wording: exact match, keywords, regular expressions."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, Self

import regex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.keywords import Boundary, keyword_finder
from lm_eval_so.core.text.profiles import (
    PROFILES,
    Profile,
    answer_variants,
    basic,
)
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Contains", "ExactMatch", "KeywordCoverage", "Regex"]


class ExactMatch(Metric):
    """Equality of answer and reference.

    Definition: 1 if answer and a reference are equal after the profile, else 0; under `answer`,
        if any of their forms with and without particles, copula and 한자 gloss are equal.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: "서울입니다." is "서울" under the profile `answer` only.
    Source: own rules; `korquad` and `korquad_v1` after the KorQuAD 1.0 script.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Profile that normalises texts."""

        profile: Literal[Profile, "answer"] = "basic"

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the answer equals a reference."""
        profile = self.params_for(sample).profile
        same = any(_equal(run.text, reference, profile) for reference in sample.answers)
        return self.make_score(sample, value=same)


class Contains(Metric):
    """Presence of the reference in the answer.

    Definition: 1 if a reference (`mode: all`: every reference) is found in the answer by the
        keyword rule, else 0.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: spaces beside Hangul do not matter; `boundary: word` takes particles.
    Source: own rules.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Boundary of a match, and the references that must be found."""

        boundary: Boundary = "auto"
        mode: Literal["any", "all"] = "any"

    def applies(self, sample: TestSample) -> bool:
        """Return whether a reference has a text; an empty one is in every answer."""
        return any(map(basic, sample.answers))

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the references are found."""
        params = self.params_for(sample)
        references = [reference for reference in sample.answers if basic(reference)]
        found = keyword_finder(run.text, boundary=params.boundary)
        holds = all if params.mode == "all" else any
        return self.make_score(sample, value=holds(map(found, references)))


class Keyword(BaseModel):
    """Text that the answer should contain, or several of which one is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str | None = None
    any_of: tuple[str, ...] = ()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_text(self) -> Self:
        if (self.text is None) == (not self.any_of):
            raise ValueError("a keyword needs either text or any_of")
        if not all(map(basic, self.forms)):
            raise ValueError("a keyword is empty")
        return self

    @property
    def forms(self) -> tuple[str, ...]:
        """The texts of which one is enough."""
        return self.any_of if self.text is None else (self.text,)


class KeywordCoverage(Metric):
    """Share of the keywords that the answer contains.

    Definition: sum of the weights of the keywords found by the keyword rule, over the sum of all;
        0 if a forbidden one is found; without keywords 1. `mode: all` and `any` give 1 or 0.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without keywords and forbidden ones.
    Language notes: spaces beside Hangul do not matter; `boundary: word` takes particles; a
        negation ("환불되지 않습니다") is not understood, use a judge for that.
    Source: own rules.
    """

    normalises = True
    requires = frozenset({"params.keywords|forbidden"})

    class Params(Metric.Params):
        """Required and forbidden keywords."""

        keywords: tuple[str | Keyword, ...] = ()
        forbidden: tuple[str, ...] = ()
        boundary: Boundary = "auto"
        mode: Literal["coverage", "all", "any"] = "coverage"

        @model_validator(mode="after")
        def _has_text(self) -> Self:
            texts = [keyword for keyword in self.keywords if isinstance(keyword, str)]
            if not all(map(basic, [*texts, *self.forbidden])):
                raise ValueError("a keyword is empty")
            return self

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the share of keywords found, and name the missing ones."""
        params = self.params_for(sample)
        keywords = [Keyword(text=k) if isinstance(k, str) else k for k in params.keywords]
        found = keyword_finder(run.text, boundary=params.boundary)
        hits = [any(map(found, keyword.forms)) for keyword in keywords]
        missing = [" | ".join(k.forms) for k, hit in zip(keywords, hits, strict=True) if not hit]
        forbidden = [text for text in params.forbidden if found(text)]
        value = 0.0 if forbidden else _coverage(keywords, hits, params.mode)
        if value == 1:
            return self.make_score(sample, value=value)
        code = "forbidden_found" if forbidden else "keywords_missing"
        texts = ", ".join(forbidden or missing)
        return self.make_score(
            sample,
            value=value,
            code=code,
            reason=say_in_each(f"metrics.{code}", {"texts": texts}),
            details={"missing": [*missing], "forbidden": [*forbidden]},
        )


class Regex(Metric):
    r"""Match of a regular expression in the answer.

    Definition: 1 if the pattern is found in the answer (`mode: fullmatch`: is all of it), else 0;
        `negate: true` swaps 1 and 0. Answer and pattern are in NFC, the answer after `profile`.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: the search takes longer than `timeout_s` (`regex_timeout`); not applicable
        without a pattern.
    Language notes: the syntax of the `regex` package: `\p{Hangul}`, `\X` and the like work.
    Source: own rules.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"params.pattern"})

    class Params(Metric.Params):
        """Pattern, and the way it is applied."""

        pattern: str | None = None
        mode: Literal["search", "fullmatch"] = "search"
        flags: str = Field(default="", pattern=r"^[imsx]*$")
        negate: bool = False
        profile: Profile = "raw"
        timeout_s: float = Field(default=1.0, gt=0, le=60)

        @model_validator(mode="after")
        def _compiles(self) -> Self:
            try:
                self.compiled()
            except regex.error as error:
                raise ValueError(f"no regular expression: {error}") from None
            return self

        def compiled(self) -> regex.Pattern[str]:
            """Return the compiled pattern."""
            return _compiled(self.pattern or "", self.flags)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the pattern is found within the time limit."""
        params = self.params_for(sample)
        pattern, text = params.compiled(), PROFILES[params.profile](nfc(run.text))
        match = pattern.fullmatch if params.mode == "fullmatch" else pattern.search
        try:
            found = match(text, timeout=params.timeout_s) is not None
        except TimeoutError:
            seconds = {"seconds": f"{params.timeout_s:g}"}
            why = say_in_each("metrics.regex_timeout", seconds)
            return self.unscored(sample, "regex_timeout", why)
        return self.make_score(sample, value=found != params.negate)


_FLAGS = {
    "i": regex.IGNORECASE,
    "m": regex.MULTILINE,
    "s": regex.DOTALL,
    "x": regex.VERBOSE,
}
_MOST_PATTERNS = 500


@lru_cache(_MOST_PATTERNS)  # what the package keeps takes five times as long to find
def _compiled(pattern: str, letters: str) -> regex.Pattern[str]:
    flags = regex.V0
    for letter in letters:
        flags |= _FLAGS[letter]
    return regex.compile(nfc(pattern), flags)


def _equal(answer: str, reference: str, profile: Literal[Profile, "answer"]) -> bool:
    if profile == "answer":
        met = answer_variants(answer) & answer_variants(reference)
        return any(met) or ("" in met and basic(answer) == basic(reference))
    normalise = PROFILES[profile]
    ours, theirs = normalise(answer), normalise(reference)
    # Punctuation alone leaves nothing to compare: "?" is not "!".
    return ours == theirs and (bool(ours) or basic(answer) == basic(reference))


def _coverage(keywords: Sequence[Keyword], hits: Sequence[bool], mode: str) -> float:
    if not keywords:
        return 1.0
    if mode != "coverage":
        return float(all(hits) if mode == "all" else any(hits))
    total = sum(keyword.weight for keyword in keywords)
    return sum(k.weight for k, hit in zip(keywords, hits, strict=True) if hit) / total
