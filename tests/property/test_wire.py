"""Whatever a server sends, it becomes an answer or an error of an attempt, never a crash."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.answer.redact import clean_response
from lm_eval_so.core.backends.faults import http_error, retry_after_s
from lm_eval_so.core.backends.openai.chat import (
    ChatDeltas,
    chat_body,
    encoded,
    read_body,
    read_chat,
)
from lm_eval_so.core.backends.openai.dialect import Dialect
from lm_eval_so.core.backends.openai.responses import ResponseDeltas, read_response, responses_body
from lm_eval_so.core.http.sse import read_events, read_lines
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError

T = TypeVar("T")
_KEYS = [
    "choices",
    "message",
    "content",
    "error",
    "code",
    "usage",
    "tool_calls",
    "delta",
    "index",
    "function",
    "finish_reason",
    "output",
    "type",
    "text",
    "summary",
    "status",
    "incomplete_details",
    "reason",
    "name",
    "response",
    "logprobs",
]
_WORDS = [
    "message",
    "output_text",
    "function_call",
    "reasoning",
    "refusal",
    "response.completed",
    "response.failed",
    "response.output_text.delta",
    "error",
    "incomplete",
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(_WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.integers(300, 599), st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_http_error__any_body(status: int, body: bytes):
    error = http_error(status, {}, body)
    assert error.http_status == status
    assert len(error.message) <= 2000


@given(st.text(max_size=30) | st.floats().map(str))
def test_retry_after_s__any_header(text: str):
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after_s({name: text})
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@given(JSON, st.sampled_from([read_chat, read_response]))
def test_read__any_json(values: object, read: Callable[[Any], ChatResponse]):
    try:
        response = read(read_body(200, {}, json.dumps(values).encode()))
    except BackendError:
        return
    assert isinstance(response.text, str)


@given(st.lists(JSON, max_size=5), st.sampled_from([ChatDeltas, ResponseDeltas]))
def test_deltas__any_events(events: list[object], make: type[ChatDeltas | ResponseDeltas]):
    deltas = make()
    try:
        for values in events:
            deltas.add(values)
        if deltas.is_whole:
            read = read_chat if isinstance(deltas, ChatDeltas) else read_response
            assert isinstance(read(deltas.values()).text, str)
    except BackendError:
        return
    assert isinstance(deltas.text, str)


@given(st.text())
def test_request_body__text_arrives_as_it_is(text: str):
    request = ChatRequest(messages=(Message(role="user", content=text),))
    assert json.loads(encoded(chat_body(request, Dialect())))["messages"][0]["content"] == text
    assert json.loads(encoded(responses_body(request, Dialect())))["input"][0]["content"] == text


def gathered(
    read: Callable[[AsyncIterator[bytes]], AsyncIterator[T]], parts: list[bytes]
) -> list[T]:
    async def chunks() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async def gather() -> list[T]:
        return [each async for each in read(chunks())]

    return asyncio.run(gather())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


STREAMS = st.lists(
    st.sampled_from(["data: 환불", "data:", "event: 끝", ": 주석", "id: 1", "data", "x", ""])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    max_size=8,
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(STREAMS, ENDS, st.lists(st.integers(0, 500), max_size=12))
def test_read_events__wherever_the_chunks_are_cut(lines: list[str], end: str, places: list[int]):
    data = end.join(lines).encode()
    whole = gathered(read_events, [data])
    assert gathered(read_events, cut(data, places)) == whole


@given(STREAMS, ENDS, st.lists(st.integers(0, 500), max_size=12))
def test_read_lines__as_splitlines_does(lines: list[str], end: str, places: list[int]):
    data = end.join(lines).encode()
    told = [line.decode() for line in data.splitlines()]
    assert gathered(read_lines, cut(data, places)) == [
        line.removeprefix("\ufeff") if number == 0 else line for number, line in enumerate(told)
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_clean_response__any_text_can_be_written(text: str):
    cleaned, _ = clean_response(ChatResponse(text=text + "\ud83d"), Redactor())
    assert cleaned.text.encode().decode() == text + "\ufffd"
