import json

import pytest

from lm_eval_so.core.backends.wire import read_response, request_body
from lm_eval_so.core.records.chat import ChatRequest, Message, ToolCall, Usage
from lm_eval_so.errors import BackendError, ErrorKind


def body_of(message: dict, **more: object) -> bytes:
    values = {"choices": [{"message": message, "finish_reason": "stop"}], **more}
    return json.dumps(values).encode()


def test_request_body__korean_as_it_is_and_params_untouched():
    request = ChatRequest(
        messages=(Message(role="user", content='환불은 "며칠"?\n끝'),),
        system="한국어로 답하세요.",
        params={"model": "m", "temperature": 0, "stop": None},
        seed=5,
    )
    raw = request_body(request, with_seed=True)
    assert "환불은".encode() in raw
    assert json.loads(raw) == {
        "messages": [
            {"role": "system", "content": "한국어로 답하세요."},
            {"role": "user", "content": '환불은 "며칠"?\n끝'},
        ],
        "seed": 5,
        "model": "m",
        "temperature": 0,
        "stop": None,
    }


@pytest.mark.parametrize(
    ("params", "with_seed", "sent"), [({}, True, 5), ({"seed": 9}, True, 9), ({}, False, None)]
)
def test_request_body__seed(params: dict, with_seed: bool, sent: int | None):
    request = ChatRequest(messages=(), params=params, seed=5)
    assert json.loads(request_body(request, with_seed=with_seed)).get("seed") == sent


def test_request_body__schema_and_tool_messages():
    schema = {"type": "object", "properties": {"점수": {"type": "integer"}}}
    call = ToolCall(id="a", name="find", arguments='{"q": 1}')
    request = ChatRequest(
        messages=(
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="found", tool_call_id="a"),
        ),
        response_format=schema,
    )
    sent = json.loads(request_body(request, with_seed=True))
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert sent["messages"][0]["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"q": 1}',
    }
    assert sent["messages"][1]["tool_call_id"] == "a"


def test_read_response__all_fields():
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    message = {
        "content": [{"type": "text", "text": "3"}, {"type": "text", "text": "일"}],
        "reasoning_content": "음",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": "가"}}}],
    }
    response = read_response(200, {}, body_of(message, usage=usage, model="m-1"))
    assert response.text == "3일"
    assert response.reasoning == "음"
    assert response.model == "m-1"
    assert response.tool_calls == (ToolCall(id="a", name="f", arguments='{"x": "가"}'),)
    assert response.usage == Usage(
        input_tokens=10, output_tokens=0, cached_tokens=4, reasoning_tokens=2
    )


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": "7"}, {"prompt_tokens": True}])
def test_read_response__usage_that_is_not_told_is_null(usage: object):
    assert read_response(200, {}, body_of({"content": "x"}, usage=usage)).usage == Usage()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"null", b"[]", b'{"choices": []}', b'{"choices": [{}]}']
)
def test_read_response__malformed_is_bad_response(body: bytes):
    with pytest.raises(BackendError) as failed:
        read_response(200, {}, body)
    assert failed.value.kind is ErrorKind.BAD_RESPONSE
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "slow"}, ErrorKind.RATE_LIMIT),
        ({"code": "content_filter"}, ErrorKind.FILTERED),
        ("broken", ErrorKind.INVALID_REQUEST),
    ],
)
def test_read_response__error_inside_a_200(error: object, kind: ErrorKind):
    with pytest.raises(BackendError) as failed:
        read_response(200, {}, json.dumps({"error": error}).encode())
    assert failed.value.kind is kind
