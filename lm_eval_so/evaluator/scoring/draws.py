"""Rows drawn by their hash while all are scored: to judge once more, and for people to label."""

import copy
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.judging.vote_tallies import was_asked
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.scoring.score_sample import score_row

GOOD = 0.5
"""Value from which a label is a good one."""

_SEED = "seed"
_SEEDS = 2**31

T = TypeVar("T")
_Key = tuple[int, str, int]
"""Hash, sample id and repeat of a row: the same on every machine."""
_Stratum = Literal["unscored", "good", "bad"]


class _Draw(Generic[T]):
    """The items with the smallest keys, in whatever order items come.

    Args:
        most: Largest number of items.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[_Entry[T]] = []

    def add(self, key: _Key, item: T) -> None:
        entry = _Entry(key, item)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def entries(self) -> "list[_Entry[T]]":
        return sorted(self._heap, key=_key)


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    key: _Key
    item: T

    def __lt__(self, other: "_Entry[T]") -> bool:
        return self.key > other.key  # the heap gives up the largest key first


def _key(entry: _Entry[Any]) -> _Key:
    return entry.key


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
    """Draw of the rows to judge once more, `judge.retest` of each metric.

    Args:
        bound: The metrics.
    """

    def __init__(self, bound: Sequence[BoundMetric]) -> None:
        asked = (each for each in bound if each.section.judges)
        self._bound = {each.id: each for each in asked if each.section.judge.retest}
        self._draws: dict[str, _Draw[Retest]] = {
            key: _Draw(each.section.judge.retest) for key, each in self._bound.items()
        }

    def add(self, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Consider a row, unless no judge gave it a value."""
        for score in scores:
            bound = self._bound.get(score.metric)
            if bound is None or score.value is None or not was_asked(score):
                continue
            key = (u64(score.metric, sample.id, run.repeat), sample.id, run.repeat)
            row = Retest(bound=bound, sample=sample, run=run, first=score)
            self._draws[score.metric].add(key, row)

    def rows(self) -> Iterator[Retest]:
        """Yield the drawn rows, each with its metric under another seed."""
        for key, draw in self._draws.items():
            bound = self._bound[key]
            again = replace(bound, metric=reseeded(bound.metric))
            for entry in draw.entries():
                yield replace(entry.item, bound=again)


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


class LabelRows:
    """Draw of the answers for people to label: half of them judged good, half bad.

    Args:
        seed: Seed of the draw.
        most: Answers per metric.
    """

    def __init__(self, *, seed: int, most: int) -> None:
        self._seed = seed
        self._most = most
        self._metrics: dict[str, Metric] = {}
        self._draws: dict[tuple[str, _Stratum], _Draw[tuple[TestSample, RunResult]]] = {}

    def open(self, bound: Sequence[BoundMetric]) -> None:
        """Begin with these metrics; those that judge by labels get rows."""
        self._metrics = {each.id: each.metric for each in bound if each.has_labels}

    def add(self, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Consider a row for each metric whose judge was asked about it."""
        for score in scores:
            stratum = _stratum(score) if score.metric in self._metrics else None
            if stratum is None or self._metrics[score.metric].knows(sample, run):
                continue
            drawn = u64("labels", self._seed, score.metric, sample.id, run.repeat)
            draw = self._draws.setdefault((score.metric, stratum), _Draw(self._most))
            draw.add((drawn, sample.id, run.repeat), (sample, run))

    def counts(self) -> dict[str, int]:
        """Return the number of drawn rows by metric id."""
        return {metric_id: len(self._drawn(metric_id)) for metric_id in self._metrics}

    def rows(self) -> Iterator[tuple[Metric, TestSample, RunResult]]:
        """Yield the drawn rows with the metric that each is to be labelled for."""
        for metric_id, metric in self._metrics.items():
            for entry in self._drawn(metric_id):
                yield metric, *entry.item

    def _drawn(self, metric_id: str) -> list[_Entry[tuple[TestSample, RunResult]]]:
        """Return the rows of a metric: those without a verdict first, then the others, mixed.

        At most half of the rows have no verdict, since such rows say nothing of right or wrong.
        """
        nothing = _Draw[tuple[TestSample, RunResult]](0)
        strata: tuple[_Stratum, ...] = ("unscored", "good", "bad")
        lost, good, bad = (self._draws.get((metric_id, s), nothing).entries() for s in strata)
        judged = len(good) + len(bad)
        lost = lost[: max(self._most // 2, self._most - judged)]
        free = self._most - len(lost)
        half = free - free // 2
        n_good = min(len(good), max(half, free - len(bad)))
        rest = [*good[:n_good], *bad[: free - n_good]]
        # an order by label would tell it
        return [*lost, *sorted(rest, key=_key)]


def _stratum(score: Score) -> _Stratum | None:
    if not was_asked(score):
        return None
    if score.status is ScoreStatus.UNSCORED:
        return None if score.code == "judge_budget" else "unscored"
    if score.status is not ScoreStatus.SCORED or score.value is None or score.label is None:
        return None
    return "good" if score.value >= GOOD else "bad"
