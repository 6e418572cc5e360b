"""`language_match`: the language of the answer, by its script."""

from typing import ClassVar, get_args

from pydantic import Field

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.scripts import ScriptLanguage, language_share
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.core.words.formats import percent
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Category, Metric

__all__ = ["LanguageMatch"]

_MIXED = "mixed"


class LanguageMatch(Metric):
    """Match of the answer's language with the sample's.

    Definition: 1 if at least `min_share` of the words with a letter are in `language`, else 0; the
        default is the sample's own. Code, web addresses and e-mail addresses do not count, but an
        answer that is all in a fence without a programming language does. A word
        with Hangul is ko, one with kana ja, one with 漢字 alone zh or ja, one with A–Z en. An answer
        without a letter ("30,000") is 1, vacuous.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable if neither the parameter nor the
        sample names a language, or the sample's is `mixed`. A sample in another language than ko,
        en, ja and zh is an error before anything is scored.
    Language notes: by script alone, so any language in Latin letters is en; "Docker를" is Korean.
    Source: own rules.
    """

    version = 2
    category: ClassVar[Category] = "heuristic"
    kind = MetricKind.BINARY
    normalises = True
    checks_every_sample = True

    class Params(Metric.Params):
        """Language, and the least share of words in it."""

        language: ScriptLanguage | None = None
        min_share: float = Field(default=0.6, gt=0, le=1)

    def applies(self, sample: TestSample) -> bool:
        """Return whether a language is named."""
        return self._language(sample) not in {None, _MIXED}

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find languages that cannot be recognised by their script."""
        problems = super().check_sample(sample)
        if problems or not self.applies(sample):
            return problems
        language, known = self._language(sample), get_args(ScriptLanguage)
        if language in known:
            return []
        what = f'{self.id}: sample {sample.id} has the language "{language}"'
        return [
            Problem(what=what, hint=f"only {', '.join(known)} are told; leave it out by `only`")
        ]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether enough words are in the script of the language."""
        language = self._language(sample)
        share = language_share(run.text, language)
        if share is None:
            return self.make_score(sample, value=True, vacuous=True)
        fits = share >= self.params_for(sample).min_share
        why = None if fits else self._why(share, language)
        return self.make_score(sample, value=fits, reason=why, details={"share": round(share, 4)})

    def _why(self, share: float, language: str | None) -> Wording:
        name = say_in_each(f"metrics.language_{language}")
        figures = {"share": percent(share), "language": name}
        return say_in_each("metrics.language_differs", figures)

    def _language(self, sample: TestSample) -> str | None:
        """Return the language by its code alone: ko of ko-KR."""
        own = (sample.language or "").partition("-")[0].lower()
        return self.params_for(sample).language or own or None
