"""Contract suite of metrics: the built-in ones, and yours."""

import asyncio
import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.chat import Message, ToolCall, Usage
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.run import Response, RunResult, Turn
from lm_eval_so.core.records.sample import Passage, Relation, Scenario, TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.scoring.score_sample import ScoredRow, score_sample

__all__ = ["MetricCase", "metric_contract"]

MakeMetric = Callable[[], Metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCase:
    """Question with an answer that the metric can score; by default a Korean one."""

    question: str = "환불은 며칠 걸리나요?"
    expected: str | None = "영업일 기준 3일"
    answer: str = "환불은 영업일 기준 3일 걸립니다."
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    """Parameters of the metric for this sample."""
    context: tuple[str, ...] = ()
    """Passages of the sample, which the chatbot reports, too."""
    context_ids: tuple[str, ...] = ()
    """Ids of passages that the chatbot reports."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls that the chatbot makes."""
    scenario: Scenario | None = None
    """Conversation instead of the question, played with the question and the answer."""
    relation: Relation | None = None
    """Relation to the sample that it was made from."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Values of the parts of the metric, by id; 1 passes, any other fails."""

    def sample(self, metric: Metric) -> TestSample:
        """Return the case as a sample."""
        return TestSample(
            id="contract-1",
            messages=() if self.scenario else (Message(role="user", content=self.question),),
            scenario=self.scenario,
            relation=self.relation,
            expected=self.expected,
            metrics={metric.id: dict(self.params)} if self.params else {},
            context=tuple(Passage(text=text) for text in self.context),
        )

    def run(self, answer: str | None = None) -> RunResult:
        """Return the answer as a row of a run."""
        text = self.answer if answer is None else answer
        calls = self.tool_calls
        turn = Turn(user=self.question, text=text, tool_calls=calls, status=RunStatus.OK)
        response = Response(
            text=text, context=self.context, context_ids=self.context_ids, tool_calls=calls
        )
        return RunResult(
            sample_id="contract-1",
            sample_hash="0" * 64,
            status=RunStatus.OK,
            response=response,
            turns=(turn,) if self.scenario else (),
            latency_ms=120.0,
            ttft_ms=40.0,
            cost_usd=0.001,
            usage=Usage(input_tokens=20, output_tokens=8),
        )


def metric_contract(make_metric: MakeMetric, case: MetricCase | None = None) -> tuple[str, ...]:
    """Check that a metric keeps the rules that the evaluation relies on.

    Args:
        make_metric: Function that makes the metric, with parameters and, if needed, a judge.
        case: Case that the metric can score.

    Returns:
        Names of the checked rules.

    Raises:
        AssertionError: With every rule that does not hold, and why.
    """
    broken = [text for rule in _RULES if (text := _held(rule, make_metric, case or MetricCase()))]
    if broken:
        raise AssertionError("\n".join(["the metric breaks its contract:", *broken]))
    return tuple(_name(rule) for rule in _RULES)


def _gives_a_value(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    score = _score(metric, case)
    _expect(score.status is ScoreStatus.SCORED, f"the case is {score.status}: {score.reason}")
    value = score.value if score.value is not None else math.nan
    low, high = metric.range or (-math.inf, math.inf)
    _expect(math.isfinite(value), f"the value is {value}")
    _expect(low <= value <= high, f"{value} is outside {low} … {high}")
    is_binary = metric.kind is MetricKind.BINARY
    _expect(not is_binary or value in {0.0, 1.0}, f"a binary metric gave {value}")
    _expect(score.metric == metric.id, f"the score is of {score.metric}, not {metric.id}")
    json.dumps(to_json(score), allow_nan=False)


def _is_repeatable(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    first, again, other = _score(metric, case), _score(metric, case), _score(make(), case)
    _expect(first == again, "the same answer has another score the second time")
    _expect(first == other, "another instance gives another score")


def _ignores_the_unicode_form(make: MakeMetric, case: MetricCase) -> None:
    values = {
        _score(make(), replace(case, answer=unicodedata.normalize(form, case.answer))).value
        for form in ("NFC", "NFD")
    }
    _expect(len(values) == 1, f"composed and decomposed Hangul differ: {sorted(map(str, values))}")


def _leaves_records_alone(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    sample, run = case.sample(metric), case.run()
    before = to_json(sample), to_json(run)
    _score_rows(metric, sample, run, case)
    _expect((to_json(sample), to_json(run)) == before, "sample or row were changed")


def _takes_an_empty_answer(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    run = replace(case.run(""), status=RunStatus.EMPTY)
    score = _score_rows(metric, case.sample(metric), run, case)
    _expect(score.code != "metric_error", f"an empty answer breaks it: {score.reason}")


def _needs_its_reference(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    score = _score(metric, replace(case, expected=None))
    if "expected" in metric.requires:
        is_right = score.status is ScoreStatus.NOT_APPLICABLE
        _expect(is_right, f"without a reference it is {score.status}, not not_applicable")
    _expect(score.code != "metric_error", f"no reference breaks it: {score.reason}")


def _scores_answers_only(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    for status in RunStatus:
        if status in metric.accepts_status:
            continue
        run = replace(case.run(), status=status, response=None)
        score = _score_rows(metric, case.sample(metric), run, case)
        _expect(score.value is None, f"a row that ended with {status} has a value")
        _expect(score.code == f"run_{status.value}", f"{status} gives the code {score.code}")


def _refuses_values_that_are_none(make: MakeMetric, case: MetricCase) -> None:
    metric = make()
    for value in (math.nan, math.inf, -math.inf, None):
        score = metric.make_score(case.sample(metric), value=value)
        _expect(score.code == "invalid_value", f"make_score takes {value} for a value")
    if metric.range is not None:
        score = metric.make_score(case.sample(metric), value=metric.range[1] + 1)
        _expect(score.code == "out_of_range", "make_score takes a value out of range")


def _says_what_it_is(make: MakeMetric, case: MetricCase) -> None:  # noqa: ARG001 - as the others
    metric = make()
    definition = json.dumps(metric.definition(), sort_keys=True, allow_nan=False)
    again = json.dumps(make().definition(), sort_keys=True, allow_nan=False)
    _expect(definition == again, "two instances have different definitions")
    _expect(metric.name in definition, "the definition does not name the metric")
    _expect((type(metric).__doc__ or "").strip() != "", "it has no docstring")


_RULES: tuple[Callable[[MakeMetric, MetricCase], None], ...] = (
    _gives_a_value,
    _is_repeatable,
    _ignores_the_unicode_form,
    _leaves_records_alone,
    _takes_an_empty_answer,
    _needs_its_reference,
    _scores_answers_only,
    _refuses_values_that_are_none,
    _says_what_it_is,
)


def _held(
    rule: Callable[[MakeMetric, MetricCase], None], make: MakeMetric, case: MetricCase
) -> str | None:
    try:
        rule(make, case)
    except AssertionError as error:
        return f"- {_name(rule)}: {error}"
    except Exception as error:  # noqa: BLE001 - a rule that a metric crashes is one it breaks
        return f"- {_name(rule)}: {type(error).__name__}: {error}"
    return None


def _name(rule: Callable[[MakeMetric, MetricCase], None]) -> str:
    return rule.__name__.removeprefix("_")


def _score(metric: Metric, case: MetricCase) -> Score:
    return _score_rows(metric, case.sample(metric), case.run(), case)


def _score_rows(metric: Metric, sample: TestSample, run: RunResult, case: MetricCase) -> Score:
    """Score an answer; for a metric over repeats the answer is given twice."""
    section = MetricSection(name=metric.name, id=metric.id)
    bound = BoundMetric(metric=metric, section=section)
    parts = {
        part: Score(
            metric=part,
            sample_id=sample.id,
            status=ScoreStatus.SCORED,
            value=value,
            passed=value == 1,
        )
        for part, value in case.parts.items()
    }
    first, again = (ScoredRow(repeat=n, run=run, scores=dict(parts)) for n in range(2))
    rows = [first, again] if bound.is_over_repeats else [first]
    asyncio.run(score_sample([bound], sample, rows, base=lambda _, __, part: parts.get(part)))
    return first.scores[metric.id]


def _expect(holds: bool, why: str) -> None:
    if not holds:
        raise AssertionError(why)
