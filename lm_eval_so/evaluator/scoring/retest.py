"""Rows that are judged once more, to see whether a judge repeats itself."""

import copy
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.scoring.score import score_row

_SEED = "seed"
_SEEDS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Retest:
    """A row that is judged once more."""

    bound: BoundMetric
    sample: TestSample
    run: RunResult
    first: Score
    """Score of the first time."""

    async def ask(self) -> Score:
        """Judge the row once more."""
        (again,) = await score_row([self.bound], self.sample, self.run, repeat=self.first.repeat)
        return again


class Retests:
    """Choice of rows by their hash, `judge.retest` of each metric, in whatever order they come.

    Args:
        bound: The metrics.
    """

    def __init__(self, bound: Sequence[BoundMetric]) -> None:
        asked = (each for each in bound if each.section.judges)
        self._bound = {each.id: each for each in asked if each.section.judge.retest}
        self._kept: dict[str, list[tuple[int, str, int, Retest]]] = {key: [] for key in self._bound}

    def add(self, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Consider a row, unless no judge gave it a value."""
        for score in scores:
            bound = self._bound.get(score.metric)
            if bound is None or score.value is None or not any(v.calls for v in score.judge):
                continue
            row = Retest(bound=bound, sample=sample, run=run, first=score)
            # a heap gives up its smallest entry first: here the largest hash
            entry = (-u64(score.metric, sample.id, run.repeat), sample.id, run.repeat, row)
            kept = self._kept[score.metric]
            if len(kept) < bound.section.judge.retest:
                heapq.heappush(kept, entry)
            else:
                heapq.heappushpop(kept, entry)

    def rows(self) -> Iterator[Retest]:
        """Yield the chosen rows, each with its metric under another seed."""
        for key, kept in self._kept.items():
            bound = self._bound[key]
            again = replace(bound, metric=reseeded(bound.metric))
            for entry in sorted(kept, key=lambda entry: entry[:3]):
                yield replace(entry[-1], bound=again)


def reseeded(metric: Metric) -> Metric:
    """Return a metric whose judges get another seed, so that the cache has no answer."""
    again = copy.copy(metric)
    again.env = replace(metric.env, judges=tuple(map(_reseeded, metric.env.judges)))
    return again


def _reseeded(judge: Judge) -> Judge:
    given = judge.params.get(_SEED)
    seed = (given + 1) % _SEEDS if isinstance(given, int) else 1
    params = {key: value for key, value in judge.params.items() if key != _SEED}
    # a seed among the parameters stays there: not every endpoint gets that of the request
    params |= {_SEED: seed} if given is not None else {}

    async def ask(request: ChatRequest) -> Answer:
        return await judge.ask(replace(request, seed=seed))

    return replace(judge, ask=ask, params=params)
