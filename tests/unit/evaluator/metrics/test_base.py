"""What every metric has from its base."""

import math

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import Metric, metrics
from lm_eval_so.evaluator.metrics.names import snake_case


class MyMetric(Metric):
    """Whether there is an answer at all."""

    def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.make_score(sample, value=bool(run.text))


@pytest.mark.parametrize(
    ("name", "snake"),
    [("MyMetric", "my_metric"), ("LLMJudge", "llm_judge"), ("TokenF1", "token_f1"), ("A", "a")],
)
def test_snake_case__names_metrics(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_metric__name_defaults_to_the_class() -> None:
    assert MyMetric.name == "my_metric"
    assert MyMetric().id == "my_metric"
    assert MyMetric(metric_id="mine").score(a_sample(), a_run("답")).metric == "mine"


@pytest.mark.parametrize("name", metrics.names())
def test_registry__names_are_those_of_the_classes(name: str) -> None:
    assert metrics.resolve(name).name == name


@pytest.mark.parametrize("name", metrics.names())
def test_docstring__has_the_fixed_lines(name: str) -> None:
    text = metrics.resolve(name).__doc__ or ""
    lines = [line.strip().partition(":")[0] for line in text.splitlines()]
    for fixed in (
        "Definition",
        "Range",
        "Direction",
        "Unscored when",
        "Language notes",
        "Source",
    ):
        assert fixed in lines


@pytest.mark.parametrize("name", ["reasons", "status", "metric"])
def test_make_score__a_name_that_is_no_field__is_an_error(name: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        MyMetric().make_score(a_sample(), value=1.0, **{name: "too long"})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_make_score__no_number__is_unscored(value: float | None) -> None:
    score = MyMetric().make_score(a_sample(), value=value)
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "invalid_value")


@pytest.mark.parametrize(
    ("kind", "found", "value", "passed", "code"),
    [
        ("binary", True, 1, True, None),
        ("binary", False, 0, False, None),
        ("binary", 1.0, 1, True, None),
        ("binary", 0.5, None, None, "out_of_range"),
        ("bounded", True, 1, None, None),
        ("bounded", 0.5, 0.5, None, None),
        ("bounded", 1, 1, None, None),
        ("bounded", 1.5, None, None, "out_of_range"),
        ("bounded", math.nan, None, None, "invalid_value"),
        ("bounded", "0.5", None, None, "metric_error"),
        ("bounded", None, None, None, "metric_error"),
    ],
)
def test_as_score__value_alone(
    kind: str, found: object, value: float | None, passed: bool | None, code: str | None
) -> None:
    metric = MyMetric()
    metric.kind = MetricKind(kind)
    score = metric.as_score(a_sample("q7"), found)
    assert (score.value, score.passed, score.code) == (value, passed, code)
    assert (score.metric, score.sample_id) == ("my_metric", "q7")


@pytest.mark.parametrize("value", [True, False])
def test_as_score__a_fault_that_is_found_does_not_pass(value: bool) -> None:
    class Slang(MyMetric):
        name, kind, higher_is_better = "slang", MetricKind.BINARY, False

    assert Slang().as_score(a_sample(), value).passed is not value


def test_as_score__score_stays_as_it_is() -> None:
    score = MyMetric().make_score(a_sample(), value=1, reason="r")
    assert MyMetric().as_score(a_sample(), score) is score


def test_make_score__range() -> None:
    metric = MyMetric()
    assert metric.make_score(a_sample(), value=1 + 1e-12).value == 1
    assert metric.make_score(a_sample(), value=-1e-12).value == 0
    assert metric.make_score(a_sample(), value=1.001).code == "out_of_range"
    assert metric.make_score(a_sample(), value=True).value == 1


def test_make_score__open_range_ends_where_squares_do() -> None:
    metric = MyMetric()
    metric.kind, metric.range = MetricKind.UNBOUNDED, None
    assert metric.make_score(a_sample(), value=-1e150).value == -1e150
    assert metric.make_score(a_sample(), value=1.7e308).code == "out_of_range"


def test_make_score__binary_takes_nothing_between() -> None:
    metric = MyMetric()
    metric.kind = MetricKind.BINARY
    assert metric.make_score(a_sample(), value=0.5).code == "out_of_range"
    assert metric.make_score(a_sample(), value=1.0).value == 1


def test_check_sample__names_sample_and_key() -> None:
    metric = metrics.resolve("keyword_coverage")()
    sample = a_sample("q7", metrics={"keyword_coverage": {"keywordz": ["a"]}})
    (problem,) = metric.check_sample(sample)
    assert problem.what == (
        'sample q7, metrics.keyword_coverage.keywordz: unknown key "keywordz" '
        '(did you mean "keywords"?)'
    )
    blank = a_sample("q8", metrics={"keyword_coverage": {"keywords": [""]}})
    (problem,) = metric.check_sample(blank)
    assert problem.what == "sample q8, metrics.keyword_coverage: a keyword is empty"
    assert metric.check_sample(a_sample()) == []


def test_metric__kind_may_be_a_text() -> None:
    class Plugged(Metric):
        kind = "binary"  # type: ignore[assignment]

    assert Plugged.kind is MetricKind.BINARY
    with pytest.raises(ValueError, match="binry"):
        type("Wrong", (Metric,), {"kind": "binry"})
