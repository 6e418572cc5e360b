import json

import pytest

from lm_eval_so.core.backends.openai.chat import chat_body, encoded, read_body, read_chat
from lm_eval_so.core.backends.openai.dialect import Dialect
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.errors import BackendError, ErrorKind


def read(body: bytes) -> ChatResponse:
    return read_chat(read_body(200, {}, body))


def body_of(message: dict, **more: object) -> bytes:
    values = {"choices": [{"message": message, "finish_reason": "stop"}], **more}
    return json.dumps(values).encode()


def test_chat_body__korean_as_it_is_and_params_untouched():
    request = ChatRequest(
        messages=(Message(role="user", content='환불은 "며칠"?\n끝'),),
        system="한국어로 답하세요.",
        params={"model": "m", "temperature": 0, "stop": None},
        seed=5,
    )
    raw = encoded(chat_body(request, Dialect()))
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
def test_chat_body__seed(params: dict, with_seed: bool, sent: int | None):
    request = ChatRequest(messages=(), params=params, seed=5)
    assert chat_body(request, Dialect(seed=with_seed)).get("seed") == sent


def test_chat_body__schema_and_tool_messages():
    schema = {"type": "object", "properties": {"점수": {"type": "integer"}}}
    call = ToolCall(id="a", name="find", arguments='{"q": 1}')
    request = ChatRequest(
        messages=(
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="found", tool_call_id="a"),
        ),
        response_format=schema,
    )
    sent = chat_body(request, Dialect())
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert sent["messages"][0]["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"q": 1}',
    }
    assert sent["messages"][1]["tool_call_id"] == "a"


def test_read_chat__all_fields():
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
    response = read(body_of(message, usage=usage, model="m-1"))
    assert response.text == "3일"
    assert response.reasoning == "음"
    assert response.model == "m-1"
    assert response.tool_calls == (ToolCall(id="a", name="f", arguments='{"x": "가"}'),)
    assert response.usage == Usage(
        input_tokens=10, output_tokens=0, cached_tokens=4, reasoning_tokens=2
    )


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": "7"}, {"prompt_tokens": True}])
def test_read_chat__usage_that_is_not_told_is_null(usage: object):
    assert read(body_of({"content": "x"}, usage=usage)).usage == Usage()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"null", b"[]", b'{"choices": []}', b'{"choices": [{}]}']
)
def test_read_chat__malformed_is_bad_response(body: bytes):
    with pytest.raises(BackendError) as failed:
        read(body)
    assert failed.value.kind is ErrorKind.BAD_RESPONSE
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "slow"}, ErrorKind.RATE_LIMIT),
        ({"code": "content_filter"}, ErrorKind.FILTERED),
        ({"code": "rate_limit_exceeded"}, ErrorKind.RATE_LIMIT),
        ({"type": "invalid_request_error"}, ErrorKind.INVALID_REQUEST),
        ({"code": "context_length_exceeded"}, ErrorKind.CONTEXT_LENGTH),
        ("broken", ErrorKind.SERVER),
    ],
)
def test_read_chat__error_inside_a_200(error: object, kind: ErrorKind):
    with pytest.raises(BackendError) as failed:
        read(json.dumps({"error": error}).encode())
    assert failed.value.kind is kind


def test_chat_body__tools_and_stream():
    tool = {"type": "function", "function": {"name": "주문_찾기", "parameters": {}}}
    request = ChatRequest(messages=(), tools=(tool,), tool_choice="required")
    sent = chat_body(request, Dialect(), streams=True)
    assert sent["tools"] == [tool]
    assert sent["tool_choice"] == "required"
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert "tools" not in chat_body(ChatRequest(messages=(), tool_choice="auto"), Dialect())


def test_chat_body__what_the_endpoint_refused_is_left_out():
    params = {"model": "m", "temperature": 0, "max_tokens": 9}
    request = ChatRequest(messages=(), params=params, seed=5, response_format={"type": "object"})
    narrow = Dialect(
        seed=False, stream_options=False, response_format=False, temperature=False, max_tokens=False
    )
    sent = chat_body(request, narrow, streams=True)
    assert sent == {"messages": [], "stream": True, "model": "m", "max_completion_tokens": 9}
    assert request.params == params


def test_read_chat__tokens_from_timings_where_usage_is_missing():
    values = {
        "choices": [{"message": {"content": "x"}, "logprobs": {"content": []}}],
        "timings": {"cache_n": 3, "prompt_n": 31, "predicted_n": 5, "prompt_ms": 1.5},
    }
    response = read_chat(values)
    assert response.usage == Usage(input_tokens=34, output_tokens=5, cached_tokens=3)
    assert response.logprobs == {"content": []}


def test_read_body__an_error_with_a_status_of_its_own():
    with pytest.raises(BackendError) as failed:
        read_body(200, {}, b'{"error": {"code": 503, "message": "busy"}}')
    assert (failed.value.kind, failed.value.http_status) == (ErrorKind.SERVER, 503)


def test_read_body__an_error_in_the_words_of_vllm():
    with pytest.raises(BackendError) as failed:
        read(b'{"object": "error", "message": "no model", "type": "NotFoundError", "code": 404}')
    assert (failed.value.kind, failed.value.message) == (ErrorKind.NOT_FOUND, "no model")


def test_read_chat__an_error_of_the_upstream_is_no_empty_answer():
    error = {"code": 502, "message": "upstream died"}
    choice = {"message": {"content": ""}, "finish_reason": "error", "error": error}
    with pytest.raises(BackendError) as failed:
        read(json.dumps({"choices": [choice]}).encode())
    assert (failed.value.kind, failed.value.message) == (ErrorKind.SERVER, "upstream died")


@pytest.mark.parametrize(
    ("content", "text"), [({"답": "네"}, '{"답": "네"}'), (42, "42"), (None, ""), ([], "")]
)
def test_read_chat__content_that_is_no_text(content: object, text: str):
    assert read(body_of({"content": content})).text == text


@pytest.mark.parametrize(("told", "count"), [(3.0, 3), (3.5, None), (10**400, None), ("3", None)])
def test_read_chat__tokens_as_servers_write_them(told: object, count: int | None):
    usage = read(body_of({"content": "a"}, usage={"prompt_tokens": told})).usage
    assert usage.input_tokens == count


def test_read_body__another_encoding_is_told_as_one():
    body = json.dumps({"choices": [{"message": {"content": "환불"}}]}, ensure_ascii=False)
    with pytest.raises(BackendError) as failed:
        read_body(200, {"content-type": "application/json"}, body.encode("cp949"))
    error = failed.value
    assert error.message == "the response is not UTF-8 (byte 40)"
    assert (error.kind, error.retryable) == (ErrorKind.BAD_RESPONSE, True)
    page = "<html><title>점검</title></html>".encode("cp949")
    with pytest.raises(BackendError, match="no JSON") as failed:
        read_body(200, {"content-type": "text/html"}, page)
    assert "a web page came" in (failed.value.hint or "")
