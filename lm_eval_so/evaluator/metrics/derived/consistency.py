"""`consistency`: agreement of the answers to one sample."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic, korquad
from lm_eval_so.core.text.units import cut
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.text.overlap import bag_f1

__all__ = ["Consistency"]

_OF_TEXTS = frozenset({"exact", "char_f1"})
_FEWEST = 2


class Consistency(Metric):
    """Agreement of the answers to one sample.

    Definition: mean over all pairs of repeats: `measure: exact` 1 if the texts are equal after the
        profile `basic`, else 0; `char_f1` F1 of the bags of characters after `korquad`; the id of
        a metric: 1 if both pass or both fail, or, without pass and fail, if the values are equal,
        else 0. One value per sample, at its first repeat; the others are not applicable.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: fewer than two repeats can be compared (`part_unscored`).
    Language notes: Korean is compared like any language; spacing counts for `exact`, not for `char_f1`.
    Source: own rules.
    """

    normalises = True
    requires = frozenset({"repeats"})

    class Params(Metric.Params):
        """Measure of a pair."""

        measure: str = "exact"

    @property
    def part_ids(self) -> tuple[str, ...]:
        """Id of the metric that is compared, if the measure is one."""
        return () if self.params.measure in _OF_TEXTS else (self.params.measure,)

    def check_part(self, part: Metric, *, decides: bool) -> str | None:  # noqa: ARG002 - as the base
        """Say why the values of a metric cannot be compared."""
        gives_one = type(part).score_repeats is not Metric.score_repeats or isinstance(
            part, Consistency
        )
        return "gives one value a sample" if gives_one else None

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find a sample that changes the measure."""
        found = super().check_sample(sample)
        if not found and self.params_for(sample).measure != self.params.measure:
            at = self.place_in(sample)
            found = [Problem(what=f"{at}.measure: the measure is that of the config")]
        return found

    def score_repeats(self, sample: TestSample, runs: Sequence[RunResult]) -> Score:
        """Compare the texts."""
        if self.params.measure == "exact":
            return self._share(sample, [basic(run.text) for run in runs])
        texts = [cut(korquad(run.text), "char") for run in runs]
        pairs = [bag_f1(one, other) for one, other in combinations(texts, 2)]
        value = math.fsum(pairs) / len(pairs)
        return self.make_score(sample, value=value, details={"unit": "char", "repeats": len(runs)})

    def score_parts(
        self,
        sample: TestSample,
        runs: Sequence[RunResult],  # noqa: ARG002 - as the base
        parts: Mapping[str, Sequence[Score]],
    ) -> Score:
        """Compare the scores of a metric."""
        scores = parts.get(self.params.measure, ())
        if scores and all(score.status is ScoreStatus.NOT_APPLICABLE for score in scores):
            return self.not_applicable(sample, f"{self.params.measure} does not apply")
        usable = [score for score in scores if score.status is ScoreStatus.SCORED]
        if len(usable) < _FEWEST:
            figures = {"n": len(usable), "of": len(scores)}
            why = say_in_each("metrics.too_few_repeats", figures)
            return self.unscored(sample, "part_unscored", why)
        decides = all(score.passed is not None for score in usable)
        return self._share(sample, [s.passed if decides else s.value for s in usable])

    def _share(self, sample: TestSample, said: Sequence[object]) -> Score:
        """Return the share of pairs that are equal."""
        equal = sum(math.comb(n, 2) for n in Counter(said).values())
        value = equal / math.comb(len(said), 2)
        return self.make_score(sample, value=value, details={"repeats": len(said)})
