"""The ways in which a metric may score."""

import asyncio
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import BackendError, BudgetSpent, ErrorKind
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.scoring.score_sample import (
    ScoredRow,
    score_batch,
    score_row,
    score_sample,
)

Items = Sequence[tuple[TestSample, RunResult]]


def bind(metric: Metric, **section: Any) -> BoundMetric:
    return BoundMetric(metric=metric, section=MetricSection(name=metric.name, **section))


class InBatches(Metric):
    """Gives what the test says."""

    give: Any = None

    async def score_batch(self, items: Items) -> Sequence[Score]:
        await asyncio.sleep(0)
        if self.give is not None:
            return self.give(items)
        return [self.make_score(sample, value=run.text == "답") for sample, run in items]


class InBatchesAtOnce(Metric):
    """The same without waiting."""

    def score_batch(self, items: Items) -> Sequence[Score]:
        return [self.make_score(sample, value=run.text == "답") for sample, run in items]


ITEMS = [(a_sample(f"q{n}"), a_run("답" if n else "다른 답")) for n in range(3)]


@pytest.mark.parametrize("kind", [InBatches, InBatchesAtOnce])
async def test_score_batch__a_score_each(kind: type[Metric]) -> None:
    scores = await score_batch(bind(kind()), ITEMS)
    assert [(score.sample_id, score.value) for score in scores] == [("q0", 0), ("q1", 1), ("q2", 1)]


def refuse(_: Items) -> Sequence[Score]:
    raise ValueError("no model")


@pytest.mark.parametrize(
    ("give", "why"),
    [
        (lambda items: [], "score_batch() gave 0 scores for 3 answers"),
        (lambda items: [None] * 4, "score_batch() gave 4 scores for 3 answers"),
        (lambda items: None, "score_batch() gave NoneType for 3 answers"),
        (lambda items: iter(()), "score_batch() gave tuple_iterator for 3 answers"),
        (refuse, "ValueError: no model"),
    ],
)
async def test_score_batch__a_fault_costs_the_batch(give: Any, why: str) -> None:
    metric = InBatches()
    metric.give = give
    scores = await score_batch(bind(metric), ITEMS)
    assert {(score.status, score.code) for score in scores} == {
        (ScoreStatus.UNSCORED, "metric_error")
    }
    assert [score.sample_id for score in scores] == ["q0", "q1", "q2"]
    assert {score.reason for score in scores} == {why}


async def test_score_batch__one_that_is_no_score_costs_itself() -> None:
    metric = InBatches()
    metric.give = lambda items: [metric.make_score(items[0][0], value=7), "1.0", None]
    scores = await score_batch(bind(metric), ITEMS)
    assert [score.code for score in scores] == ["out_of_range", "metric_error", "metric_error"]


async def test_score_batch__values_alone() -> None:
    metric = InBatches()
    metric.give = lambda items: [True, 0.25, math.nan]
    scores = await score_batch(bind(metric), ITEMS)
    assert [score.value for score in scores] == [1, 0.25, None]
    assert [score.sample_id for score in scores] == ["q0", "q1", "q2"]
    assert scores[2].code == "invalid_value"


@pytest.mark.parametrize("error", [BudgetSpent("spent"), None])
async def test_score_batch__budget_and_what_must_end_the_stage(error: Exception | None) -> None:
    def fail(_: Items) -> Sequence[Score]:
        raise error or BackendError(ErrorKind.AUTH, "refused", retryable=False)

    metric = InBatches()
    metric.give = fail
    if error is None:
        with pytest.raises(BackendError):
            await score_batch(bind(metric), ITEMS)
    else:
        assert {s.code for s in await score_batch(bind(metric), ITEMS)} == {"judge_budget"}


async def test_score_row__a_metric_of_batches_scores_one() -> None:
    (score,) = await score_row([bind(InBatches())], a_sample(), a_run("답"), repeat=0)
    assert score.value == 1


class Threaded(Metric):
    """Tells in which thread it runs."""

    threaded = True

    def score(self, sample: TestSample, run: RunResult) -> Score:
        here = threading.current_thread() is threading.main_thread()
        return self.make_score(sample, value=not here)


async def test_score_row__threaded_leaves_the_loop_alone() -> None:
    (score,) = await score_row([bind(Threaded())], a_sample(), a_run("답"), repeat=0)
    assert score.value == 1


class Longest(Metric):
    """Share of answers as long as the longest."""

    def score_repeats(self, sample: TestSample, runs: Sequence[RunResult]) -> Score:
        lengths = [len(run.text) for run in runs]
        return self.make_score(sample, value=lengths.count(max(lengths)) / len(lengths))


class LongestOfTwo(Longest):
    """The same, of two at least."""

    requires = frozenset({"repeats"})


def rows(*runs: RunResult | None) -> list[ScoredRow]:
    return [ScoredRow(repeat=repeat, run=run) for repeat, run in enumerate(runs)]


async def test_score_repeats__stands_at_the_first_row() -> None:
    late = a_run(None, status=RunStatus.TIMEOUT)
    scored = rows(a_run("네"), late, a_run("아니오"), None)
    await score_sample([bind(Longest())], a_sample(), scored)
    found = [row.scores["longest"] for row in scored]
    assert [score.value for score in found] == [0.5, None, None, None]
    assert {score.status for score in found[1:]} == {ScoreStatus.NOT_APPLICABLE}
    assert [score.repeat for score in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "runs", "code"),
    [
        (Longest, [a_run(None, status=RunStatus.TIMEOUT), None], "run_timeout"),
        (Longest, [None, None], "run_missing"),
        (Longest, [a_run("답"), None], None),
        (LongestOfTwo, [a_run("답"), None], "part_unscored"),
        (LongestOfTwo, [a_run("답")], "part_unscored"),
    ],
)
async def test_score_repeats__usable_answers(
    kind: type[Metric], runs: list[RunResult | None], code: str | None
) -> None:
    scored = rows(*runs)
    await score_sample([bind(kind())], a_sample(), scored)
    assert next(iter(scored[0].scores.values())).code == code


@pytest.mark.parametrize(
    ("need", "fields", "code"),
    [
        ("run.tool_calls", {}, None),
        ("run.context", {}, "not_reported"),
        ("run.context_ids", {"context_ids": ("d1",)}, None),
        ("run.context_ids", {}, "not_reported"),
        ("run.reasoning", {}, "not_reported"),
        ("run.nonsense", {}, "not_reported"),
    ],
)
async def test_score_row__fields_of_the_response(
    need: str, fields: dict[str, Any], code: str | None
) -> None:
    metric = InBatches()
    metric.requires = frozenset({need})
    run = replace(a_run("답"), response=Response(text="답", **fields))
    (score,) = await score_row([bind(metric)], a_sample(), run, repeat=0)
    assert score.code == code
