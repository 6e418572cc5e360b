"""Metrics of operation: times, costs and tokens that the run measured."""

from collections.abc import Iterable
from typing import ClassVar, Self

from pydantic import Field, model_validator

from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["CostUsd", "InputTokens", "LatencyMs", "OutputTokens", "TokensPerS", "TtftMs"]

_ANY_STATUS = frozenset(RunStatus)


class Bounds(Metric.Params):
    """Bounds within which a row passes."""

    max: float | None = Field(default=None, ge=0)
    min: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class LatencyMs(Metric):
    """Wall time of the answer.

    Definition: wall time of the attempt that counted, in milliseconds, without queue and retries;
        in a conversation the mean of its turns. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: the answer, or one of a conversation's, was not measured in this run (`cached`),
        or no time is reported (`not_reported`).
    Language notes: none.
    Source: the run's `latency_ms`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "ms"
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the latency of the row."""
        return _timed(self, sample, run.latency_ms, is_cached=_is_of_another_day(run))


class TtftMs(Metric):
    """Time to the first token of the answer.

    Definition: time from sending the request to the first text or tool call of a streamed answer,
        in milliseconds; in a conversation that of its first turn. With this metric in
        the config, `stream: auto` streams. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: the answer was not measured in this run (`cached`), or was not streamed
        (`not_reported`).
    Language notes: none.
    Source: the run's `ttft_ms`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "ms"
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the time to the first token of the row."""
        is_cached = run.turns[0].cached if run.turns else run.cached
        return _timed(self, sample, run.ttft_ms, is_cached=run.cached or is_cached)


class CostUsd(Metric):
    """Cost of the answer.

    Definition: US dollars, from the tokens that the endpoint reports and the price of the model;
        answers from the cache have the cost of asking them, so that a cache makes no chatbot look
        cheaper. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: price or tokens are not known (`not_reported`).
    Language notes: none.
    Source: the run's `cost_usd` and `cost_saved_usd`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "USD"
    accepts_status = _ANY_STATUS
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the cost of the row."""
        cost, saved = run.cost_usd, run.cost_saved_usd
        if run.cached and run.cost_source == "none":
            return _told(self, sample, saved)
        # a conversation may have taken some of its answers from the cache
        return _told(self, sample, cost + saved if cost is not None and saved is not None else cost)


class InputTokens(Metric):
    """Number of tokens that the chatbot read.

    Definition: tokens of prompt and history as the endpoint counts them; in a conversation their
        sum. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: the endpoint reports none (`not_reported`).
    Language notes: with most models Korean takes more tokens per character than English.
    Source: the run's `usage.input_tokens`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "tokens"
    accepts_status = _ANY_STATUS
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the tokens of the row."""
        return _told(self, sample, run.usage.input_tokens)


class OutputTokens(Metric):
    """Number of tokens that the chatbot wrote.

    Definition: tokens of the answer as the endpoint counts them, reasoning included where it counts
        so; in a conversation their sum. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: the endpoint reports none (`not_reported`).
    Language notes: with most models Korean takes more tokens per character than English.
    Source: the run's `usage.output_tokens`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "tokens"
    accepts_status = _ANY_STATUS
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the tokens of the row."""
        return _told(self, sample, run.usage.output_tokens)


class TokensPerS(Metric):
    """Rate at which the chatbot wrote.

    Definition: `output_tokens` over the wall time of the answer in seconds; in a conversation both
        summed over its turns. A row passes within `min` and `max`.
    Range: 0 and up.
    Direction: higher is better.
    Unscored when: the answer, or one of a conversation's, was not measured in this run (`cached`),
        or time or tokens are not reported (`not_reported`).
    Language notes: tokens of one model are not those of another.
    Source: the run's `usage.output_tokens` and `latency_ms`.
    """

    kind = MetricKind.UNBOUNDED
    range: tuple[float, float] | None = None
    unit: ClassVar[str | None] = "tokens/s"
    Params = Bounds

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the tokens over the time."""
        turns = run.turns or (run,)
        tokens = _sum(turn.usage.output_tokens for turn in turns)
        took_ms = _sum(turn.latency_ms for turn in turns)
        speed = 1000 * tokens / took_ms if tokens is not None and took_ms else None
        return _timed(self, sample, speed, is_cached=_is_of_another_day(run))


def _sum(values: Iterable[float | None]) -> float | None:
    """Sum values; None if one is not known."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _is_of_another_day(run: RunResult) -> bool:
    """Return whether a time of the row was not measured in this run: cached or replayed."""
    return run.cached or any(turn.cached for turn in run.turns)


def _timed(metric: Metric, sample: TestSample, value: float | None, *, is_cached: bool) -> Score:
    """Return the score of a time; unscored if it was not measured in this run."""
    return metric.unscored(sample, "cached") if is_cached else _told(metric, sample, value)


def _told(metric: Metric, sample: TestSample, value: float | None) -> Score:
    if value is None:
        return metric.unscored(sample, "not_reported")
    params = metric.params_for(sample)
    bounds = [value <= params.max] if params.max is not None else []
    bounds += [value >= params.min] if params.min is not None else []
    return metric.make_score(sample, value=value, passed=all(bounds) if bounds else None)
