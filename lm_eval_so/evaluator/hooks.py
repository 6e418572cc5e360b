"""The ways in which a metric scores, called so that its fault costs its own scores, nothing else."""

import asyncio
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval_so.core.records.codec import checked
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import BudgetSpent, LMEvalError, RecordError
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric

Item = tuple[TestSample, RunResult]

_LONGEST_REASON = 300


async def ask(bound: BoundMetric, sample: TestSample, run: RunResult) -> Score:
    """Let a metric score one answer."""
    metric = bound.metric
    if bound.is_batched:
        return (await ask_batch(bound, [(sample, run)]))[0]
    try:
        found = (
            await _threaded(metric, sample, run) if metric.threaded else metric.score(sample, run)
        )
        score = found if type(found) is Score else await _awaited(found)
        return score if bound.is_ours and type(score) is Score else _vetted(metric, sample, score)
    except Exception as error:  # noqa: BLE001 - as `fault` says
        return fault(metric, sample, error)


async def ask_batch(bound: BoundMetric, items: Sequence[Item]) -> list[Score]:
    """Let a metric score several answers at once; one fault costs all their scores."""
    metric = bound.metric
    try:
        found = await _awaited(metric.score_batch(items))
        if not isinstance(found, Sequence) or len(found) != len(items):
            gave = f"{len(found)} scores" if isinstance(found, Sequence) else type(found).__name__
            what = f"score_batch() gave {gave} for {len(items)} answers"
            return [metric.unscored(sample, "metric_error", what) for sample, _ in items]
    except Exception as error:  # noqa: BLE001 - as `fault` says
        return [fault(metric, sample, error) for sample, _ in items]
    return [_kept(bound, sample, score) for (sample, _), score in zip(items, found, strict=True)]


async def ask_repeats(bound: BoundMetric, sample: TestSample, runs: Sequence[RunResult]) -> Score:
    """Let a metric score all usable answers to a sample."""
    return await _asked(bound, sample, lambda: bound.metric.score_repeats(sample, runs))


async def ask_parts(
    bound: BoundMetric,
    sample: TestSample,
    runs: Sequence[RunResult],
    parts: Mapping[str, Sequence[Score]],
) -> Score:
    """Let a metric make a score of the scores of its parts."""
    return await _asked(bound, sample, lambda: bound.metric.score_parts(sample, runs, parts))


def fault(metric: Metric, sample: TestSample, error: Exception) -> Score:
    """Make an exception in a metric a score that is missing.

    Raises:
        LMEvalError: What must end the stage: refused credentials, an endpoint that is gone.
    """
    if isinstance(error, BudgetSpent):  # costs this score, not those that are paid for
        return metric.unscored(sample, "judge_budget", str(error))
    if isinstance(error, LMEvalError):
        raise error
    said = textwrap.shorten(f"{type(error).__name__}: {error}", _LONGEST_REASON, placeholder=" …")
    return metric.unscored(sample, "metric_error", said)


async def _asked(bound: BoundMetric, sample: TestSample, call: Callable[[], Any]) -> Score:
    try:
        return _kept(bound, sample, await _awaited(call()))
    except Exception as error:  # noqa: BLE001 - as `fault` says
        return fault(bound.metric, sample, error)


async def _threaded(metric: Metric, sample: TestSample, run: RunResult) -> Any:
    return await asyncio.to_thread(metric.score, sample, run)


async def _awaited(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found


def _kept(bound: BoundMetric, sample: TestSample, score: object) -> Score:
    if bound.is_ours and type(score) is Score:
        return score
    try:
        return _vetted(bound.metric, sample, score)
    except Exception as error:  # noqa: BLE001 - as `fault` says
        return fault(bound.metric, sample, error)


def _vetted(metric: Metric, sample: TestSample, score: object) -> Score:
    """Return what a metric of others says, as far as a report can hold it."""
    if not isinstance(score, Score):
        return Metric.as_score(metric, sample, score)
    try:
        rest = checked(replace(score, value=None))
    except RecordError as error:
        problem = error.problems[0]
        field = f"{problem.where.key}: " if problem.where and problem.where.key else ""
        what = f"score() gave a Score that is none: {field}{problem.what}"
        return metric.unscored(sample, "metric_error", what)
    if rest.status is not ScoreStatus.SCORED:
        return rest
    made = Metric.make_score(metric, sample, value=score.value)
    return replace(rest, value=made.value) if made.status is ScoreStatus.SCORED else made
