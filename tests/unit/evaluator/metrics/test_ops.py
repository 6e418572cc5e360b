"""Metrics of operation."""

from typing import Any

import pytest
from evaluation import a_run, a_sample
from pydantic import ValidationError

from lm_eval_so.evaluator.metrics.ops import LatencyMs


def test_latency_ms__is_the_runs() -> None:
    score = LatencyMs().score(a_sample(), a_run("답", latency_ms=120.5))
    assert (score.value, score.passed) == (120.5, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"latency_ms": 120.0, "cached": True}, "cached"),
        ({"cached": True}, "cached"),
        ({}, "not_reported"),
    ],
)
def test_latency_ms__what_was_not_measured_now_has_no_value(
    fields: dict[str, Any], code: str
) -> None:
    score = LatencyMs().score(a_sample(), a_run("답", **fields))
    assert (score.value, score.code) == (None, code)


@pytest.mark.parametrize(
    ("params", "passed"),
    [
        ({"max": 100}, True),
        ({"max": 99}, False),
        ({"min": 1, "max": 100}, True),
        ({"min": 101}, False),
    ],
)
def test_latency_ms__bounds_decide_what_passes(params: dict[str, Any], passed: bool) -> None:
    assert (
        LatencyMs(params=params).score(a_sample(), a_run("답", latency_ms=100.0)).passed is passed
    )


def test_latency_ms__refuses_bounds_out_of_order() -> None:
    with pytest.raises(ValidationError):
        LatencyMs(params={"min": 2, "max": 1})
