"""Metrics of operation."""

from typing import Any

import pytest
from evaluation import a_run, a_sample
from pydantic import ValidationError

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.evaluator.metrics.ops import (
    CostUsd,
    InputTokens,
    LatencyMs,
    OutputTokens,
    TtftMs,
)


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


def test_ttft_ms__is_that_of_a_streamed_answer_of_this_run() -> None:
    assert TtftMs().score(a_sample(), a_run("답", ttft_ms=40.0)).value == 40.0
    assert TtftMs().score(a_sample(), a_run("답")).code == "not_reported"
    assert TtftMs().score(a_sample(), a_run("답", ttft_ms=40.0, cached=True)).code == "cached"


def test_cost_usd__a_cache_makes_no_chatbot_look_cheaper() -> None:
    asked = a_run("답", cost_usd=0.002, cost_source="prices")
    kept = a_run("답", cost_usd=0.0, cost_source="none", cached=True, cost_saved_usd=0.002)
    assert CostUsd().score(a_sample(), asked).value == 0.002
    assert CostUsd().score(a_sample(), kept).value == 0.002
    assert CostUsd().score(a_sample(), a_run("답", cost_usd=None)).code == "not_reported"


def test_tokens__are_those_that_the_endpoint_told() -> None:
    run = a_run("답", usage=Usage(input_tokens=20, output_tokens=8))
    assert InputTokens().score(a_sample(), run).value == 20
    assert OutputTokens(params={"max": 7}).score(a_sample(), run).passed is False
    assert InputTokens().score(a_sample(), a_run("답")).code == "not_reported"
