"""`context_recall`: the share of the reference that the context supports."""

import asyncio
from typing import Any, Literal
from weakref import WeakValueDictionary

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    Claims,
    Reply,
    Row,
)
from lm_eval_so.evaluator.metrics.judge.passages import GroundedMetric, reference
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["ContextRecall"]


class ContextRecall(GroundedMetric):
    """Share of the reference that the context supports.

    Definition: claims of the reference that the context supports / claims with a verdict. The judge
        lists the claims of the first reference, as `faithfulness` does those of the answer, by a
        request that depends on question and reference alone, so that all answers are measured by
        one list; it then holds them against the passages that the chatbot reports (`context:
        sample`: the sample's `given` and `gold` ones). No claims: 1, vacuous. With a panel, the
        median of the judges' values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: no passages are reported (`not_reported`), more than 20 % of the claims are
        UNKNOWN (`judge_unknown`), none of the judge's quotes is in the reference or its output is
        unusable twice (`judge_invalid`), it refuses or cannot be reached. Not applicable without a
        reference.
    Language notes: as of `faithfulness`; passages may be in another language than the reference.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, and its documentation.
    """

    requires = frozenset({"expected", "judge"})

    class Params(Metric.Params):
        """Source of the passages."""

        context: Literal["bot", "sample"] = "bot"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def applies(self, sample: TestSample) -> bool:
        """Return whether there can be claims and passages, as far as the sample tells."""
        return bool(reference(sample)) and super().applies(sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, or 1 for a repeat, which finds the claims in the cache; 0 without passages."""
        return min(super().calls(sample, run), 1 if run.repeat else 2)

    def claimed(self, sample: TestSample, run: RunResult) -> tuple[str, str]:  # noqa: ARG002
        """Return question and reference: the same, whatever the answer."""
        return shown_input(sample), reference(sample)

    def claims_row(self, sample: TestSample, run: RunResult) -> Row:
        """Return a row that depends on question and reference alone."""
        return Row(seed=digest([*self.claimed(sample, run)]), sample_id=sample.id)

    async def list_claims(self, judge: Judge, sample: TestSample, run: RunResult) -> Reply[Claims]:
        """Ask one judge for the claims of the reference."""
        # one after the other, so that the repeats of a sample find the list in the cache
        key = f"{id(judge)}:{self.claims_row(sample, run).seed}"
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            return await super().list_claims(judge, sample, run)
