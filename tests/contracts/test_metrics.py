"""Every metric passes the suite that plugin authors get."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from evaluation import SaidAsker

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import Metric, MetricEnv, metrics
from lm_eval_so.testing import MetricCase, metric_contract

JUDGE = SaidAsker('{"reason":"r","evidence":["3일"],"label":"good"}')
PARAMS: Mapping[str, dict[str, Any]] = {
    "keyword_coverage": {"keywords": ["3일", "환불"]},
    "llm_judge": {"rubric": "The answer is right.", "labels": ["good", "bad"]},
    "regex": {"pattern": "3일"},
}


@pytest.mark.parametrize("name", metrics.names())
def test_metric_contract__built_in(name: str) -> None:
    def make() -> Metric:
        env = MetricEnv(ask=JUDGE.ask, judge_model="judge")
        return metrics.resolve(name)(params=PARAMS.get(name, {}), env=env)

    assert len(metric_contract(make)) == 9


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
