"""Metrics that count what answer and reference share."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.korean import strip_josa
from lm_eval_so.core.text.profiles import PROFILES, Profile
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["TokenF1"]


class TokenF1(Metric):
    """How far the words of answer and reference are the same.

    Definition: 2PR/(P+R) of the bags of words (어절) after the profile, the best over all
        references; both empty 1, one empty 0. `josa: strip` takes particles off every word.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: words are what spaces part, so Korean spacing counts; "서울의" and "서울" are
        two words unless `josa: strip`.
    Source: Rajpurkar et al. (2016), SQuAD, EMNLP, §6.1; normalisation of KorQuAD 1.0.
    """

    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """How texts are made alike before they are cut into words."""

        profile: Profile = "korquad"
        josa: Literal["keep", "strip"] = "keep"

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Give the best F1 over the references."""
        params = self.params_for(sample)

        def words(text: str) -> list[str]:
            found = PROFILES[params.profile](text).split()
            return [strip_josa(word) for word in found] if params.josa == "strip" else found

        said = words(run.text)
        return self.make_score(sample, value=max(bag_f1(said, words(r)) for r in sample.answers))


def bag_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """Give F1 of two bags: 2PR/(P+R); both empty 1, one empty 0."""
    if not answer or not reference:
        return float(answer == reference)
    shared = (Counter(answer) & Counter(reference)).total()
    return 2 * shared / (len(answer) + len(reference))
