"""What every metric is: one exact rule that gives one answer a value, or says why it has none."""

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.codec import validation_problems
from lm_eval_so.core.records.enums import Language, MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.registry import PLUGIN_MODULES, Registry
from lm_eval_so.core.text.profiles import TEXT_VERSION
from lm_eval_so.errors import ConfigError, Problem, Where

__all__ = ["Metric", "MetricEnv", "metrics"]

_WIDTH_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEnv:
    """What a metric gets from outside, before `prepare`."""

    language: Language = Language.EN
    """Language of reasons, that of the report."""
    ask: Callable[[ChatRequest], Awaitable[Answer]] | None = None
    """Asks the judge of this metric; None unless it has a `backend`."""
    judge_model: str | None = None
    """The judge's model as configured."""
    judge_params: Mapping[str, JsonValue] = field(default_factory=dict)
    """The judge's parameters as configured; they go with every request."""
    template: Language = Language.EN
    """Language of the judge's instructions."""
    read_file: Callable[[str], str | None] = field(default=lambda _: None)
    """Text of a file beside the config, or None if there is none."""


class Metric:
    """Base of all metrics: subclasses need only `score`.

    `score` may be `async def`. An exception in it makes the row unscored, never a zero.
    """

    name: ClassVar[str] = ""
    """Default: the class's name in snake_case."""
    version: ClassVar[int] = 1
    """Raise it whenever the same input may give another value."""
    category: ClassVar[Literal["rule", "heuristic", "model"]] = "rule"
    kind: MetricKind = MetricKind.BOUNDED
    range: tuple[float, float] | None = (0.0, 1.0)
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str | None] = None
    normalises: ClassVar[bool] = False
    """Whether values depend on `core.text`, whose version is then part of the definition."""
    requires: ClassVar[frozenset[str]] = frozenset()
    """Of "expected", "context", "params.NAME" (else not applicable), "run.FIELD" (else unscored
    `not_reported`), "judge" (else a config error)."""
    accepts_status: ClassVar[frozenset[RunStatus]] = frozenset(
        {RunStatus.OK, RunStatus.TRUNCATED, RunStatus.REFUSED, RunStatus.EMPTY}
    )

    class Params(BaseModel):
        """Parameters of the metric; a sample's own go over the config's, key by key."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    params: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake_case(cls.__name__)
        cls.kind = MetricKind(cls.kind)  # a plugin may write "binary"
        if cls.__module__.startswith(PLUGIN_MODULES):
            metrics.register(cls.name, cls)

    def __init__(
        self,
        *,
        params: Mapping[str, JsonValue] | None = None,
        metric_id: str | None = None,
        env: MetricEnv | None = None,
    ) -> None:
        self.id = metric_id or self.name
        self.env = env or MetricEnv()
        self.given = dict(params or {})
        self.params = self.Params.model_validate(self.given)

    def params_for(self, sample: TestSample) -> Any:
        """Give the parameters for a sample: its own over the config's.

        Raises:
            ValidationError: If the sample's do not fit; `check_sample` tells that with the id.
        """
        own = sample.metrics.get(self.id)
        return self.Params.model_validate({**self.given, **own}) if own else self.params

    def check_params(self) -> list[Problem]:
        """Find what is wrong with the parameters beyond their shape, such as a missing file."""
        return []

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find what is wrong with a sample's parameters, before anything is scored."""
        try:
            self.params_for(sample)
        except ValidationError as error:
            at = f"sample {sample.id}, metrics.{self.id}"
            found = validation_problems(error, lambda key: Where(key=f"{at}.{key}" if key else at))
            return [Problem(what=f"{p.where.key if p.where else at}: {p.what}") for p in found]
        return []

    def applies(self, sample: TestSample) -> bool:  # noqa: ARG002 - for subclasses
        """Whether the metric applies to a sample, beyond `requires` and whatever the answer."""
        return True

    def prepare(self, samples: Sequence[TestSample]) -> None:
        """Get ready, once: load what is needed, warn."""

    def score(self, sample: TestSample, run: RunResult) -> Score | Awaitable[Score]:
        """Score one answer; called only for rows whose status and fields allow it."""
        raise NotImplementedError

    def make_score(
        self,
        sample: TestSample,
        *,
        value: float | bool | None,
        passed: bool | None = None,
        label: str | None = None,
        reason: str | None = None,
        code: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
        vacuous: bool = False,
        judge: JudgeVote | None = None,
    ) -> Score:
        """Make a score; a value that is none (null, NaN, out of range) becomes unscored.

        Args:
            sample: The sample that was scored.
            value: The value; true is 1, false is 0.
            passed: Whether the answer passes; default: decided by `pass_if`, or value = 1 of a
                binary metric.
            label: Word for the value.
            reason: One line for people.
            code: Reason code.
            details: Facts, as JSON.
            vacuous: There was nothing to check.
            judge: The judge's vote.
        """
        if value is None or not math.isfinite(value):
            return self.unscored(sample, "invalid_value", f"the value is {value}", details)
        number = float(value)
        if self.range is not None:
            low, high = self.range
            slack = _WIDTH_TOLERANCE * (high - low)
            if not low - slack <= number <= high + slack:
                why = f"{number} is outside {low} … {high}"
                return self.unscored(sample, "out_of_range", why, details)
            number = min(high, max(low, number))
        if self.kind is MetricKind.BINARY and number not in (0.0, 1.0):
            return self.unscored(sample, "out_of_range", f"{number} is neither 0 nor 1", details)
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.SCORED,
            value=number,
            passed=passed,
            label=label,
            reason=reason,
            code=code,
            details=details or {},
            vacuous=vacuous,
            judge=judge,
        )

    def unscored(
        self,
        sample: TestSample,
        code: str,
        reason: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
        judge: JudgeVote | None = None,
    ) -> Score:
        """Say that a row has no value, and why, by a reason code."""
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.UNSCORED,
            code=code,
            reason=reason,
            details=details or {},
            judge=judge,
        )

    def not_applicable(self, sample: TestSample, reason: str | None = None) -> Score:
        """Say that the metric does not apply to a sample, whatever the answer."""
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.NOT_APPLICABLE,
            reason=reason,
        )

    def definition(self) -> dict[str, JsonValue]:
        """Give what decides a value, so that two reports can tell whether they measured the same."""
        return {
            "name": self.name,
            "version": self.version,
            "params": self.params.model_dump(mode="json"),
            **({"text": TEXT_VERSION} if self.normalises else {}),
        }


metrics: Registry[Metric] = Registry(
    "metric",
    Metric,
    {
        "contains": "lm_eval_so.evaluator.metrics.text:Contains",
        "cost_usd": "lm_eval_so.evaluator.metrics.ops:CostUsd",
        "exact_match": "lm_eval_so.evaluator.metrics.text:ExactMatch",
        "input_tokens": "lm_eval_so.evaluator.metrics.ops:InputTokens",
        "keyword_coverage": "lm_eval_so.evaluator.metrics.text:KeywordCoverage",
        "latency_ms": "lm_eval_so.evaluator.metrics.ops:LatencyMs",
        "llm_judge": "lm_eval_so.evaluator.metrics.judge.llm_judge:LLMJudge",
        "output_tokens": "lm_eval_so.evaluator.metrics.ops:OutputTokens",
        "regex": "lm_eval_so.evaluator.metrics.text:Regex",
        "token_f1": "lm_eval_so.evaluator.metrics.overlap:TokenF1",
        "ttft_ms": "lm_eval_so.evaluator.metrics.ops:TtftMs",
    },
)
"""All metrics by name."""


def snake_case(name: str) -> str:
    """Give a class's name as a metric's: MyMetric → my_metric, LLMJudge → llm_judge."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parts.lower()


def judge_missing(metric_id: str) -> ConfigError:
    """Say that a metric needs a judge and has none."""
    return ConfigError(f"the metric {metric_id} needs a judge", hint="give it a `backend`")
