"""Every metric passes the suite that plugin authors get."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from evaluation import SaidAsker

from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import Check, Relation, Scenario, TestSample, UserTurn
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text import nfc
from lm_eval_so.evaluator.binding.embedders import embed_locally
from lm_eval_so.evaluator.metrics.base import Metric, metrics
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.testing import MetricCase, metric_contract

GROUNDED = """{"claims":[{"quote":"영업일 기준 3일","claim":"환불은 3일 걸린다"}],
"verdicts":[{"number":1,"reason":"r","evidence":"3일","verdict":"supported"}]}"""
SAID: Mapping[str, str] = {
    "answer_correctness": GROUNDED,
    "answer_relevancy": '{"reason":"r","evidence":["3일"],"label":"full"}',
    "checklist": '{"verdicts":[{"number":1,"reason":"r","evidence":"","verdict":"yes"}]}',
    "context_precision": '{"reason":"r","evidence":["3일"],"label":"relevant"}',
    "context_recall": GROUNDED,
    "fact_coverage": '{"verdicts":[{"number":1,"reason":"r","evidence":"","verdict":"stated"}]}',
    "faithfulness": GROUNDED,
    "goal": '{"reason":"r","evidence":["3일"],"label":"yes"}',
    "llm_scale": '{"reason":"r","evidence":["3일"],"label":"4"}',
    "pairwise": '{"reason":"r","evidence":["3일"],"label":"TIE"}',
}
"""What the judge says, if not that it is good."""
GOOD = '{"reason":"r","evidence":["3일"],"label":"good"}'
RAG = MetricCase(context=("환불은 영업일 기준 3일 안에 됩니다.",))
PLAYED = MetricCase(
    scenario=Scenario(
        turns=(UserTurn(user="환불은 며칠 걸리나요?"),),
        success=(Check(type="contains", text="3일"), Check(type="judge", text="It is answered.")),
    )
)
CHANGED = Relation(base="contract-0", type="typo", expect="same")
CASES: Mapping[str, MetricCase] = {
    "composite": MetricCase(parts={"right": 1.0, "short": 0.5}),
    "datetime_match": MetricCase(expected="2026-03-02", answer="2026년 3월 2일에 됩니다."),
    "citations": MetricCase(
        answer="환불은 영업일 기준 3일 안에 됩니다 [1].",
        context=("환불은 영업일 기준 3일 안에 됩니다.",),
    ),
    "context_precision": RAG,
    "context_recall": RAG,
    "conversation": PLAYED,
    "faithfulness": RAG,
    "goal": PLAYED,
    "invariance": MetricCase(relation=CHANGED, parts={"right": 1.0}),
    "json_match": MetricCase(expected='{"지점": "서울"}', answer='{"지점": "서울", "n": 1}'),
    "json_schema": MetricCase(answer='결과: {"지점": "서울"}'),
    "retrieval": MetricCase(context_ids=("문서1", "문서2")),
    "tool_call": MetricCase(tool_calls=(ToolCall(name="search", arguments='{"말": "환불"}'),)),
    "turns": PLAYED,
}
PARAMS: Mapping[str, dict[str, Any]] = {
    "checklist": {"criteria": ["Does it name the number of days?"]},
    "choice": {"options": ["영업일 기준 3일", "7일"]},
    "composite": {"parts": {"right": 2, "short": 1}},
    "fact_coverage": {"facts": ["환불은 3일 걸린다"]},
    "instructions": {"checks": [{"type": "sentences", "max": 1}, {"type": "honorific"}]},
    "invariance": {"of": "right"},
    "json_match": {"fields": {"지점": {"metric": "contains"}}},
    "json_schema": {"schema": {"properties": {"지점": {"enum": ["서울"]}}}},
    "keyword_coverage": {"keywords": ["3일", "환불"]},
    "language_match": {"language": "ko"},
    "length": {"max": 100},
    "llm_judge": {"rubric": "The answer is right.", "labels": ["good", "bad"]},
    "llm_scale": {"anchors": ["wrong", "mostly wrong", "half right", "mostly right", "right"]},
    "pairwise": {"baseline_answer": "일주일 걸립니다."},
    "python": {"target": "operator:is_not"},
    "regex": {"pattern": "3일"},
    "retrieval": {"gold_ids": ["문서1"]},
    "tool_call": {"calls": [{"name": "search", "arguments": {"말": "환불"}}]},
    "turns": {"metric": "contains"},
}


@pytest.mark.parametrize("name", metrics.names())
def test_metric_contract__built_in(name: str) -> None:
    judge = Judge(ask=SaidAsker(SAID.get(name, GOOD)).ask, model="judge")

    def make() -> Metric:
        env = MetricEnv(judges=(judge,), embed=embed_locally)
        return metrics.resolve(name)(params=PARAMS.get(name, {}), env=env)

    assert len(metric_contract(make, CASES.get(name))) == 9


class SaysYes(Metric):
    """Whether the answer is right, as a bool."""

    kind = MetricKind.BINARY
    requires = frozenset({"expected"})

    def score(self, sample: TestSample, run: RunResult) -> bool:
        return nfc(sample.answers[0]) in nfc(run.text)


class Waits(SaysYes):
    """The same, later."""

    async def score(self, sample: TestSample, run: RunResult) -> bool:  # type: ignore[override]
        return super().score(sample, run)


class Measures(Metric):
    """How much of the answer is Hangul, as a number."""

    def score(self, sample: TestSample, run: RunResult) -> float:
        letters = [each for each in nfc(run.text) if each.isalpha()]
        return sum("가" <= each <= "힣" for each in letters) / max(1, len(letters))


class Explains(Metric):
    """Whether there is an answer, as a score with a reason."""

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.make_score(sample, value=bool(run.text), reason="there is one")


@pytest.mark.parametrize("metric", [SaysYes, Waits, Measures, Explains])
def test_metric_contract__bool_float_or_score(metric: type[Metric]) -> None:
    assert len(metric_contract(metric)) == 9


class SaysMaybe(Metric):
    """A word in place of a value."""

    def score(self, sample: TestSample, run: RunResult) -> Any:
        return "maybe"


class CountsLetters(Metric):
    """A number out of range."""

    def score(self, sample: TestSample, run: RunResult) -> float:
        return len(run.text)


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (SaysMaybe, "gives_a_value: the case is unscored: score\\(\\) gave str, no Score, bool or"),
        (CountsLetters, r"gives_a_value: the case is unscored: 19.0 is outside 0.0 … 1.0"),
    ],
)
def test_metric_contract__result_that_is_no_value(metric: type[Metric], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        metric_contract(metric)


class Broken(Metric):
    """Breaks every rule of the suite."""

    requires = frozenset({"expected"})
    calls = 0

    def score(self, sample: TestSample, run: RunResult) -> Score:
        Broken.calls += 1
        sample.metadata["seen"] = Broken.calls
        if not run.text:
            raise ValueError("no text")
        return self.make_score(sample, value=1 / (Broken.calls + len(run.text)))

    def make_score(self, sample: TestSample, *, value: Any, **rest: Any) -> Score:
        safe = value if value is not None and math.isfinite(value) and value <= 1 else 0.5
        return super().make_score(sample, value=safe, **rest)

    def definition(self) -> dict[str, Any]:
        return {"at": id(self)}


def test_metric_contract__names_every_rule_that_is_broken() -> None:
    kept: list[Metric] = []

    def make() -> Metric:
        kept.append(Broken())  # alive, so that no two share an address
        return kept[-1]

    with pytest.raises(AssertionError) as caught:
        metric_contract(make)
    broken = [line.split(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert broken == [
        "- is_repeatable",
        "- ignores_the_unicode_form",
        "- leaves_records_alone",
        "- takes_an_empty_answer",
        "- refuses_values_that_are_none",
        "- says_what_it_is",
    ]


def test_metric_contract__case_that_has_no_value() -> None:
    with pytest.raises(AssertionError, match="gives_a_value: the case is not_applicable"):
        metric_contract(metrics.resolve("exact_match"), MetricCase(expected=None))


def test_metric_contract__parameters_of_the_sample() -> None:
    case = MetricCase(params={"keywords": ["3일"]})
    assert metric_contract(metrics.resolve("keyword_coverage"), case)
