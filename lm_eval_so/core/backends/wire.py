"""The chat completions format that OpenAI set and many servers speak: request bodies and answers."""

import json
from collections.abc import Mapping
from typing import Any

from lm_eval_so.core.backends.faults import MOST_OF_BODY, http_error
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.errors import BackendError, ErrorKind


def request_body(request: ChatRequest, *, with_seed: bool) -> bytes:
    """Give the body of a request as UTF-8 JSON; parameters go in as they are."""
    messages = [_message(message) for message in request.messages]
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    body: dict[str, Any] = {"messages": messages}
    if with_seed and request.seed is not None:
        body["seed"] = request.seed
    if request.response_format is not None:
        schema = {"name": "answer", "schema": request.response_format, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return json.dumps({**body, **request.params}, ensure_ascii=False, allow_nan=False).encode()


def read_response(status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
    """Read the body of a response.

    Raises:
        BackendError: If it is no answer: an error in the shape of an answer, or something else.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        raise _bad_response("no JSON", text) from None
    if isinstance(values, dict) and values.get("error"):
        error = values["error"]
        code = error.get("code") if isinstance(error, dict) else None
        real_status = code if isinstance(code, int) and 400 <= code < 600 else status
        raise http_error(real_status, headers, body)
    try:
        return _answer(values)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise _bad_response("no choices[0].message", json.dumps(values)) from None


def _answer(values: Any) -> ChatResponse:
    choice = values["choices"][0]
    message = choice["message"]
    model = values.get("model")
    return ChatResponse(
        text=_text(message.get("content")),
        tool_calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
        finish_reason=_text(choice.get("finish_reason")) or None,
        refusal=_text(message.get("refusal")) or None,
        reasoning=_text(message.get("reasoning_content") or message.get("reasoning")) or None,
        usage=_usage(values.get("usage")),
        model=model if isinstance(model, str) else None,
    )


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        body["name"] = message.name
    if message.tool_calls:
        body["tool_calls"] = [
            {
                "id": call.id or f"call_{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(message.tool_calls)
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call["function"]
    arguments = function.get("arguments") or ""
    if not isinstance(arguments, str):  # some servers give the object itself
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=call.get("id"), name=str(function["name"]), arguments=arguments)


def _text(content: object) -> str:
    """Give a text, or the texts of a list of parts joined."""
    if isinstance(content, list):
        return "".join(_text(p.get("text")) if isinstance(p, dict) else _text(p) for p in content)
    return content if isinstance(content, str) else ""


def _usage(usage: object) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(values: object, key: str) -> int | None:
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _bad_response(what: str, text: str) -> BackendError:
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        f"the response cannot be read: {what}",
        retryable=True,
        partial_text=text[:MOST_OF_BODY] or None,
    )
