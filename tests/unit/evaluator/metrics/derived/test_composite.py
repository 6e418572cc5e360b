"""Several metrics as one."""

from typing import Any

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.records.enums import Language, MetricKind, ScoreStatus
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import MetricEnv
from lm_eval_so.evaluator.metrics.derived.composite import Composite

NA = "not_applicable"


def part(value: float | str | None, passed: bool | None = None) -> Score:
    """Return a value, a code of a missing one, or NA."""
    if isinstance(value, str):
        status = ScoreStatus.NOT_APPLICABLE if value == NA else ScoreStatus.UNSCORED
        return Score(metric="p", sample_id="s1", status=status, code=value)
    return Score(metric="p", sample_id="s1", status=ScoreStatus.SCORED, value=value, passed=passed)


def joined(scores: dict[str, Score], **params: Any) -> Score:
    metric = Composite(params={"parts": list(scores), **params})
    return metric.score_parts(a_sample(), [a_run("답")], {name: [s] for name, s in scores.items()})


@pytest.mark.parametrize(
    ("params", "parts", "value"),
    [
        ({"parts": {"a": 3, "b": 1}}, {"a": part(1), "b": part(0.5)}, 0.875),
        ({}, {"a": part(1), "b": part(0.5)}, 0.75),
        ({}, {"a": part(0.5), "b": part(NA)}, 0.5),
        ({"parts": {"a": 3, "b": 1}}, {"a": part(1), "b": part("judge_invalid")}, "part_unscored"),
        ({}, {"a": part(NA), "b": part(NA)}, None),
        ({}, {"a": part("run_timeout"), "b": part("run_timeout")}, "run_timeout"),
        ({}, {"a": part("run_timeout"), "b": part("judge_error")}, "part_unscored"),
        ({"mode": "min"}, {"a": part(1), "b": part(0.5)}, 0.5),
        ({"mode": "max"}, {"a": part(1), "b": part(0.5)}, 1),
        ({"mode": "min"}, {"a": part(0), "b": part("judge_error")}, "part_unscored"),
        ({"mode": "all_of"}, {"a": part(1, True), "b": part(0.9, True)}, 1),
        ({"mode": "all_of"}, {"a": part(1, True), "b": part(0.2, False)}, 0),
        ({"mode": "all_of"}, {"a": part(0, False), "b": part("judge_error")}, 0),
        ({"mode": "all_of"}, {"a": part(1, True), "b": part("judge_error")}, "part_unscored"),
        ({"mode": "all_of"}, {"a": part(1, True), "b": part(NA)}, 1),
        ({"mode": "all_of"}, {"a": part(1, True), "b": part(0.5)}, "part_unscored"),
        ({"mode": "any_of"}, {"a": part(1, True), "b": part("judge_error")}, 1),
        ({"mode": "any_of"}, {"a": part(0, False), "b": part("judge_error")}, "part_unscored"),
        ({"mode": "any_of"}, {"a": part(0, False), "b": part(0, False)}, 0),
    ],
)
def test_score_parts__table(
    params: dict[str, Any], parts: dict[str, Score], value: float | str | None
) -> None:
    score = joined(parts, **params)
    if value is None:
        assert score.status is ScoreStatus.NOT_APPLICABLE
    elif isinstance(value, str):
        assert (score.value, score.code) == (None, value)
    else:
        assert score.value == pytest.approx(value, abs=1e-15)


def test_score_parts__says_why() -> None:
    low = joined({"a": part(1), "b": part(0.5)})
    assert (low.reason, low.details) == ("a 1, b 0.5", {"parts": {"a": 1.0, "b": 0.5}})
    assert joined({"a": part(1)}).reason is None
    failed = joined({"a": part(0, False), "b": part(1, True)}, mode="all_of")
    assert failed.reason == "not passed: a"
    lost = joined({"a": part("judge_error"), "b": part(1)})
    assert lost.reason == "no score of a (judge_error)"
    korean = Composite(params={"parts": ["말투"]}, env=MetricEnv(language=Language.KO))
    said = korean.score_parts(a_sample(), [], {"말투": [part("judge_error")]})
    assert said.reason == "말투 (judge_error) 점수가 없습니다"


def test_score_parts__weights_of_the_sample() -> None:
    metric = Composite(params={"parts": {"a": 1, "b": 1}})
    sample = a_sample(metrics={"composite": {"parts": {"a": 3, "b": 1}}})
    parts = {"a": [part(1)], "b": [part(0)]}
    assert metric.score_parts(sample, [], parts).value == 0.75


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (
            {"parts": ["a", "z"]},
            "sample s1, metrics.composite.parts: z is no part of composite in the config",
        ),
        ({"mode": "min"}, "sample s1, metrics.composite.mode: the mode is that of the config"),
    ],
)
def test_check_sample__parts_and_mode_are_the_configs(own: dict[str, Any], why: str) -> None:
    metric = Composite(params={"parts": ["a", "b"]})
    (problem,) = metric.check_sample(a_sample(metrics={"composite": own}))
    assert problem.what == why


def test_kind__right_or_wrong_if_parts_pass_or_fail() -> None:
    kinds = {
        mode: Composite(params={"parts": ["a"], "mode": mode}).kind for mode in ("min", "all_of")
    }
    assert kinds == {"min": MetricKind.BOUNDED, "all_of": MetricKind.BINARY}
