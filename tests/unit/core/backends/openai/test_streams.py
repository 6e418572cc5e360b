import json
from dataclasses import replace

import pytest
from servers.runs import KEY

from lm_eval_so.core.asking.answer.outcome import with_known_finish
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply


def make(url: str, *, environ: dict[str, str] | None = None, **options: object) -> OpenAIBackend:
    env = BackendEnv(environ={"OPENAI_API_KEY": KEY} if environ is None else environ, timeout_s=5)
    return OpenAIBackend(
        params=OpenAIBackend.Params(model="m"),
        options=OpenAIBackend.Options(base_url=url, **options),
        env=env,
    )


async def ask(backend: OpenAIBackend, text: str = "hi") -> ChatResponse:
    await backend.open()
    try:
        messages = (Message(role="user", content=text),)
        return await backend.send(
            ChatRequest(messages=messages, params={"model": "m"}, seed=3, system="s")
        )
    finally:
        await backend.close()


async def failure(reply: Reply, **options: object) -> BackendError:
    with ChatServer(lambda _: reply) as server, pytest.raises(BackendError) as failed:
        await ask(make(server.url, **options))
    return failed.value


CALLS = [
    {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    for number, (name, arguments) in enumerate([("find_order", '{"번호": "A-1"}'), ("end", "{}")])
]
REPLIES = {
    "text": Reply(text="환불은 3영업일 걸립니다. 🙂"),
    "too long": Reply(text="", finish_reason="length"),
    "refusal": Reply(message_fields={"content": None, "refusal": "답할 수 없습니다"}),
    "calls": Reply(
        message_fields={"content": None, "tool_calls": CALLS}, finish_reason="tool_calls"
    ),
    "reasoning": Reply(text="답", message_fields={"reasoning_content": "생각해 보면"}, usage=None),
    "filtered": Reply(text="여기까지", finish_reason="content_filter"),
}


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_send__streamed_as_unstreamed(api: str, reply: Reply):
    with ChatServer(lambda _: reply) as server:
        whole = await ask(make(server.url, api=api))
        streamed = await ask(make(server.url, api=api, stream=True))
    assert server.requests[1].body["stream"] is True
    assert replace(streamed, ttft_ms=None) == whole
    has_token = bool(whole.text or whole.refusal or whole.tool_calls)
    assert (streamed.ttft_ms is not None) == has_token
    assert with_known_finish(whole).finish_reason == reply.finish_reason
    assert [call.arguments for call in whole.tool_calls] == [
        call["function"]["arguments"] for call in reply.message_fields.get("tool_calls", [])
    ]
    assert whole.refusal == reply.message_fields.get("refusal")
    assert whole.reasoning == reply.message_fields.get("reasoning_content")
    assert whole.usage.input_tokens == (None if reply.usage is None else 10)


async def test_send__ttft_is_that_of_the_first_token():
    reply = Reply(text="가나다", message_fields={"reasoning_content": "x"}, first_token_s=0.08)
    with ChatServer(lambda _: reply) as server:
        response = await ask(make(server.url, stream=True))
    assert response.ttft_ms is not None
    assert 80 <= response.ttft_ms < 1000


async def test_send__streams_when_ttft_is_wanted_unless_told_otherwise():
    with ChatServer() as server:
        for stream in ("auto", False):
            backend = make(server.url, stream=stream)
            backend.env = replace(backend.env, wants_ttft=True)
            await ask(backend)
    assert ["stream" in seen.body for seen in server.requests] == [True, False]


async def test_send__a_server_that_does_not_stream():
    body = b'{"choices": [{"message": {"content": "whole"}}]}'
    with ChatServer(lambda _: Reply(body=body)) as server:
        response = await ask(make(server.url, stream=True))
    assert (response.text, response.ttft_ms) == ("whole", None)


async def test_send__raw_and_headers_on_demand():
    headers = {"x-request-id": "r1", "x-ratelimit-remaining-requests": "9", "x-other": "no"}
    with ChatServer(lambda _: Reply(text="답", headers=headers)) as server:
        for stream in (False, True):
            backend = make(server.url, stream=stream)
            backend.env = replace(backend.env, keeps_raw=True)
            response = await ask(backend)
            assert response.headers == {"x-request-id": "r1", "x-ratelimit-remaining-requests": "9"}
            assert "답" in str(response.raw)
        assert (await ask(make(server.url))).raw is None


def events(*values: object) -> tuple[bytes, ...]:
    return tuple(f"data: {json.dumps(v)}\n\n".encode() for v in values)


BEGUN = {"choices": [{"delta": {"content": "하나"}}]}


@pytest.mark.parametrize(
    ("pieces", "kind", "retryable"),
    [
        (events(BEGUN), ErrorKind.BAD_RESPONSE, True),
        ((*events(BEGUN), b"data: {half"), ErrorKind.BAD_RESPONSE, True),
        (events(BEGUN, {"error": {"code": 429}}), ErrorKind.RATE_LIMIT, True),
        (events(BEGUN, {"error": {"code": "insufficient_quota"}}), ErrorKind.QUOTA, False),
        (events(BEGUN, {"error": {"code": "content_filter"}}), ErrorKind.FILTERED, False),
        (events(BEGUN, {"error": {"type": "server_error"}}), ErrorKind.SERVER, True),
        (events(BEGUN, {"error": "gone"}), ErrorKind.SERVER, True),
        (events(BEGUN, {"object": "error", "code": 500, "message": "x"}), ErrorKind.SERVER, True),
        (events(BEGUN, {"choices": [{"error": {"code": 429}}]}), ErrorKind.RATE_LIMIT, True),
        ((*events(BEGUN), b"event: error\ndata: gone\n\n"), ErrorKind.SERVER, True),
        ((*events(BEGUN), b'error: {"code": 429}\n\n'), ErrorKind.RATE_LIMIT, True),
    ],
)
async def test_send__a_stream_that_goes_wrong(
    pieces: tuple[bytes, ...], kind: ErrorKind, retryable: bool
):
    error = await failure(Reply(pieces=pieces), stream=True)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert (error.partial_text or "").endswith("하나")


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, ErrorKind.RATE_LIMIT),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
            ErrorKind.SERVER,
        ),
        ({"type": "response.in_progress"}, ErrorKind.BAD_RESPONSE),
    ],
)
async def test_send__a_responses_stream_that_goes_wrong(last: dict, kind: ErrorKind):
    pieces = events({"type": "response.output_text.delta", "delta": "하나"}, last)
    error = await failure(Reply(pieces=pieces), stream=True, api="responses")
    assert (error.kind, error.partial_text) == (kind, "하나")


async def test_send__cut_and_silent_streams():
    text = "끊기는 답입니다"
    cut = await failure(Reply(text=text, cut_after=3), stream=True)
    assert (cut.kind, cut.retryable, cut.partial_text) == (ErrorKind.BAD_RESPONSE, True, text[:6])
    silent = await failure(Reply(text=text, stall_after=2), stream=True, idle_timeout_s=0.1)
    assert (silent.kind, silent.partial_text) == (ErrorKind.TIMEOUT, text[:3])


ENDED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (*events(BEGUN), DONE),
        (b": waiting\n\n", b"data:\n\n", b"event: ping\ndata: ping\n\n", *events(BEGUN, ENDED)),
        events({"choices": [], "prompt_filter_results": []}, BEGUN, ENDED, {"choices": []}),
        events({"choices": [{"index": 1, "delta": {"content": "other"}}]}, BEGUN, ENDED),
        events({"choices": [{"message": {"content": "하나"}, "finish_reason": "stop"}]}),
        events({"choices": [{"delta": None}]}, BEGUN, ENDED),
    ],
    ids=["no finish reason", "signs of life", "no choices", "second choice", "message", "null"],
)
async def test_send__streams_as_servers_write_them(pieces: tuple[bytes, ...]):
    with ChatServer(lambda _: Reply(pieces=pieces)) as server:
        assert (await ask(make(server.url, stream=True))).text == "하나"


async def test_send__a_stream_of_nothing():
    error = await failure(Reply(pieces=(DONE,)), stream=True)
    assert (error.kind, error.retryable) == (ErrorKind.BAD_RESPONSE, True)


@pytest.mark.parametrize("kind", ["Text/Event-Stream; charset=UTF-8", "text/plain", ""])
async def test_send__a_stream_of_another_content_type(kind: str):
    reply = Reply(pieces=(*events(BEGUN), DONE), headers={"content-type": kind})
    with ChatServer(lambda _: reply) as server:
        response = await ask(make(server.url, stream=True))
    assert response.text == "하나"
    assert response.ttft_ms is not None


async def test_send__calls_that_all_have_the_index_0():
    calls = [{"index": 0, "id": i, "function": {"name": i, "arguments": "{}"}} for i in "ab"]
    pieces = events(*({"choices": [{"delta": {"tool_calls": [call]}}]} for call in calls))
    with ChatServer(lambda _: Reply(pieces=(*pieces, DONE))) as server:
        response = await ask(make(server.url, stream=True))
    assert [(call.id, call.arguments) for call in response.tool_calls] == [("a", "{}"), ("b", "{}")]


async def test_send__an_event_that_is_no_json_is_quoted():
    error = await failure(Reply(pieces=(*events(BEGUN), b"data: oops\n\n")), stream=True)
    assert error.message.endswith("an event of the stream is no JSON: oops")


async def test_send__a_stream_that_was_not_asked_for():
    reply = Reply(body=b"".join(events(BEGUN)), headers={"content-type": "text/event-stream"})
    error = await failure(reply)
    assert error.hint == "a stream came, though none was asked for; set options.stream"
