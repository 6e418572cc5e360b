"""Metrics of operation."""

from dataclasses import replace
from typing import Any

import pytest
from evaluation import a_run, a_sample
from pydantic import ValidationError

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import Turn
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.operation import (
    CostUsd,
    InputTokens,
    LatencyMs,
    OutputTokens,
    TokensPerS,
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


def test_cost_usd__a_conversation_partly_from_the_cache_costs_both() -> None:
    run = a_run("답", cost_usd=0.001, cost_source="prices", cost_saved_usd=0.002)
    assert CostUsd().score(a_sample(), run).value == pytest.approx(0.003)
    replayed = a_run("답", cached=True, cost_usd=None)
    assert CostUsd().score(a_sample(), replayed).code == "not_reported"
    failed = a_run(None, status=RunStatus.FILTERED, cost_usd=0.001, cost_source="prices")
    assert CostUsd().score(a_sample(), failed).value == 0.001


def test_tokens_per_s__over_the_wall_time() -> None:
    usage = Usage(output_tokens=30)
    score = TokensPerS(params={"min": 20}).score(
        a_sample(), a_run("답", latency_ms=1500, usage=usage)
    )
    assert (score.value, score.passed) == (20, True)
    assert (TokensPerS.kind, TokensPerS.range) == (MetricKind.UNBOUNDED, None)
    assert TokensPerS.higher_is_better


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"usage": Usage(output_tokens=30)}, "not_reported"),
        ({"latency_ms": 100.0}, "not_reported"),
        ({"latency_ms": 0.0, "usage": Usage(output_tokens=30)}, "not_reported"),
        ({"latency_ms": 100.0, "usage": Usage(output_tokens=30), "cached": True}, "cached"),
    ],
)
def test_tokens_per_s__no_value(fields: dict[str, Any], code: str) -> None:
    assert TokensPerS().score(a_sample(), a_run("답", **fields)).code == code


def a_turn(**fields: Any) -> Turn:
    given = {"latency_ms": 500.0, "ttft_ms": 20.0, "usage": Usage(output_tokens=10)}
    return Turn(**{"user": "q", "text": "답", "status": RunStatus.OK, **given, **fields})


def test_times__of_a_conversation() -> None:
    turns = (a_turn(), a_turn(usage=Usage(output_tokens=20)))
    run = a_run("답", latency_ms=500.0, ttft_ms=20.0, usage=Usage(output_tokens=30), turns=turns)
    assert TokensPerS().score(a_sample(), run).value == 30
    partly = replace(run, turns=(turns[0], a_turn(cached=True)))
    assert TokensPerS().score(a_sample(), partly).code == "cached"
    assert LatencyMs().score(a_sample(), partly).code == "cached"
    assert TtftMs().score(a_sample(), partly).value == 20
    first = replace(run, turns=(a_turn(cached=True), turns[1]))
    assert TtftMs().score(a_sample(), first).code == "cached"


def test_ops__statuses() -> None:
    every, answered = frozenset(RunStatus), Metric.accepts_status
    for metric in (CostUsd, InputTokens, OutputTokens):
        assert metric.accepts_status == every
    for metric in (LatencyMs, TtftMs, TokensPerS):
        assert metric.accepts_status == answered
