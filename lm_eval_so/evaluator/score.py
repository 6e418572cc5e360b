"""One row, scored by every metric: a value, or the reason why there is none."""

import inspect
import operator
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.config.model import MetricSection, OnlySection
from lm_eval_so.core.records.codec import checked
from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import BudgetSpent, LMEvalError, RecordError
from lm_eval_so.evaluator.metrics.base import Metric

Passes = Callable[[float], bool]

_OURS = "lm_eval_so."
"""Modules of metrics whose scores need no check."""
_LONGEST_REASON = 300

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundMetric:
    """A metric as the config wants it applied."""

    metric: Metric
    section: MetricSection
    passes: Passes | None = None
    """When a value passes; None: as the metric says."""

    @property
    def id(self) -> str:
        """Id of the metric in the report."""
        return self.metric.id


def parse_pass_if(text: str) -> Passes:
    """Turn ">= 0.8" into a check of a value.

    Raises:
        ValueError: If it is no comparison with a number.
    """
    sign = next((sign for sign in _COMPARISONS if text.strip().startswith(sign)), None)
    if sign is None:
        raise ValueError(f"{text!r} is no comparison")
    bound = float(text.strip().removeprefix(sign))
    compare = _COMPARISONS[sign]
    return lambda value: compare(value, bound)


async def score_row(
    bound: Sequence[BoundMetric], sample: TestSample, run: RunResult | None, *, repeat: int
) -> tuple[Score, ...]:
    """Score one answer by every metric, in their order.

    Args:
        bound: The metrics.
        sample: The sample.
        run: The answer; None if the run does not have the row.
        repeat: Which answer to the sample it is.
    """
    return tuple([await _score(metric, sample, run, repeat) for metric in bound])


def is_asked(bound: BoundMetric, sample: TestSample, run: RunResult | None) -> bool:
    """Whether a metric looks at an answer at all, or the row has no score whatever it says."""
    return (
        run is not None
        and _not_applicable(bound, sample) is None
        and _not_scorable(bound.metric, sample, run) is None
    )


async def _score(
    bound: BoundMetric, sample: TestSample, run: RunResult | None, repeat: int
) -> Score:
    metric = bound.metric
    score = _not_applicable(bound, sample)
    if score is None:
        score = (
            _not_scorable(metric, sample, run) if run else metric.unscored(sample, "run_missing")
        )
    if score is None and run is not None:
        score = await _ask(metric, sample, run)
    assert score is not None  # noqa: S101 - one of the three gave it
    passed = score.passed
    if score.status is ScoreStatus.SCORED and score.value is not None:
        if bound.passes is not None:
            passed = bound.passes(score.value)
        elif passed is None and metric.kind is MetricKind.BINARY:
            passed = score.value == 1
    return replace(score, metric=metric.id, sample_id=sample.id, repeat=repeat, passed=passed)


async def _ask(metric: Metric, sample: TestSample, run: RunResult) -> Score:
    try:
        found = metric.score(sample, run)
        score = await found if inspect.isawaitable(found) else found
        is_ours = type(metric).__module__.startswith(_OURS)
        return score if is_ours and isinstance(score, Score) else _vetted(metric, sample, score)
    except BudgetSpent as error:  # costs this score, not those that are paid for
        return metric.unscored(sample, "judge_budget", str(error))
    except LMEvalError:  # what must end the stage: refused credentials, an endpoint that is gone
        raise
    except Exception as error:  # noqa: BLE001 - a metric's fault costs its own score, nothing else
        return _failed(metric, sample, error)


def _vetted(metric: Metric, sample: TestSample, score: object) -> Score:
    """Give what a metric of others says, as far as a report can hold it."""
    if not isinstance(score, Score):
        what = f"score() gave {type(score).__name__}, no Score"
        return metric.unscored(sample, "metric_error", what)
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


def _failed(metric: Metric, sample: TestSample, error: Exception) -> Score:
    said = textwrap.shorten(f"{type(error).__name__}: {error}", _LONGEST_REASON, placeholder=" …")
    return metric.unscored(sample, "metric_error", said)


def _not_applicable(bound: BoundMetric, sample: TestSample) -> Score | None:
    """Decide from the sample alone, so that both sides of a comparison agree."""
    metric = bound.metric
    if not _is_meant(bound.section.only, sample):
        return metric.not_applicable(sample, "not among the samples of `only`")
    missing = sorted(need for need in metric.requires if not _sample_has(metric, sample, need))
    if missing:
        return metric.not_applicable(sample, f"no {', '.join(missing)}")
    try:
        return None if metric.applies(sample) else metric.not_applicable(sample)
    except Exception as error:  # noqa: BLE001 - as of `score`
        return _failed(metric, sample, error)


def _not_scorable(metric: Metric, sample: TestSample, run: RunResult) -> Score | None:
    if run.status not in metric.accepts_status:
        why = run.error.message if run.error else None
        return metric.unscored(sample, f"run_{run.status.value}", why)
    fields = [need.removeprefix("run.") for need in metric.requires if need.startswith("run.")]
    if any(getattr(run, field, None) is None for field in fields):
        return metric.unscored(sample, "not_reported")
    return None


def _is_meant(only: OnlySection, sample: TestSample) -> bool:
    has_tag = not only.tags or bool({*only.tags} & {*sample.tags})
    return has_tag and (not only.language or sample.language in only.language)


def _sample_has(metric: Metric, sample: TestSample, need: str) -> bool:
    match need.partition("."):
        case ("expected", "", ""):
            return bool(sample.answers)
        case ("context", "", ""):
            return any(passage.role in {"gold", "given"} for passage in sample.context)
        case ("scenario", "", ""):
            return sample.scenario is not None
        case ("params", ".", name):
            return getattr(metric.params_for(sample), name) not in (None, "", (), [], {})
        case _:  # of the run, or of the config
            return True
