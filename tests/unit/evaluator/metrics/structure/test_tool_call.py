"""Calls of tools: which match, and what they are worth."""

import json
import time
import unicodedata

import pytest
from evaluation import a_run, a_sample, applies

from lm_eval_so.core.records.chat import ToolCall as Call
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.run import Response, Turn
from lm_eval_so.evaluator.metrics.structure.tool_call import ToolCall


def called(*calls):
    made = tuple(
        Call(name=name, arguments=a if isinstance(a, str) else json.dumps(a)) for name, a in calls
    )
    return a_run(None, response=Response(text="", tool_calls=made))


def score_of(expected, made, **params):
    calls = [{"name": name, "arguments": arguments} for name, arguments in expected]
    return ToolCall(params={"calls": calls, **params}).score(a_sample(), called(*made))


SEARCH = [("search", {"q": "환불"})]
WIDER = [("search", {"q": "환불", "k": 5})]
OTHER = ("book", {})


@pytest.mark.parametrize(
    ("expected", "made", "params", "value"),
    [
        (SEARCH, WIDER, {}, 1),
        (SEARCH, WIDER, {"arguments": "exact"}, 0),
        (SEARCH, SEARCH, {"arguments": "exact"}, 1),
        (SEARCH, [*SEARCH, OTHER], {}, 0),
        (SEARCH, [*SEARCH, OTHER], {"extra": "allow"}, 1),
        (SEARCH, [*SEARCH, OTHER], {"mode": "f1"}, 2 / 3),
        (SEARCH, [], {}, 0),
        (SEARCH, [], {"mode": "f1"}, 0),
        ([], [], {}, 1),
        ([], [], {"mode": "f1"}, 1),
        ([], [OTHER], {}, 0),
        (SEARCH, [("search", "{q: 환불")], {}, 0),
        (SEARCH, [("search", "{q: 환불")], {"arguments": "ignore"}, 0),
        (SEARCH, [("search", {"q": "교환"})], {"arguments": "ignore"}, 1),
        (SEARCH, [("Search", {"q": "환불"})], {}, 0),
        ([("stop", {})], [("stop", "")], {"arguments": "exact"}, 1),
        ([("stop", {})], [("stop", {"now": True})], {"arguments": "exact"}, 0),
        ([("f", {"n": 1})], [("f", {"n": 1.0})], {"arguments": "exact"}, 1),
        ([("f", {"n": 1})], [("f", {"n": True})], {"arguments": "exact"}, 0),
        ([("f", {"o": {"a": 1}})], [("f", {"o": {"a": 1, "b": 2}})], {}, 1),
        ([("f", {"l": [1, 2]})], [("f", {"l": [1, 2, 3]})], {}, 0),
        ([("f", {"t": "ＡＢ  C"})], [("f", {"t": "AB C"})], {}, 1),
        ([("f", {"t": "환불 규정"})], [("f", {"t": "환불규정."})], {}, 0),
        ([("f", {"t": "환불 규정"})], [("f", {"t": "환불규정."})], {"profile": "loose"}, 1),
        ([("f", {"o": ["A B"]})], [("f", {"o": ["a b!"]})], {"profile": "loose"}, 1),
        ([("f", {"t": "?"})], [("f", {"t": "!"})], {"profile": "loose"}, 0),
        ([("f", {"required": ["n"]})], [("f", {"n": 3})], {"arguments": "schema"}, 1),
        ([("f", {"required": ["n"]})], [("f", {})], {"arguments": "schema"}, 0),
    ],
)
def test_tool_call__value(expected, made, params, value):
    assert score_of(expected, made, **params).value == pytest.approx(value)


def test_tool_call__order():
    two, turned = [*SEARCH, OTHER], [OTHER, *SEARCH]
    assert score_of(two, turned).value == 0
    assert score_of(two, turned, order="any").value == 1
    assert score_of(two, turned, mode="f1").value == 0.5
    between = [("log", {}), *SEARCH, ("log", {}), OTHER, ("log", {})]
    assert score_of(two, between, extra="allow").value == 1
    assert score_of(two, between[::-1], extra="allow").value == 0
    assert score_of(two, [OTHER, *two], extra="allow").value == 1


def test_tool_call__any_order_matches_as_many_as_can_be():
    expected = [("f", {}), ("f", {"k": 5})]
    assert score_of(expected, [("f", {"k": 5}), ("f", {})], order="any").value == 1


def test_tool_call__decomposed_names_and_texts():
    nfd = unicodedata.normalize("NFD", "검색")
    assert score_of([("검색", {"말": "환불"})], [(nfd, {nfd[:0] + "말": "환불"})]).value == 1


def test_tool_call__all_turns_of_a_conversation():
    turns = tuple(
        Turn(user="q", status=RunStatus.OK, tool_calls=(Call(name=name, arguments="{}"),))
        for name in ("a", "b")
    )
    metric = ToolCall(params={"calls": [{"name": "a"}, {"name": "b"}]})
    assert metric.score(a_sample(), a_run("끝", turns=turns)).value == 1


def test_tool_call__says_what_is_missing_or_too_much():
    missing = score_of([*SEARCH, OTHER], SEARCH)
    assert (missing.code, missing.reason) == ("calls_missing", "not called as expected: book")
    extra = score_of(SEARCH, [*SEARCH, OTHER])
    assert (extra.code, extra.details["extra"]) == ("calls_extra", ["book"])


def test_tool_call__applies_where_the_calls_are_known():
    assert not applies(ToolCall(), a_sample())
    assert applies(ToolCall(), a_sample(metrics={"tool_call": {"calls": []}}))


def test_tool_call__schema_of_arguments_is_checked():
    calls = [{"name": "f", "arguments": {"type": "objekt"}}]
    (problem,) = ToolCall(params={"calls": calls, "arguments": "schema"}).check_params()
    assert problem.what.startswith("the schema of f cannot be used")
    sample = a_sample(metrics={"tool_call": {"calls": calls, "arguments": "schema"}})
    (problem,) = ToolCall().check_sample(sample)
    assert problem.what.startswith("sample s1, metrics.tool_call: the schema of f")
    slow = {"properties": {"q": {"pattern": "^(a|a)*$"}}}
    score = score_of([("f", slow)], [("f", {"q": "a" * 60 + "b"})], arguments="schema")
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "regex_timeout")


def test_tool_call__hostile_calls():
    began = time.perf_counter()
    deep = [("search", "[" * 100_000), *[("search", {"q": "x"})] * 5000, ("search\ud800", {})]
    score = score_of(SEARCH * 3, deep, order="any")
    json.dumps(dict(score.details), ensure_ascii=False).encode()
    assert score.value == 0
    assert time.perf_counter() - began < 30  # it would take ages, were it not linear
