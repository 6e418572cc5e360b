"""Rows on their way: what they are scored with, in which company, and how many at a time."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.workers import drain
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.derived.consistency import Consistency
from lm_eval_so.evaluator.rows.join import JoinedRow
from lm_eval_so.evaluator.scoring.flow import Flow, Row, make_stages


class Waits(Metric):
    """Waits, the longer the earlier."""

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        await asyncio.sleep(0.001 if int(sample.id[1:]) % 3 else 0.003)
        return self.make_score(sample, value=1)


class Batches(Metric):
    """Remembers its batches."""

    batch_size = 4

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.seen: list[list[str]] = []

    async def score_batch(self, items: Sequence[tuple[TestSample, RunResult]]) -> Sequence[Score]:
        self.seen.append([sample.id for sample, _ in items])
        await asyncio.sleep(0)
        return [self.make_score(sample, value=1) for sample, _ in items]


class Batched(Metric):
    def score_batch(self, items: Any) -> list[Score]:
        return [self.make_score(sample, value=1) for sample, _ in items]


def bind(*metrics: Metric, **section: Any) -> list[BoundMetric]:
    return [
        BoundMetric(metric=metric, section=MetricSection(name=metric.name, **section))
        for metric in metrics
    ]


class Brought:
    """Brings rows through, and counts how many are under way."""

    def __init__(self, bound: Sequence[BoundMetric], samples: Sequence[TestSample]) -> None:
        self.samples, self.done = samples, list[Row]()
        self.entered = self.most = 0
        self.flow = Flow(make_stages(bound), self.finish)

    def finish(self, row: Row) -> None:
        self.done.append(row)

    def rows(self, repeats: int) -> Iterator[Row]:
        for sample in self.samples:
            for repeat in range(repeats):
                run = a_run("답", repeat=repeat)
                joined = JoinedRow(sample=sample, sample_hash="h", repeat=repeat, run=run)
                self.entered += 1
                self.most = max(self.most, self.entered - len(self.done))
                last = repeat == repeats - 1
                yield self.flow.enter(self.entered - 1, joined, is_last=last)

    async def go(self, *, workers: int, repeats: int = 1) -> None:
        await drain(self.rows(repeats), self.flow.score, workers=workers)
        await self.flow.flush()
        assert len({row.number for row in self.done}) == len(self.samples) * repeats


def samples(n: int, **fields: Any) -> list[TestSample]:
    return [a_sample(f"q{i}", **fields) for i in range(n)]


@pytest.mark.parametrize("workers", [1, 3, 16])
async def test_batches__are_made_by_the_order_of_rows_alone(workers: int) -> None:
    metric = Batches()
    brought = Brought(bind(Waits(), metric), samples(10))
    await brought.go(workers=workers)
    wanted = [["q0", "q1", "q2", "q3"], ["q4", "q5", "q6", "q7"], ["q8", "q9"]]
    assert sorted(metric.seen) == wanted
    assert all(row.scored.scores.keys() == {"waits", "batches"} for row in brought.done)


async def test_batches__rows_that_need_no_look_are_in_none() -> None:
    metric = Batches()
    given = [a_sample(f"q{i}", tags=("x",) if i % 2 else ()) for i in range(12)]
    brought = Brought(bind(metric, only={"tags": ["x"]}), given)
    await brought.go(workers=2)
    assert metric.seen == [["q1", "q3", "q5", "q7"], ["q9", "q11"]]


async def test_batches__a_row_does_not_wait_for_ever_for_company() -> None:
    metric = Batches()
    given = [a_sample(f"q{i}", tags=("x",) if i == 0 else ()) for i in range(500)]
    brought = Brought(bind(metric, only={"tags": ["x"]}), given)
    await brought.go(workers=2)
    assert [row.number for row in brought.done].index(0) < 100  # 16 batches are 64 rows


async def test_batches__few_rows_are_under_way() -> None:
    brought = Brought(bind(Waits(), Batches()), samples(200))
    await brought.go(workers=8)
    assert brought.most <= 8 * 4 + 4  # every worker has a batch, and one is open


async def test_samples__end_when_all_their_answers_are_there() -> None:
    brought = Brought(bind(Waits(), Consistency()), samples(6))
    await brought.go(workers=4, repeats=3)
    by_sample = [row.sample.id for row in brought.done]
    assert all(len({*by_sample[at : at + 3]}) == 1 for at in range(0, 18, 3))
    firsts = [row for row in brought.done if row.scored.repeat == 0]
    assert [row.scored.scores["consistency"].value for row in firsts] == [1] * 6
    assert brought.most <= 4 * 3 + 1  # every worker holds up a sample


def test_make_stages__each_after_its_parts(tmp_path: Path) -> None:
    def composite(parts: list[str], metric_id: str) -> dict[str, Any]:
        return {"id": metric_id, "name": "composite", "params": {"parts": parts}}

    metrics = [
        composite(["low"], "top"),
        composite(["exact_match", "batched"], "low"),
        composite(["same", "exact_match"], "last"),
        composite(["consistency"], "of_sample"),
        {"id": "same", "name": "invariance", "params": {"of": "top"}},
        "consistency",
        {"id": "batched", "name": f"{Batched.__module__}:{Batched.__name__}"},
        composite(["exact_match"], "plain"),
        "exact_match",
    ]
    bound = bind_metrics(a_config(tmp_path, metrics), {})
    assert [each.id for each in bound][:2] == ["top", "low"]
    stages = make_stages(bound)
    found = {name: [each.id for each in getattr(stages, name)] for name in stages.__slots__}
    assert found == {
        "row": ["exact_match", "plain"],
        "batch": ["batched"],
        "joined": ["low", "top"],
        "sample": ["consistency", "of_sample"],
        "late": ["same", "last"],
    }
