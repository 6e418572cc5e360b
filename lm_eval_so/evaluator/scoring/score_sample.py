"""Scores of the answers to one sample by every metric; a fault costs its own score, no other."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lm_eval_so.core.records.codec import checked
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import RecordError
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric

_FEWEST_REPEATS = 2

Item = tuple[TestSample, RunResult]
FindBase = Callable[[TestSample, int, str], Score | None]
"""Finder of the score of a sample's base, by sample, repeat and id of the metric."""


@dataclass(slots=True, kw_only=True)
class ScoredRow:
    """An answer, and its scores so far."""

    repeat: int
    run: RunResult | None
    """None if the run does not have the row."""
    scores: dict[str, Score] = field(default_factory=dict)
    """By metric id."""


async def score_row(
    bound: Sequence[BoundMetric],
    sample: TestSample,
    run: RunResult | None,
    *,
    repeat: int,
) -> tuple[Score, ...]:
    """Score one answer by every metric, in their order.

    Args:
        bound: The metrics, parts before metrics that are built from them.
        sample: The sample.
        run: The answer; None if the run does not have the row.
        repeat: Number of the answer among those to the sample.
    """
    row = ScoredRow(repeat=repeat, run=run)
    await score_sample(bound, sample, [row])
    return tuple([row.scores[each.id] for each in bound])


async def score_sample(
    bound: Iterable[BoundMetric],
    sample: TestSample,
    rows: Sequence[ScoredRow],
    *,
    base: FindBase | None = None,
) -> None:
    """Score the answers to one sample by every metric and add the scores to the rows.

    Args:
        bound: The metrics, parts before metrics that are built from them.
        sample: The sample.
        rows: All its answers, or one of them.
        base: Finder of the scores of the sample's base.
    """
    for each in bound:
        if each.is_over_repeats:
            await _score_repeats(each, sample, rows)
            continue
        for row in rows:
            score = each.settled(sample, row.run)
            if score is None and row.run is not None:
                score = await _score_one(each, sample, row, row.run, base)
            assert score is not None  # noqa: S101 - one of the two gave it
            row.scores[each.id] = each.complete(score, sample, row.repeat)


async def score_batch(bound: BoundMetric, items: Sequence[Item]) -> list[Score]:
    """Score several answers at once by one metric; a fault costs all their scores."""
    metric = bound.metric
    try:
        found = await _awaited(metric.score_batch(items))
        if not isinstance(found, Sequence) or len(found) != len(items):
            gave = f"{len(found)} scores" if isinstance(found, Sequence) else type(found).__name__
            what = f"score_batch() gave {gave} for {len(items)} answers"
            return [metric.unscored(sample, "metric_error", what) for sample, _ in items]
    except Exception as error:  # noqa: BLE001 - as `BoundMetric.fault` says
        return [bound.fault(sample, error) for sample, _ in items]
    return [_vetted(bound, sample, score) for (sample, _), score in zip(items, found, strict=True)]


async def _score_one(
    bound: BoundMetric, sample: TestSample, row: ScoredRow, run: RunResult, base: FindBase | None
) -> Score:
    metric = bound.metric
    if metric.part_ids:
        parts = {part: [row.scores[part]] for part in metric.part_ids if part in row.scores}
        if base is not None and "relation" in bound.sample_needs:
            for part, scores in parts.items():
                found = base(sample, row.repeat, part)
                scores.extend([found] if found is not None else [])
        return await _called(bound, sample, lambda: metric.score_parts(sample, [run], parts))
    if bound.is_batched:
        return (await score_batch(bound, [(sample, run)]))[0]
    try:
        said = (
            await asyncio.to_thread(metric.score, sample, run)
            if metric.threaded
            else metric.score(sample, run)
        )
        score = said if type(said) is Score else await _awaited(said)
    except Exception as error:  # noqa: BLE001 - as `BoundMetric.fault` says
        return bound.fault(sample, error)
    return score if bound.is_ours and type(score) is Score else _vetted(bound, sample, score)


async def _score_repeats(bound: BoundMetric, sample: TestSample, rows: Sequence[ScoredRow]) -> None:
    """Enter the one value of a sample at its first row."""
    first, *others = rows
    score = bound.not_applicable(sample) or await _score_all(bound, sample, rows)
    first.scores[bound.id] = bound.complete(score, sample, first.repeat)
    for row in others:
        none = bound.metric.not_applicable(sample, "its value stands at the first answer")
        first_is_all = score if score.status is ScoreStatus.NOT_APPLICABLE else none
        row.scores[bound.id] = bound.complete(first_is_all, sample, row.repeat)


async def _score_all(bound: BoundMetric, sample: TestSample, rows: Sequence[ScoredRow]) -> Score:
    metric = bound.metric
    runs: list[RunResult] = []
    lost: list[Score] = []
    for row in rows:
        if row.run is not None:
            score = bound.not_scorable(sample, row.run)
            if score is None:
                runs.append(row.run)
            else:
                lost.append(score)
    if not runs:
        return lost[0] if lost else metric.unscored(sample, "run_missing")
    if len(runs) < _FEWEST_REPEATS and "repeats" in metric.requires:
        figures = {"n": len(runs), "of": len(rows)}
        why = say_in_each("metrics.too_few_repeats", figures)
        return metric.unscored(sample, "part_unscored", why)
    if not metric.part_ids:
        return await _called(bound, sample, lambda: metric.score_repeats(sample, runs))
    parts: Mapping[str, Sequence[Score]] = {
        part: [row.scores[part] for row in rows if part in row.scores] for part in metric.part_ids
    }
    return await _called(bound, sample, lambda: metric.score_parts(sample, runs, parts))


async def _called(bound: BoundMetric, sample: TestSample, call: Callable[[], Any]) -> Score:
    try:
        score = await _awaited(call())
    except Exception as error:  # noqa: BLE001 - as `BoundMetric.fault` says
        return bound.fault(sample, error)
    return _vetted(bound, sample, score)


async def _awaited(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found


def _vetted(bound: BoundMetric, sample: TestSample, score: object) -> Score:
    """Return a metric's score if a report can hold it, else an unscored row that says why not."""
    if bound.is_ours and type(score) is Score:
        return score
    metric = bound.metric
    try:
        if not isinstance(score, Score):
            return Metric.as_score(metric, sample, score)
        rest = checked(replace(score, value=None))
        if rest.status is not ScoreStatus.SCORED:
            return rest
        made = Metric.make_score(metric, sample, value=score.value)
        return replace(rest, value=made.value) if made.status is ScoreStatus.SCORED else made
    except RecordError as error:
        problem = error.problems[0]
        place = f"{problem.where.key}: " if problem.where and problem.where.key else ""
        what = f"score() gave a Score that is none: {place}{problem.what}"
        return metric.unscored(sample, "metric_error", what)
    except Exception as error:  # noqa: BLE001 - as `BoundMetric.fault` says
        return bound.fault(sample, error)
