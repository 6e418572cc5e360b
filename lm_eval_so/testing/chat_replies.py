"""Replies of the chat server, as bodies and streams of OpenAI's APIs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Reply", "Seen"]

_PIECE = 3  # characters of a delta

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came."""

    number: int
    """Number of the request to this server, from 0."""
    nth: int
    """Number of the request with the same last user message, from 0."""
    path: str
    """Path and query."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    raw: bytes
    """The body's bytes."""
    body: Mapping[str, Any]
    """The body as JSON; empty if it is none."""
    text: str
    """The last user message."""
    at: float
    """When it came, on the monotonic clock, in seconds."""
    under_way: int
    """Requests that are being answered, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Reply of the server to a request."""

    text: str = ""
    """The answer."""
    status: int = 200
    """A status other than 200 answers with an error body."""
    message: str = "scripted"
    """Message of the error body."""
    code: str | None = None
    """Code of the error body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Body to send instead of the usual one."""
    pieces: tuple[bytes, ...] | None = None
    """Sent one after another, as a stream, instead of the usual body."""
    message_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the answering message, over the usual ones: refusal, tool_calls, content."""
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 5}
    )
    """None: the server does not tell."""
    model: str = "test-model"
    latency_s: float = 0.0
    """Before anything is sent."""
    first_token_s: float = 0.0
    """Between the head of a stream and its first piece."""
    cut_after: int | None = None
    """Breaks the connection after so many pieces of a stream."""
    stall_after: int | None = None
    """Sends nothing more after so many pieces of a stream, until the client gives up."""
    hang: bool = False
    """Never answers; the connection stays open until the client gives up."""
    reset: bool = False
    """Breaks the connection instead of answering."""


def whole_body(reply: Reply, path: str) -> bytes:
    """Return the body of a reply that is not streamed."""
    if reply.status != 200:
        error = {"message": reply.message, "type": "scripted", "code": reply.code}
        return _bytes({"error": error})
    return _bytes(_response(reply) if _is_responses(path) else _completion(reply))


def stream_pieces(reply: Reply, path: str, body: Mapping[str, Any]) -> list[bytes]:
    """Return a reply as server-sent events, one an item."""
    if _is_responses(path):
        return [_event(values, name=values["type"]) for values in _response_events(reply)]
    options = body.get("stream_options") or {}
    chunks = list(_chunks(reply, with_usage=bool(options.get("include_usage"))))
    return [*map(_event, chunks), b"data: [DONE]\n\n"]


def _is_responses(path: str) -> bool:
    return path.partition("?")[0].endswith("/responses")


def _bytes(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def _event(values: Mapping[str, Any], name: str | None = None) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + _bytes(values) + b"\n\n"


def _message(reply: Reply) -> Json:
    return {"role": "assistant", "content": reply.text, **reply.message_fields}


def _completion(reply: Reply) -> Json:
    choice = {"index": 0, "message": _message(reply), "finish_reason": reply.finish_reason}
    values: Json = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": reply.model,
        "choices": [choice],
    }
    return values if reply.usage is None else {**values, "usage": dict(reply.usage)}


def _chunks(reply: Reply, *, with_usage: bool) -> Iterator[Json]:
    base = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "model": reply.model}

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**base, "choices": [choice]}

    message = _message(reply)
    yield chunk({"role": message.pop("role"), "content": ""})
    calls = message.pop("tool_calls", None) or []
    for name in ("reasoning_content", "content", "refusal"):
        text = message.pop(name, None)
        for piece in _split(text) if isinstance(text, str) else ():
            yield chunk({name: piece})
    for index, call in enumerate(calls):
        function = call["function"]
        begun = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield chunk({"tool_calls": [begun]})
        for piece in _split(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk(message, reply.finish_reason)
    if with_usage and reply.usage is not None:
        yield {**base, "choices": [], "usage": dict(reply.usage)}


def _split(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def _response(reply: Reply) -> Json:
    message = _message(reply)
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(reply.finish_reason)
    values: Json = {
        "id": "resp-test",
        "object": "response",
        "model": reply.model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": _output(message),
    }
    if reply.usage is not None:
        told = reply.usage
        values["usage"] = {
            "input_tokens": told.get("prompt_tokens"),
            "output_tokens": told.get("completion_tokens"),
            "input_tokens_details": told.get("prompt_tokens_details"),
            "output_tokens_details": told.get("completion_tokens_details"),
        }
    return values


def _output(message: Json) -> list[Json]:
    items: list[Json] = []
    if reasoning := message.get("reasoning_content"):
        items.append(
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": reasoning}]}
        )
    parts: list[Json] = []
    if content := message.get("content"):
        parts.append({"type": "output_text", "text": content, "annotations": []})
    if refusal := message.get("refusal"):
        parts.append({"type": "refusal", "refusal": refusal})
    if parts or not message.get("tool_calls"):
        items.append({"type": "message", "role": "assistant", "content": parts})
    items += [
        {"type": "function_call", "call_id": call["id"], **call["function"]}
        for call in message.get("tool_calls") or ()
    ]
    return items


def _response_events(reply: Reply) -> Iterator[Json]:
    response = _response(reply)
    yield {"type": "response.created", "response": {**response, "output": []}}
    for item in response["output"]:
        yield {"type": "response.output_item.added", "item": {"type": item["type"]}}
        for part in item.get("summary") or ():
            yield {"type": "response.reasoning_summary_text.delta", "delta": part["text"]}
        for part in item.get("content") or ():
            kind = "output_text" if part["type"] == "output_text" else "refusal"
            for piece in _split(part.get("text") or part.get("refusal") or ""):
                yield {"type": f"response.{kind}.delta", "delta": piece}
        for piece in _split(item.get("arguments") or ""):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
    yield {"type": f"response.{response['status']}", "response": response}
