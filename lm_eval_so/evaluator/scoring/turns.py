"""A metric that applies other metrics to every answer of a conversation."""

import asyncio
import math
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.config.problems import params_problems
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import Response, RunResult, Turn
from lm_eval_so.core.records.sample import TestSample, UserTurn
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.evaluator.binding.bound import BoundMetric, parse_pass_if
from lm_eval_so.evaluator.metrics.base import Metric, metrics
from lm_eval_so.evaluator.scoring.score_sample import score_row

__all__ = ["Turns"]


class OfTurn(BaseModel):
    """The metric of a turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    params: dict[str, JsonValue] = Field(default_factory=dict)
    pass_if: str | None = None

    @field_validator("pass_if")
    @classmethod
    def _compares(cls, text: str | None) -> str | None:
        if text is not None:
            parse_pass_if(text)
        return text

    @property
    def label(self) -> str:
        """Name of the metric within the turn: its id, else its name."""
        return self.id or self.name.rpartition(":")[2]


@dataclass(slots=True)
class _Said:
    """Scores of one turn."""

    values: list[float] = field(default_factory=list)
    passed: list[bool | None] = field(default_factory=list)

    @property
    def value(self) -> float:
        return math.fsum(self.values) / len(self.values)

    @property
    def has_passed(self) -> bool | None:
        if False in self.passed:
            return False
        return None if None in self.passed else True


class Turns(Metric):
    """A metric of every answer of a conversation.

    Definition: the metric in `metric` scores each answer as that to the conversation so far; a
        scripted turn with `expect` is scored by the metrics listed there instead, by their
        mean. `reduce`: the mean of the turns, the least (`min`), the last one's, or the share of
        turns that pass (`share_passed`). Turns without a metric are left out; if none is left: 1,
        vacuous.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a turn is (`part_unscored`), or the row does not tell its turns (`not_reported`);
        not applicable without a scenario, or if no metric applies.
    Language notes: those of the metric.
    Source: own rules.
    """

    requires = frozenset({"scenario", "run.turns"})
    checks_every_sample = True

    class Params(Metric.Params):
        """Metric of a turn, and the way from turns to one value."""

        metric: OfTurn | None = None
        reduce: Literal["mean", "min", "last", "share_passed"] = "mean"

        @field_validator("metric", mode="before")
        @classmethod
        def _by_name(cls, given: object) -> object:
            return {"name": given} if isinstance(given, str) else given

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if self.params.metric is not None and not self.check_params():
            metric = self._bind(self.params.metric).metric
            self.requires = self.requires | (metric.requires & {"judge"})
            self.measures_overlap = metric.measures_overlap

    def check_params(self) -> list[Problem]:
        """Find what is wrong with the metric."""
        found = self._problems(self.params.metric) if self.params.metric else []
        return [replace(each, where=None) for each in found]  # not of a key of this metric

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find what is wrong with the sample's parameters and what its turns expect."""
        at = f"sample {sample.id}"
        problems = super().check_sample(sample)
        if not problems and self.own_params(sample):
            own = self.params_for(sample).metric
            found = self._problems(own) if own is not None else []
            problems = [Problem(what=f"{self.place_in(sample)}: {p.what}") for p in found]
        for number, turn in enumerate(sample.scenario.turns if sample.scenario else ()):
            for place, given in enumerate(turn.expect):
                where = f"{at}, scenario.turns[{number}].expect[{place}]"
                problems += [
                    Problem(what=f"{where}: {found.what}", hint=found.hint)
                    for found in self._expect_problems(given)
                ]
        return problems

    def applies(self, sample: TestSample) -> bool:
        """Return whether a turn of the sample can have a value."""
        turns = sample.scenario.turns if sample.scenario else ()
        bound = [each for turn in turns for each in self._expected(turn)]
        default = self._default_for(sample)
        bound += [default] if default is not None else []
        alone = _sample_at(sample, ())
        without_answer = (each.settled(alone, None) for each in bound)
        return any(s is None or s.status is not ScoreStatus.NOT_APPLICABLE for s in without_answer)

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Score every turn and return the reduced value."""
        said: list[_Said] = []
        shown: list[JsonValue] = []
        scored = await asyncio.gather(*self._scored(sample, run))
        every = [score for found in scored for score in found]
        votes = [vote for score in every for vote in score.judge]
        costs = [score.cost_usd for score in every if score.cost_usd is not None]
        total = math.fsum(costs) if costs else None
        for number, found in enumerate(scored, start=1):
            of_turn = _Said()
            for score in found:
                if score.status is ScoreStatus.UNSCORED:
                    figures: dict[str, object] = {"turn": number, "metric": score.metric}
                    figures["why"] = score.reason_in or score.reason or score.code or ""
                    why = say_in_each("metrics.turn_unscored", figures)
                    lost = self.unscored(sample, "part_unscored", why, votes=votes)
                    return replace(lost, cost_usd=total)
                if score.value is not None:
                    of_turn.values.append(score.value)
                    of_turn.passed.append(score.passed)
            shown.append(of_turn.value if of_turn.values else None)
            said += [of_turn] if of_turn.values else []
        score = self._reduced(sample, said, {"turns": shown})
        return replace(score, judge=tuple(votes), cost_usd=total)

    def definition(self) -> dict[str, JsonValue]:
        """Return all that decides a value, the definition of the metric included."""
        of = self.params.metric
        if of is None or self.check_params():
            return super().definition()
        return {**super().definition(), "of": self._bind(of).metric.definition()}

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return the calls that all turns need."""
        asked = self._asked(sample, run)
        return sum(bound.metric.calls(at, of_turn) for bound, at, of_turn in asked)

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return the first prompt for a judge about the first turn that has one."""
        asked = self._asked(sample, run)
        prompts = (bound.metric.first_prompt(at, of_turn) for bound, at, of_turn in asked)
        return next((prompt for prompt in prompts if prompt is not None), None)

    def _scored(
        self, sample: TestSample, run: RunResult
    ) -> Iterator[Coroutine[Any, Any, list[Score]]]:
        """Yield the work of scoring each turn; judges may be asked about all of them at once."""

        async def score_turn(
            bound: Sequence[BoundMetric], at: TestSample, of: RunResult
        ) -> list[Score]:
            rows = [score_row([each], at, of, repeat=run.repeat) for each in bound]
            return [score for (score,) in await asyncio.gather(*rows)]

        for number, (turn, bound) in enumerate(self._turns(sample, run), start=1):
            at = _sample_at(sample, run.turns[:number])
            yield score_turn(bound, at, _run_at(run, turn))

    def _asked(
        self, sample: TestSample, run: RunResult
    ) -> Iterator[tuple[BoundMetric, TestSample, RunResult]]:
        """Yield the metrics that look at a turn, with the turn as a row."""
        for number, (turn, bound) in enumerate(self._turns(sample, run), start=1):
            at, of_turn = _sample_at(sample, run.turns[:number]), _run_at(run, turn)
            for each in bound:
                if each.is_asked(at, of_turn):
                    yield each, at, of_turn

    def _reduced(
        self, sample: TestSample, said: Sequence[_Said], details: Mapping[str, JsonValue]
    ) -> Score:
        how = self.params_for(sample).reduce
        if not said:
            why = say_in_each("metrics.turns_none")
            return self.make_score(sample, value=1, reason=why, vacuous=True, details=details)
        values = [turn.value for turn in said]
        match how:
            case "min":
                value = min(values)
            case "last":
                value = values[-1]
            case "share_passed":
                passed = [turn.has_passed for turn in said]
                if None in passed:
                    figures = {"parts": self.id}
                    why = say_in_each("metrics.part_undecided", figures)
                    return self.unscored(sample, "part_unscored", why, details)
                value = passed.count(True) / len(passed)
            case _:
                value = math.fsum(values) / len(values)
        return self.make_score(sample, value=value, details=details)

    def _turns(
        self, sample: TestSample, run: RunResult
    ) -> Iterator[tuple[Turn, list[BoundMetric]]]:
        """Yield each turn that was played with its metrics."""
        default = self._default_for(sample)
        left = iter(sample.scenario.turns if sample.scenario else ())
        for turn in run.turns:
            # skipped turns stand between
            written = next((each for each in left if each.user == turn.user), None)
            expected = list(self._expected(written)) if written else []
            yield turn, expected or ([default] if default is not None else [])

    def _expected(self, turn: UserTurn) -> Iterator[BoundMetric]:
        """Yield the metrics that a turn names; the second of a name is name.2."""
        names: Counter[str] = Counter()
        for given in turn.expect:
            of = OfTurn.model_validate(given)
            name = of.label
            names[name] += 1
            yield self._bind(of, f"{name}.{names[name]}" if names[name] > 1 else name)

    def _default_for(self, sample: TestSample) -> BoundMetric | None:
        own = self.params_for(sample).metric
        return self._bind(own) if own is not None else None

    def _bind(self, of: OfTurn, name: str | None = None) -> BoundMetric:
        metric_id = f"{self.id}.{name or of.label}"
        section = MetricSection(name=of.name, id=metric_id, params=of.params)
        metric = metrics.resolve(of.name)(params=of.params, metric_id=section.id, env=self.env)
        passes = parse_pass_if(of.pass_if) if of.pass_if else None
        return BoundMetric(metric=metric, section=section, passes=passes)

    def _expect_problems(self, given: Mapping[str, Any]) -> list[Problem]:
        try:
            of = OfTurn.model_validate(given)
        except ValidationError as error:
            return params_problems(error, OfTurn, at="", values=given)
        found = self._problems(of)
        if not found and "judge" in self._bind(of).metric.requires and not self.env.judges:
            found = [Problem(what=f"{of.name} needs a judge; give {self.id} a backend")]
        return found

    def _problems(self, of: OfTurn) -> list[Problem]:
        try:
            bound = self._bind(of)
        except InputError as error:
            return list(error.problems)
        except ValidationError as error:
            model = metrics.resolve(of.name).Params
            return params_problems(error, model, at="params", values=of.params)
        if "embedder" in bound.metric.requires:
            return [Problem(what=f"{of.name} needs an embedder, which {self.id} has none of")]
        if bound.metric.part_ids or bound.is_over_repeats or isinstance(bound.metric, Turns):
            return [Problem(what=f"{of.name} scores no single turn")]
        if bound.metric.range != (0.0, 1.0):
            return [Problem(what=f"{of.name} does not go from 0 to 1")]
        return bound.metric.check_params()


def _sample_at(sample: TestSample, turns: Sequence[Turn]) -> TestSample:
    """Return a sample that asks the last of these turns, with the others as its history."""
    said: list[Message] = []
    for turn in turns:
        said.append(Message(role="user", content=turn.user))
        said.append(Message(role="assistant", content=turn.text, tool_calls=turn.tool_calls))
    return replace(sample, messages=tuple(said[:-1]), scenario=None)


def _run_at(run: RunResult, turn: Turn) -> RunResult:
    """Return a turn as a row of its own."""
    is_last = turn is run.turns[-1]
    told = run.response if is_last and run.response is not None else Response()
    response = replace(told, text=turn.text, tool_calls=turn.tool_calls, messages=())
    return replace(
        run,
        status=turn.status,
        response=response if turn.status.is_answer else None,
        usage=turn.usage,
        cost_usd=turn.cost_usd,
        latency_ms=turn.latency_ms,
        ttft_ms=turn.ttft_ms,
        cached=turn.cached,
        turns=(),
    )
