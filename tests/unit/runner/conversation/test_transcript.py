"""Calls are answered from a table."""

import json
import unicodedata

import pytest

from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.runner.conversation.transcript import NO_RESULT, answer_calls, with_ids

TABLE = [
    {"name": "find", "arguments": {"주문번호": "A-1023", "n": 1}, "result": {"상태": "배송 중"}},
    {"name": "find", "arguments": {"in": {"city": "서울"}}, "result": "서울입니다"},
    {"name": "time", "result": None},
]


def result(name: str, arguments: str) -> str:
    return answer_calls([ToolCall(id="c", name=name, arguments=arguments)], TABLE)[0].content


@pytest.mark.parametrize(
    "arguments",
    [
        '{"주문번호": "A-1023", "n": 1}',
        '{"n": 1.0, "주문번호": "A-1023", "more": [1]}',
        json.dumps({unicodedata.normalize("NFC", "주문번호"): "A-1023", "n": 1}),
    ],
)
def test_answer_calls__arguments_are_a_subset(arguments: str) -> None:
    assert result("find", arguments) == '{"상태": "배송 중"}'


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("find", '{"주문번호": "A-1023"}'),
        ("find", '{"주문번호": "A-1024", "n": 1}'),
        ("find", '{"주문번호": "A-1023", "n": true}'),
        ("find", '{"주문번호": "A-1023", "n": "1"}'),
        ("find", "no JSON"),
        ("find", "[1]"),
        ("find", ""),
        ("delete", "{}"),
    ],
)
def test_answer_calls__nothing_fits(name: str, arguments: str) -> None:
    assert json.loads(result(name, arguments)) == NO_RESULT


def test_answer_calls__nested_subset_and_text_as_it_is() -> None:
    assert result("find", '{"in": {"city": "서울", "gu": "강남"}}') == "서울입니다"
    decomposed = unicodedata.normalize("NFD", "서울")
    assert result("find", json.dumps({"in": {"city": decomposed}})) == "서울입니다"


def test_answer_calls__without_arguments_answers_every_call() -> None:
    assert result("time", "no JSON") == "null"


def test_answer_calls__messages_name_their_call() -> None:
    calls = [ToolCall(id="a", name="time"), ToolCall(id="b", name="gone")]
    found = answer_calls(calls, TABLE)
    assert [(m.role, m.tool_call_id, m.name) for m in found] == [
        ("tool", "a", "time"),
        ("tool", "b", "gone"),
    ]


def test_with_ids__only_where_there_are_none() -> None:
    calls = [ToolCall(name="a"), ToolCall(id="x", name="b")]
    assert [call.id for call in with_ids(calls, start=3)] == ["call_3", "x"]
