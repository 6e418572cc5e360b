"""Base of all metrics: an exact rule that gives an answer a value, or says why it has none."""

import math
from collections.abc import Awaitable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lm_eval_so.core.config.problems import params_problems
from lm_eval_so.core.records.enums import MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import LARGEST_SCORE, JudgeVote, Score
from lm_eval_so.core.registry import PLUGIN_MODULES, Registry
from lm_eval_so.core.stats.agreement import Level
from lm_eval_so.core.text.profiles import TEXT_VERSION
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.extras import Need, library_versions, need_problems
from lm_eval_so.evaluator.metrics.names import BUILT_IN, snake_case

__all__ = ["Category", "Level", "Metric", "MetricEnv", "Scored", "metrics"]

_WIDTH_TOLERANCE = 1e-9

Category = Literal["rule", "heuristic", "model"]
Scored: TypeAlias = bool | float | Score
"""Result of scoring: a score, or its value alone; true is 1, false is 0."""


class CorpusScore(NamedTuple):
    """Score of all answers together, where that is another figure than the mean."""

    value: float
    signature: str
    """Name that the library gives to its settings."""


class ScoreFields(TypedDict, total=False):
    """Fields of a score beside its value."""

    passed: bool | None
    """Whether the answer passes; default: as `pass_if` says, or the better value of a binary metric."""
    label: str | None
    """Word for the value."""
    reason: str | Mapping[str, str] | None
    """One line for people; or the line in every language, by its code."""
    code: str | None
    """Reason code."""
    details: Mapping[str, JsonValue] | None
    """Facts, as JSON."""
    vacuous: bool
    """Whether there was nothing to check."""
    votes: Sequence[JudgeVote]
    """Votes of the judges."""


class Metric:
    """Base of all metrics: subclasses need only `score`, or one of the other ways to score.

    All of them may be `async def`. An exception in one makes the row unscored, never a zero.
    """

    name: ClassVar[str] = ""
    """Name in configs and reports; default: the class's name in snake_case."""
    version: ClassVar[int] = 1
    """Version of the rule; raise it whenever the same input may give another value."""
    category: ClassVar[Category] = "rule"
    kind: MetricKind = MetricKind.BOUNDED
    range: tuple[float, float] | None = (0.0, 1.0)
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str | None] = None
    measures_overlap: bool = False
    """Whether values tell only how near the wording is to a reference; such a metric gates only if named."""
    normalises: ClassVar[bool] = False
    """Whether values depend on `core.text`, whose version is then part of the definition."""
    requires: frozenset[str] = frozenset()
    """Needs of the metric.

    Without "expected", "context", "scenario", "relation" or "params.NAME|OTHER" it is not applicable.
    Without "run.FIELD", a field of the row or its response, it is unscored as `not_reported`; without
    "repeats", two answers to a sample, as `part_unscored`. Without "judge" or "embedder" the config
    is wrong. With "baseline", `env.baseline` has the baseline's answers.
    """
    accepts_status: ClassVar[frozenset[RunStatus]] = frozenset(
        {RunStatus.OK, RunStatus.TRUNCATED, RunStatus.REFUSED, RunStatus.EMPTY}
    )
    checks_every_sample: ClassVar[bool] = False
    """Whether `check_sample` also looks at samples without parameters, for example at their references."""
    threaded: ClassVar[bool] = False
    """Whether `score` takes so long that it runs in a thread; it may then run in several at once."""
    batch_size: ClassVar[int] = 64
    """Largest number of answers that `score_batch` gets."""

    class Params(BaseModel):
        """Parameters of the metric; those of a sample override the config's, key by key."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    params: Any
    vote_level: Level = "nominal"
    """Level of the judges' votes: labels, labels with an order, or values."""
    labels: Mapping[str, float] = MappingProxyType({})
    """Value of each label that the judge chooses from; empty if the judge gives values."""

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
        self.sample_keys: tuple[str, ...] = (self.id,)
        """Keys of a sample's `metrics` that may hold its parameters; the first one found counts."""
        self._last: tuple[Mapping[str, JsonValue] | None, Any] = (None, None)

    def own_params(self, sample: TestSample) -> Mapping[str, JsonValue]:
        """Return the parameters that a sample has for this metric; empty ones are none."""
        return next(filter(None, map(sample.metrics.get, self.sample_keys)), {})

    def place_in(self, sample: TestSample) -> str:
        """Return the place of those parameters, for a problem: "sample q1, metrics.contains"."""
        key = next(filter(sample.metrics.get, self.sample_keys), self.id)
        return f"sample {sample.id}, metrics.{key}"

    def params_for(self, sample: TestSample) -> Any:
        """Return the parameters for a sample: its own over the config's.

        Raises:
            ValidationError: If the sample's do not fit; `check_sample` reports that with the id.
        """
        if not (own := self.own_params(sample)):
            return self.params
        last, params = self._last
        if own is not last:  # asked for several times a row
            params = self.Params.model_validate({**self.given, **own})
            self._last = own, params
        return params

    def needs(self, params: Any) -> Need | None:  # noqa: ARG002 - for subclasses
        """Return the libraries that parameters need beyond the core's; None if there are none."""
        return None

    def check_params(self) -> list[Problem]:
        """Find problems of the parameters beyond their shape, such as a missing file.

        The key of a problem's place starts at the metric's section: params.rubric, judge.template.
        """
        return need_problems(self.id, self.needs(self.params))

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find problems of a sample's parameters, before anything is scored."""
        at = self.place_in(sample)
        try:
            params = self.params_for(sample)
        except ValidationError as error:
            return params_problems(error, self.Params, at=at, values=self.own_params(sample))
        return need_problems(at, self.needs(params))

    def applies(self, sample: TestSample) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether the metric applies to a sample, beyond `requires` and whatever the answer."""
        return True

    def prepare(self, samples: Sequence[TestSample]) -> None:
        """Prepare once, before the first answer: load a model, warn."""

    def score(self, sample: TestSample, run: RunResult) -> Scored | Awaitable[Scored]:
        """Return the score of one answer, or its value alone.

        Called only for rows whose status and fields allow it.
        """
        raise NotImplementedError

    def score_batch(
        self, items: Sequence[tuple[TestSample, RunResult]]
    ) -> Sequence[Scored] | Awaitable[Sequence[Scored]]:
        """Score up to `batch_size` answers at once, instead of `score`: in order, one result each."""
        raise NotImplementedError

    def score_repeats(
        self, sample: TestSample, runs: Sequence[RunResult]
    ) -> Scored | Awaitable[Scored]:
        """Score all usable answers to a sample together, instead of `score`: one value a sample."""
        raise NotImplementedError

    @property
    def part_ids(self) -> tuple[str, ...]:
        """Ids of the other metrics of the config that this one is made of; see `score_parts`."""
        return ()

    def check_part(self, part: "Metric", *, decides: bool) -> str | None:
        """Say why a metric cannot be a part of this one, such as "is unbounded"; None if it can.

        Args:
            part: Other metric.
            decides: Whether the other metric lets answers pass or fail.
        """

    def score_parts(
        self,
        sample: TestSample,
        runs: Sequence[RunResult],
        parts: Mapping[str, Sequence[Score]],
    ) -> Scored | Awaitable[Scored]:
        """Score from the scores of the parts, instead of `score`.

        Args:
            sample: Sample.
            runs: Row to score; all rows of the sample if the metric requires "repeats".
            parts: Scores by id of the part, one per row; if the metric requires "relation", the
                score of the row, then that of the same repeat of the base, if there is one.
        """
        raise NotImplementedError

    def calls(self, sample: TestSample, run: RunResult) -> int:  # noqa: ARG002 - for subclasses
        """Return the number of requests to each judge about an answer, without repairs; 0 for a rule."""
        return 0

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:  # noqa: ARG002
        """Return the first message to a judge about an answer; None if no judge is asked."""
        return None

    def corpus_score(
        self,
        counts: Sequence[int],  # noqa: ARG002 - for subclasses
        units: Sequence[str],  # noqa: ARG002
    ) -> CorpusScore | None:
        """Return the score of all answers together; None if there is none beside the mean.

        Args:
            counts: Sums of `details["corpus_counts"]` over the scored rows.
            units: Different values of `details["unit"]`: the units that texts were cut into.
        """
        return None

    def rival(self, sample: TestSample, run: RunResult) -> str | None:
        """Return the other answer that this one is compared with; None if it is judged by itself."""

    def knows(self, sample: TestSample, run: RunResult) -> bool:  # noqa: ARG002
        """Return whether the judge is told the right verdict on an answer, as by an example."""
        return False

    def guide(self, sample: TestSample) -> str:  # noqa: ARG002 - for subclasses
        """Return the criteria of the judge, or of a person in its place; "" for a rule."""
        return ""

    def make_score(
        self, sample: TestSample, *, value: float | bool | None, **more: Unpack[ScoreFields]
    ) -> Score:
        """Return a score; without a usable value (null, NaN, out of range) it is unscored.

        Args:
            sample: Scored sample.
            value: Value; true is 1, false is 0.
            more: Other fields of the score, by name: see `ScoreFields`.

        Raises:
            TypeError: If a name is not one of these fields.
        """
        if unknown := more.keys() - ScoreFields.__annotations__:
            what = f"make_score() got an unexpected keyword argument {min(unknown)!r}"
            raise TypeError(what)
        details = more.get("details") or {}
        if value is None or not math.isfinite(value):
            return self.unscored(
                sample,
                "invalid_value",
                self.env.say("value_none", value=f"{value}"),
                details,
            )
        number, why = self._in_range(float(value))
        if why is not None:
            return self.unscored(sample, "out_of_range", why, details)
        passed, (reason, in_each) = more.get("passed"), self.env.told(more.get("reason"))
        if passed is None and self.kind is MetricKind.BINARY:
            passed = self.is_right(number)
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.SCORED,
            value=number,
            passed=passed,
            label=more.get("label"),
            reason=reason,
            reason_in=in_each,
            code=more.get("code"),
            details=details,
            vacuous=more.get("vacuous", False),
            judge=tuple(more.get("votes", ())),
        )

    def is_right(self, value: float) -> bool:
        """Return whether a value of a binary metric is the better one of its two."""
        return (value == 1) is self.higher_is_better

    def as_score(self, sample: TestSample, found: object) -> Score:
        """Return what `score` returned as a score: a bool or a number is its value."""
        if isinstance(found, Score):
            return found
        if isinstance(found, int | float):
            return Metric.make_score(self, sample, value=found)
        why = f"score() gave {type(found).__name__}, no Score, bool or float"
        return self.unscored(sample, "metric_error", why)

    def unscored(
        self,
        sample: TestSample,
        code: str,
        reason: str | Mapping[str, str] | None = None,
        details: Mapping[str, JsonValue] | None = None,
        votes: Sequence[JudgeVote] = (),
    ) -> Score:
        """Return a score without a value, and the reason code."""
        text, in_each = self.env.told(reason)
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.UNSCORED,
            code=code,
            reason=text,
            reason_in=in_each,
            details=details or {},
            judge=tuple(votes),
        )

    def not_applicable(
        self, sample: TestSample, reason: str | Mapping[str, str] | None = None
    ) -> Score:
        """Return that the metric does not apply to a sample, whatever the answer."""
        text, in_each = self.env.told(reason)
        return Score(
            metric=self.id,
            sample_id=sample.id,
            status=ScoreStatus.NOT_APPLICABLE,
            reason=text,
            reason_in=in_each,
        )

    def _in_range(self, number: float) -> tuple[float, Mapping[str, str] | None]:
        """Return a finite value within the range of the metric; if it lies outside, why it is none.

        A rounding error is clipped: sacrebleu gives 100.00000000000004 for identical texts.
        """
        say, value = self.env.say, f"{number}"
        if self.range is not None:
            low, high = self.range
            slack = _WIDTH_TOLERANCE * (high - low)
            if not low - slack <= number <= high + slack:
                return number, say("value_outside", value=value, low=f"{low}", high=f"{high}")
            number = min(high, max(low, number))
        elif abs(number) > LARGEST_SCORE:
            return number, say("value_large", value=value, most=f"{LARGEST_SCORE:g}")
        if self.kind is MetricKind.BINARY and number not in (0.0, 1.0):
            return number, say("value_not_binary", value=f"{number}")
        return number, None

    def definition(self) -> dict[str, JsonValue]:
        """Return all that decides a value, so that two reports can tell whether they measured the same."""
        return {
            "name": self.name,
            "version": self.version,
            "params": self.params.model_dump(mode="json"),
            **({"text": TEXT_VERSION} if self.normalises else {}),
            **({"libraries": library_versions(n.extras)} if (n := self.needs(self.params)) else {}),
        }


metrics: Registry[Metric] = Registry("metric", Metric, BUILT_IN)
"""All metrics by name."""


def is_given(params: Any, need: str) -> bool:
    """Return whether a parameter is set that a need such as "params.min|max" names."""
    return any(_says(params, name) for name in need.removeprefix("params.").split("|"))


def _says(params: Any, name: str) -> bool:
    value = getattr(params, name)
    # where the default is none at all, an empty list says something, as that no call is right
    is_told = isinstance(value, tuple | list) and type(params).model_fields[name].default is None
    return is_told or value not in (None, "", (), [], {})


def need_text(need: str) -> str:
    """Return a need of a metric as people read it."""
    return need.replace("|", " or ")
