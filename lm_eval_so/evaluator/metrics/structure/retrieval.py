"""`retrieval`: the passages that the chatbot reports against the gold ones."""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text import nfc
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Retrieval"]

Measure = Literal["recall", "precision", "hit", "mrr", "ndcg"]
_MOST_SHOWN = 10


class Retrieval(Metric):
    """Quality of the retrieved passages.

    Definition: ids of the gold passages (`gold_ids`, else the `doc_id`s of the sample's `gold`
        passages) against the first `k` of those that the chatbot reports, in its order, each id
        counted once. `recall`: share of the gold ids among them; `precision`: share of gold ids in
        them, so over fewer than `k` if fewer are reported; `hit`: 1 if there is one; `mrr`: 1/rank
        of the first gold one, else 0; `ndcg`: Σ 1/log₂(rank+1) over the gold ones, divided by the largest
        possible sum.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: the chatbot reports no ids (`not_reported`); not applicable without gold ids.
    Language notes: ids are compared in NFC, otherwise exactly.
    Source: Järvelin and Kekäläinen (2002), ACM TOIS 20(4), 422–446, for nDCG with binary gains.
    """

    requires = frozenset({"run.context_ids"})

    class Params(Metric.Params):
        """Gold passages, and the measure of the ranking."""

        gold_ids: tuple[str, ...] = ()
        measure: Measure = "recall"
        k: int = Field(default=10, ge=1)

    def applies(self, sample: TestSample) -> bool:
        """Return whether the gold passages are known."""
        return bool(self._gold(sample))

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the measure of the ranking."""
        params = self.params_for(sample)
        gold = self._gold(sample)
        reported = run.response.context_ids if run.response else ()
        if not reported:
            return self.unscored(sample, "not_reported")
        first = _unique(reported)[: params.k]
        missing = [writable(name) for name in gold if name not in first]
        figures = {"k": params.k, "ids": ", ".join(missing[:_MOST_SHOWN])}
        return self.make_score(
            sample,
            value=_measure(params.measure, gold, first, params.k),
            reason=say_in_each("metrics.gold_missing", figures) if missing else None,
            details={"missing": [*missing[:_MOST_SHOWN]], "reported": len(first)},
        )

    def _gold(self, sample: TestSample) -> list[str]:
        ids = self.params_for(sample).gold_ids or [
            passage.doc_id
            for passage in sample.context
            if passage.role == "gold" and passage.doc_id is not None
        ]
        return _unique(ids)


def _unique(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(nfc, ids)))


def _measure(measure: Measure, gold: Sequence[str], first: Sequence[str], k: int) -> float:
    wanted = {*gold}
    ranks = [rank for rank, name in enumerate(first, start=1) if name in wanted]
    match measure:
        case "recall":
            return len(ranks) / len(wanted)
        case "precision":
            return len(ranks) / len(first)
        case "hit":
            return float(bool(ranks))
        case "mrr":
            return 1 / ranks[0] if ranks else 0.0
        case "ndcg":
            best = range(1, min(len(wanted), k) + 1)
            return sum(map(_gain, ranks)) / sum(map(_gain, best))


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)
