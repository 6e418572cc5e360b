"""Answers for people to label: chosen by chance, half of them judged good, half bad."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.judging.votes import was_asked
from lm_eval_so.evaluator.metrics.base import Metric

GOOD = 0.5
"""Value from which a label is a good one."""

_Stratum = Literal["unscored", "good", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    key: int
    """Random number, the same on every machine."""
    sample: TestSample
    run: RunResult

    def __lt__(self, other: "_Row") -> bool:
        return self.key > other.key  # the heap gives up the largest key first


class LabelRows:
    """Choice of the answers, which keeps no more than may be needed.

    Args:
        seed: Seed of the choice.
        most: Answers per metric.
    """

    def __init__(self, *, seed: int, most: int) -> None:
        self._seed = seed
        self._most = most
        self._metrics: dict[str, Metric] = {}
        self._kept: dict[tuple[str, _Stratum], list[_Row]] = {}

    def open(self, bound: Sequence[BoundMetric]) -> None:
        """Begin with these metrics; those that judge by labels get rows."""
        self._metrics = {each.id: each.metric for each in bound if each.metric.labels}

    def add(self, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Consider a row for each metric whose judge was asked about it."""
        for score in scores:
            stratum = _stratum(score) if score.metric in self._metrics else None
            if stratum is None:
                continue
            key = u64("labels", self._seed, score.metric, sample.id, run.repeat)
            rows = self._kept.setdefault((score.metric, stratum), [])
            row = _Row(key=key, sample=sample, run=run)
            if len(rows) < self._most:
                heapq.heappush(rows, row)
            else:
                heapq.heappushpop(rows, row)

    def counts(self) -> dict[str, int]:
        """Return the number of chosen rows by metric id."""
        return {metric_id: len(self._chosen(metric_id)) for metric_id in self._metrics}

    def chosen(self) -> Iterator[tuple[Metric, TestSample, RunResult]]:
        """Yield the chosen rows with the metric that each is to be labelled for."""
        for metric_id, metric in self._metrics.items():
            for row in self._chosen(metric_id):
                yield metric, row.sample, row.run

    def _chosen(self, metric_id: str) -> list[_Row]:
        """Return the rows of a metric: those without a verdict first, then the others, mixed.

        At most half of the rows have no verdict, since such rows say nothing of right or wrong.
        """
        lost, good, bad = (list(self._sorted(metric_id, s)) for s in ("unscored", "good", "bad"))
        judged = len(good) + len(bad)
        lost = lost[: max(self._most // 2, self._most - judged)]
        free = self._most - len(lost)
        half = free - free // 2
        n_good = min(len(good), max(half, free - len(bad)))
        rest = [*good[:n_good], *bad[: free - n_good]]
        # an order by label would tell it
        return [*lost, *sorted(rest, key=lambda row: row.key)]

    def _sorted(self, metric_id: str, stratum: _Stratum) -> Iterator[_Row]:
        yield from sorted(self._kept.get((metric_id, stratum), ()), key=lambda row: row.key)


def _stratum(score: Score) -> _Stratum | None:
    if not was_asked(score):
        return None
    if score.status is ScoreStatus.UNSCORED:
        return None if score.code == "judge_budget" else "unscored"
    if score.status is not ScoreStatus.SCORED or score.value is None:
        return None
    return "good" if score.value >= GOOD else "bad"
