import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from servers.own_endpoints import DONE, SSE, event

from lm_eval_so.core.backends.http.options import HttpOptions, ResponseSection, StreamSection
from lm_eval_so.core.backends.http.reading.mapping import ResponseMapping
from lm_eval_so.core.backends.http.reading.stream import StreamMapping
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind

OVERLOADED = (
    b'event: error\ndata: {"type": "error", "error": '
    b'{"type": "overloaded_error", "message": "slow down"}}\n\n'
)
"""As Anthropic sends it in the middle of a stream."""


async def read(
    *pieces: bytes,
    stream: Mapping[str, Any] = SSE,
    kind: str = "text/event-stream",
    keeps_raw: bool = False,
    **response: Any,
) -> tuple[ChatResponse, Mapping[str, Any]]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    mapping = ResponseMapping(
        HttpOptions(url="http://bot.invalid/", response=ResponseSection(**response))
    )
    reader = StreamMapping(StreamSection(**stream), mapping)
    assert reader.problems == []
    return await reader.read(chunks(), {"content-type": kind}, began=0.0, keeps_raw=keeps_raw)


async def text(*pieces: bytes, **how: Any) -> str:
    return (await read(*pieces, **how))[0].text


async def failure(*pieces: bytes, **how: Any) -> BackendError:
    with pytest.raises(BackendError) as failed:
        await read(*pieces, **how)
    return failed.value


async def test_read__sse_split_anywhere():
    whole = (
        b": comment\r\n\r\n" + event("안녕") + b"event: ping\ndata: {}\n\n" + event(" 세계") + DONE
    )
    for size in (1, 2, 3, 7, len(whole)):
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
        assert await text(*pieces) == "안녕 세계"


async def test_read__what_comes_after_the_end_is_not_read():
    assert await text(event("a"), DONE, event("b")) == "a"


async def test_read__multi_line_data_is_joined():
    assert (
        await text(
            b'data: {"d":\ndata: "a"}\n\ndata: END\n\n', stream={"delta": "d", "done": "END"}
        )
        == "a"
    )


async def test_read__events_by_type():
    pieces = (
        b'event: delta\ndata: {"t": "a"}\n\n',
        b'event: other\ndata: {"t": "b"}\n\n',
        b'data: {"t": "c"}\n\n',
        b"event: end\ndata: {}\n\n",
    )
    stream = {"delta": "t", "done": "end"}
    assert await text(*pieces, stream=stream) == "c"
    assert await text(*pieces, stream={**stream, "event": "delta"}) == "a"
    assert await text(*pieces, stream={**stream, "event": ["delta", "other"]}) == "ab"
    assert await text(*pieces, stream={**stream, "event": "*"}) == "abc"


@pytest.mark.parametrize("done", ["done", "done == `true`", "type == 'end'"])
async def test_read__ndjson_whose_last_line_says_so(done: str):
    lines = b'{"t": "\xea\xb0\x80"}\n\n{"t": "b", "done": false}\n{"t": "", "done": true, "type": "end"}\n'
    stream = {"format": "ndjson", "delta": "t", "done": done}
    for size in (1, 5, len(lines)):
        pieces = [lines[i : i + size] for i in range(0, len(lines), size)]
        assert await text(*pieces, stream=stream) == "가b"


async def test_read__plain_text():
    said = "안녕 👋 세계".encode()
    pieces = [said[i : i + 1] for i in range(len(said))]
    assert await text(*pieces, stream={"format": "text"}, kind="text/plain") == "안녕 👋 세계"


async def test_read__text_in_events():
    pieces = (b"data: line 1\ndata: line 2\n\n", b"data:  x\n\n", DONE)
    stream = {"format": "text", "done": "[DONE]"}
    assert await text(*pieces, stream=stream) == "line 1\nline 2 x"
    assert await text(*pieces[:2], stream={"format": "text"}) == "line 1\nline 2 x"
    error = await failure(*pieces[:2], stream=stream)
    assert (error.message, error.partial_text) == ("the stream ended early", "line 1\nline 2 x")


async def test_read__facts_of_any_event():
    last = b'data: {"choices": [{"finish_reason": "length"}], "usage": {"out": 7}, "sid": "s9"}\n\n'
    response, kept = await read(
        event("a"),
        last,
        DONE,
        finish_reason="choices[0].finish_reason",
        output_tokens="usage.out",
        session={"remote": "sid"},
        keeps_raw=True,
    )
    assert (response.text, response.finish_reason, response.usage.output_tokens) == (
        "a",
        "length",
        7,
    )
    assert kept == {"remote": "s9"}
    assert isinstance(response.raw, list)
    assert len(response.raw) == 2
    assert response.ttft_ms is not None


async def test_read__tool_calls_whole_and_in_pieces():
    def calls(values: str) -> bytes:
        return f'data: {{"choices": [{{"delta": {{"calls": {values}}}}}]}}\n\n'.encode()

    response, _ = await read(
        calls('[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]'),
        calls('[{"index": 0, "function": {"arguments": "{\\"a\\""}}]'),
        calls('[{"index": 1, "id": "c2", "name": "g", "arguments": "{"}]'),
        calls('[{"index": 1, "arguments": "}"}, {"index": 0, "function": {"arguments": ": 1}"}}]'),
        calls('[{"id": "c3", "name": "h"}]'),
        DONE,
        tool_calls="choices[0].delta.calls",
    )
    found = [(call.id, call.name, call.arguments) for call in response.tool_calls]
    assert found == [("c1", "f", '{"a": 1}'), ("c2", "g", "{}"), ("c3", "h", "")]
    assert response.ttft_ms is not None


async def test_read__ends_early_without_done_or_finish_reason():
    error = await failure(event("안"), event("녕"))
    assert (error.kind, error.retryable, error.partial_text) == (
        ErrorKind.BAD_RESPONSE,
        True,
        "안녕",
    )
    last = b'data: {"choices": [{"finish_reason": "stop"}]}\n\n'
    assert await text(event("a"), last, finish_reason="choices[0].finish_reason") == "a"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'data: {"error": {"message": "slow down", "code": 429}}\n\n', ErrorKind.RATE_LIMIT),
        (b'data: {"error": "slow down"}\n\n', ErrorKind.SERVER),
        (b'event: error\ndata: {"message": "slow down"}\n\n', ErrorKind.SERVER),
        (b"event: error\ndata: slow down\n\n", ErrorKind.SERVER),
        (OVERLOADED, ErrorKind.RATE_LIMIT),
        (OVERLOADED.removeprefix(b"event: error\n"), ErrorKind.RATE_LIMIT),
    ],
)
async def test_read__error_event(data: bytes, kind: ErrorKind):
    error = await failure(event("안"), data)
    assert (error.kind, error.partial_text, error.retryable) == (kind, "안", True)
    assert "slow down" in error.message


async def test_read__a_delta_path_that_finds_nothing():
    error = await failure(
        b'data: {"token": "a", "n": 1}\n\n', DONE, stream={**SSE, "delta": "delta"}
    )
    assert error.message == 'stream.delta "delta" found nothing; the last event has: token, n'
    assert error.details == {"option": "options.stream.delta"}
    assert error.hint == "try 'token'"
    assert "no event came" in (await failure(DONE)).message
    assert await text(event(""), DONE) == ""


async def test_read__an_event_that_is_no_json():
    error = await failure(b"data: hello\n\n")
    assert error.message == "an event is no JSON: hello"
    assert "stream.format: text" in (error.hint or "")


async def test_read__an_error_in_the_words_of_vllm():
    error = await failure(event("반"), b'data: {"object": "error", "code": 429}\n\n', DONE)
    assert (error.kind, error.partial_text) == (ErrorKind.RATE_LIMIT, "반")


async def test_read__events_without_data_keep_the_connection_alive():
    assert await text(b"data:\n\n", b"data: \n\n", event("a"), DONE) == "a"


async def test_read__ends_by_a_type_without_data():
    """As LangServe's /stream does."""
    pieces = (
        b'event: metadata\r\ndata: {"run_id": "1"}\r\n\r\n',
        'event: data\r\ndata: "환불은 "\r\n\r\n'.encode(),
        'event: data\r\ndata: "3일"\r\n\r\n'.encode(),
    )
    stream = {"event": "data", "delta": "@", "done": "end"}
    for end in (b"event: end\r\n\r\n", b"event: end\n", b"event: end"):
        assert await text(*pieces, end, stream=stream) == "환불은 3일"
    error = await failure(*pieces, b"event: beat\r\n\r\n", stream=stream)
    assert (error.message, error.partial_text) == ("the stream ended early", "환불은 3일")


async def test_read__a_type_without_data_is_no_delta():
    stream = {"event": "*", "delta": "t", "done": "end"}
    pieces = (b'data: {"t": "a"}\n\n', b"event: beat\n\n", b"event: end\n\n")
    assert await text(*pieces, stream=stream) == "a"
    assert (await failure(b"event: error\n\n", stream=stream)).kind is ErrorKind.SERVER


SO_FAR = ("환불은", "환불은 영업일", "환불은 영업일 기준", "환불은 영업일 기준 3일")
STUTTER = ("ha", "haha", "hahaha", "hahahahahahahahaha")


@pytest.mark.parametrize("stream", [SSE, {"format": "text", "done": "[DONE]"}])
async def test_read__texts_so_far_are_read_only_if_the_config_says_so(stream: Mapping[str, Any]):
    events = [event(each) for each in SO_FAR]
    if stream is not SSE:
        events = [f"data: {each}\n\n".encode() for each in SO_FAR]
    error = await failure(*events, DONE, stream=stream)
    assert (error.kind, error.details["option"]) == (
        ErrorKind.BAD_RESPONSE,
        "options.stream.cumulative",
    )
    assert error.message == "each event of the stream holds the text so far, not a new piece of it"
    assert error.hint == "set stream.cumulative: true; or false, if it only looks so"
    assert await text(*events, DONE, stream={**stream, "cumulative": True}) == SO_FAR[-1]
    assert await text(*events, DONE, stream={**stream, "cumulative": False}) == "".join(SO_FAR)


async def test_read__texts_so_far_may_be_said_twice_and_mended():
    stream = {**SSE, "cumulative": True}
    said = ("환", "환불", "환불", "환불?", "반품은 3일")
    assert await text(*map(event, said), DONE, stream=stream) == "반품은 3일"


@pytest.mark.parametrize(
    "pieces",
    [
        STUTTER,
        ("1", "10", "100", "1000"),
        ("가", "가나다라마바사아자차"),  # of two it cannot be told
        ("배송비는 무료입니다.",) * 3,
        ("환불은", "환불은 3일", "환불은 3일 뒤에", " 됩니다, 고객님"),
    ],
)
async def test_read__pieces_that_begin_alike_are_joined(pieces: tuple[str, ...]):
    assert await text(*map(event, pieces), DONE) == "".join(pieces)


async def test_read__pieces_that_the_config_takes_for_texts_so_far():
    stream = {**SSE, "cumulative": True}
    error = await failure(event("환불은 "), event("3일"), event(" 뒤"), DONE, stream=stream)
    assert error.details["option"] == "options.stream.cumulative"
    assert error.hint == "leave stream.cumulative out"


async def test_read__plain_text_is_cut_anywhere():
    chunks = [each.encode() for each in SO_FAR]
    for cumulative in (None, True):
        stream = {"format": "text", "cumulative": cumulative}
        assert await text(*chunks, stream=stream, kind="text/plain") == "".join(SO_FAR)


async def test_read__only_events_of_another_type():
    error = await failure(b"event: token\n" + event("a"), b"event: end\ndata: {}\n\n")
    assert error.message == "the stream has events of another type only: end, token"
    assert error.hint == "name those that count: stream.event"


async def test_read__calls_that_all_have_the_index_0():
    calls = [{"index": 0, "id": i, "function": {"name": i, "arguments": "{}"}} for i in "ab"]
    events = (f'data: {{"calls": [{json.dumps(call)}]}}\n\n'.encode() for call in calls)
    response, _ = await read(*events, DONE, tool_calls="calls")
    assert [(call.id, call.arguments) for call in response.tool_calls] == [("a", "{}"), ("b", "{}")]
