"""Metrics of operation: what the run measured."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["LatencyMs"]


class LatencyMs(Metric):
    """How long the answer took.

    Definition: wall time of the attempt that counted, in milliseconds, without queue and retries;
        `max` and `min` say when a row passes.
    Range: 0 and up.
    Direction: lower is better.
    Unscored when: the answer was not measured in this run (`cached`), or no time is told
        (`not_reported`).
    Language notes: none.
    Source: the run's `latency_ms`.
    """

    kind = MetricKind.RATIO
    range: tuple[float, float] | None = None
    higher_is_better = False
    unit: ClassVar[str | None] = "ms"

    class Params(Metric.Params):
        """When a row passes."""

        max: float | None = Field(default=None, ge=0)
        min: float | None = Field(default=None, ge=0)

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            if self.max is not None and self.min is not None and self.min > self.max:
                raise ValueError("min is above max")
            return self

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Take the latency from the run."""
        if run.cached:
            return self.unscored(sample, "cached")
        if run.latency_ms is None:
            return self.unscored(sample, "not_reported")
        params = self.params_for(sample)
        bounds = [run.latency_ms <= params.max] if params.max is not None else []
        bounds += [run.latency_ms >= params.min] if params.min is not None else []
        passed = all(bounds) if bounds else None
        return self.make_score(sample, value=run.latency_ms, passed=passed)
