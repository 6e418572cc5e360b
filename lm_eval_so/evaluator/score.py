"""Answers to one sample, scored by every metric: a value each, or the reason why there is none."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from lm_eval_so.core.config.model import OnlySection
from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.bound import BoundMetric, Passes, parse_pass_if
from lm_eval_so.evaluator.hooks import ask, ask_parts, ask_repeats, fault
from lm_eval_so.evaluator.metrics.base import Metric, is_given, need_text

__all__ = [
    "BoundMetric",
    "FindBase",
    "Passes",
    "ScoredRow",
    "complete",
    "is_asked",
    "is_meant",
    "parse_pass_if",
    "sample_has",
    "score_row",
    "score_sample",
    "settled",
]

_TOLD_IF_ANY = frozenset({"context", "context_ids", "turns"})
"""Fields that say nothing when they are empty; of tool calls there may be none."""
_FEWEST_REPEATS = 2

FindBase = Callable[[TestSample, int, str], Score | None]
"""Gives the score of a sample's base: the sample, which repeat, id of the metric."""


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
        bound: The metrics; one that is built from others stands after them.
        sample: The sample.
        run: The answer; None if the run does not have the row.
        repeat: Which answer to the sample it is.
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
    """Score the answers to one sample by every metric, and add that to their scores.

    Args:
        bound: The metrics; one that is built from others stands after them.
        sample: The sample.
        rows: All its answers, or one of them.
        base: Finds the scores of the sample's base.
    """
    for each in bound:
        if each.is_over_repeats:
            await _score_repeats(each, sample, rows)
            continue
        for row in rows:
            score = settled(each, sample, row.run)
            if score is None and row.run is not None:
                score = await _ask(each, sample, row, row.run, base)
            assert score is not None  # noqa: S101 - one of the two gave it
            row.scores[each.id] = complete(each, score, sample, row.repeat)


def is_asked(bound: BoundMetric, sample: TestSample, run: RunResult | None) -> bool:
    """Whether a metric looks at an answer at all, or the row has no score whatever it says."""
    return run is not None and settled(bound, sample, run) is None


def settled(bound: BoundMetric, sample: TestSample, run: RunResult | None) -> Score | None:
    """Return the score that a row has whatever its answer says; None if the metric must look."""
    score = None if bound.always_applies else _not_applicable(bound, sample)
    if score is not None:
        return score
    if run is None:
        return bound.metric.unscored(sample, "run_missing")
    return _not_scorable(bound, sample, run)


def complete(bound: BoundMetric, score: Score, sample: TestSample, repeat: int) -> Score:
    """Return a score its place, and say whether it passes."""
    passed = score.passed
    if score.status is ScoreStatus.SCORED and score.value is not None:
        if bound.passes is not None:
            passed = bound.passes(score.value)
        elif passed is None and bound.metric.kind is MetricKind.BINARY:
            passed = score.value == 1
    is_placed = score.repeat == repeat and score.sample_id == sample.id
    if is_placed and passed is score.passed and score.metric == bound.id:
        return score
    return replace(score, metric=bound.id, sample_id=sample.id, repeat=repeat, passed=passed)


async def _ask(
    bound: BoundMetric, sample: TestSample, row: ScoredRow, run: RunResult, base: FindBase | None
) -> Score:
    if not bound.metric.part_ids:
        return await ask(bound, sample, run)
    parts = {part: [row.scores[part]] for part in bound.metric.part_ids if part in row.scores}
    if base is not None and "relation" in bound.sample_needs:
        for part, scores in parts.items():
            found = base(sample, row.repeat, part)
            scores.extend([found] if found is not None else [])
    return await ask_parts(bound, sample, [run], parts)


async def _score_repeats(bound: BoundMetric, sample: TestSample, rows: Sequence[ScoredRow]) -> None:
    """Give the sample's first row the value; it says nothing of the others."""
    first, *others = rows
    score = _not_applicable(bound, sample) or await _ask_repeats(bound, sample, rows)
    first.scores[bound.id] = complete(bound, score, sample, first.repeat)
    for row in others:
        none = bound.metric.not_applicable(sample, "its value stands at the first answer")
        first_is_all = score if score.status is ScoreStatus.NOT_APPLICABLE else none
        row.scores[bound.id] = complete(bound, first_is_all, sample, row.repeat)


async def _ask_repeats(bound: BoundMetric, sample: TestSample, rows: Sequence[ScoredRow]) -> Score:
    metric, there = bound.metric, [row for row in rows if row.run is not None]
    lost = [_not_scorable(bound, sample, row.run) for row in there if row.run is not None]
    runs = [
        row.run
        for row, score in zip(there, lost, strict=True)
        if score is None and row.run is not None
    ]
    if not runs:
        return next(filter(None, lost), metric.unscored(sample, "run_missing"))
    if len(runs) < _FEWEST_REPEATS and "repeats" in metric.requires:
        figures = {"n": len(runs), "of": len(rows)}
        why = say("metrics.too_few_repeats", metric.env.language, figures)
        return metric.unscored(sample, "part_unscored", why)
    if metric.part_ids:
        parts = {
            part: [row.scores[part] for row in rows if part in row.scores]
            for part in metric.part_ids
        }
        return await ask_parts(bound, sample, runs, parts)
    return await ask_repeats(bound, sample, runs)


def _not_applicable(bound: BoundMetric, sample: TestSample) -> Score | None:
    """Decide from the sample alone, so that both sides of a comparison agree."""
    metric = bound.metric
    if not bound.is_for_all and not is_meant(bound.section.only, sample):
        return metric.not_applicable(sample, "not among the samples of `only`")
    if bound.sample_needs:
        missing = [need for need in bound.sample_needs if not sample_has(metric, sample, need)]
        if missing:
            return metric.not_applicable(sample, f"no {', '.join(map(need_text, missing))}")
    if not bound.chooses:
        return None
    try:
        return None if metric.applies(sample) else metric.not_applicable(sample)
    except Exception as error:  # noqa: BLE001 - as of `score`
        return fault(metric, sample, error)


def _not_scorable(bound: BoundMetric, sample: TestSample, run: RunResult) -> Score | None:
    metric = bound.metric
    if run.status not in metric.accepts_status:
        why = run.error.message if run.error else None
        return metric.unscored(sample, f"run_{run.status.value}", why)
    for name in bound.run_needs:
        value = getattr(run if hasattr(run, name) else run.response, name, None)
        if value is None or (not value and name in _TOLD_IF_ANY):
            return metric.unscored(sample, "not_reported")
    return None


def is_meant(only: OnlySection, sample: TestSample) -> bool:
    """Return whether a sample is among those that a metric is limited to."""
    has_tag = not only.tags or bool({*only.tags} & {*sample.tags})
    return has_tag and (not only.language or sample.language in only.language)


def sample_has(metric: Metric, sample: TestSample, need: str) -> bool:
    """Return whether a sample has what a metric needs of it; parameters may be the config's."""
    match need:
        case "expected":
            return sample.expected is not None or bool(sample.references)
        case "context":
            return any(passage.role in {"gold", "given"} for passage in sample.context)
        case "scenario":
            return sample.scenario is not None
        case "relation":
            return sample.relation is not None
        case _:
            return is_given(metric.params_for(sample), need)
