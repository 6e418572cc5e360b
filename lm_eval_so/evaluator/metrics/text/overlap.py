"""Metrics of overlap with a reference: shared characters, shared words, edit distance."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.edits import edit_distance
from lm_eval_so.core.text.korean import strip_josa
from lm_eval_so.core.text.profiles import PROFILES, Profile
from lm_eval_so.core.text.units import Tokenizer, cut, morphemes, unit_name
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.extras import Need, morpheme_need

__all__ = ["CharF1", "EditSimilarity", "TokenF1"]


class CharF1(Metric):
    """F1 of the characters of answer and reference.

    Definition: 2PR/(P+R) of the bags of characters after the profile, without spaces, the best
        over all references; both empty 1, one empty 0.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: the F1 of KorQuAD 1.0: a Hangul syllable is one character, so a particle too
        many costs little ("세종대왕이" for "세종대왕" gives 0.89) and spacing nothing.
    Source: the evaluation script of KorQuAD 1.0; `profile: korquad_v1` gives its figures.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Profile that normalises texts."""

        profile: Profile = "korquad"

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best F1 over the references."""
        profile = PROFILES[self.params_for(sample).profile]
        said = cut(profile(run.text), "char")
        value = max(bag_f1(said, cut(profile(text), "char")) for text in sample.answers)
        return self.make_score(sample, value=value, details={"unit": "char"})


class TokenF1(Metric):
    """F1 of the words of answer and reference.

    Definition: 2PR/(P+R) of the bags of words (어절) after the profile, the best over all
        references; both empty 1, one empty 0. `josa: strip` takes particles off every word.
        `unit: morph` counts morphemes instead, by `tokenizer`; particles are then those that it
        finds.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: spaces separate words, so Korean spacing counts; "서울의" and "서울" are
        two words unless `josa: strip`. Morphemes need the extra `ko` (mecab-ko) or `kiwi`.
    Source: Rajpurkar et al. (2016), SQuAD, EMNLP, §6.1; normalisation of KorQuAD 1.0;
        `profile: squad` gives the figures of the SQuAD script.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Profile that normalises texts, and the unit."""

        profile: Profile = "korquad"
        josa: Literal["keep", "strip"] = "keep"
        unit: Literal["space", "morph"] = "space"
        tokenizer: Tokenizer = "mecab-ko"

    def needs(self, params: Any) -> Need | None:
        """Return the tokenizer that morphemes need."""
        return morpheme_need(params)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best F1 over the references."""
        params = self.params_for(sample)
        said = _words(run.text, params)
        value = max(bag_f1(said, _words(text, params)) for text in sample.answers)
        unit = unit_name(params.unit, params.tokenizer)
        return self.make_score(sample, value=value, details={"unit": unit})


class EditSimilarity(Metric):
    """Similarity by edit distance of answer and reference.

    Definition: 1 − Levenshtein distance / length of the longer text, in characters after the
        profile, the best over all references; both empty 1. `unit: jamo` counts the letters that
        syllables are made of.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: a wrong vowel costs a whole syllable ("안녕하새요" for "안녕하세요" gives 0.8),
        under `unit: jamo` one letter of it (0.92).
    Source: Levenshtein (1966), Soviet Physics Doklady 10(8), 707–710.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Profile that normalises texts, and the unit of one edit."""

        profile: Profile = "basic"
        unit: Literal["char", "jamo"] = "char"

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best similarity over the references."""
        params = self.params_for(sample)

        def letters(text: str) -> str:
            known = PROFILES[params.profile](text)
            return unicodedata.normalize("NFD", known) if params.unit == "jamo" else known

        said = letters(run.text)
        value = max(similarity(said, letters(text)) for text in sample.answers)
        return self.make_score(sample, value=value, details={"unit": params.unit})


def bag_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """Return F1 of two bags: 2PR/(P+R); both empty 1, one empty 0."""
    if not answer or not reference:
        return float(answer == reference)
    there, said = Counter(reference), Counter(answer)
    # `&` of two counters takes thrice the time, `min` in a generator twice
    shared = sum([n if n < (m := said[unit]) else m for unit, n in there.items() if unit in said])
    return 2 * shared / (len(answer) + len(reference))


def similarity(one: str, other: str) -> float:
    """Return 1 − edit distance / length of the longer text; both empty 1."""
    longest = max(len(one), len(other))
    return 1 - edit_distance(one, other) / longest if longest else 1.0


def _words(text: str, params: TokenF1.Params) -> Sequence[str]:
    known, strips = PROFILES[params.profile](text), params.josa == "strip"
    if params.unit == "morph":
        found = morphemes(known, params.tokenizer)
        return [m.text for m in found if not (strips and m.is_particle)]
    return [strip_josa(word) for word in known.split()] if strips else known.split()
