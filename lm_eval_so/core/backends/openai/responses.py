"""OpenAI's responses API: request bodies, answers, streams."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lm_eval_so.core.backends.faults import answered_error
from lm_eval_so.core.backends.openai.chat import bad_response, count_of, joined_text
from lm_eval_so.core.backends.openai.dialect import Dialect
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage

_ENDS = {"response.completed", "response.incomplete", "response.failed"}


def responses_body(
    request: ChatRequest, dialect: Dialect, *, streams: bool = False
) -> dict[str, Any]:
    """Return the body of a request; parameters go in as they are. The API takes no seed."""
    body: dict[str, Any] = {"input": [item for m in request.messages for item in _items(m)]}
    if request.system is not None:
        body["instructions"] = request.system
    if dialect.response_format and request.response_format is not None:
        form: dict[str, Any] = {"type": dialect.response_format}
        if dialect.response_format == "json_schema":
            form |= {"name": "answer", "schema": request.response_format, "strict": True}
        body["text"] = {"format": form}
    if request.tools:
        body["tools"] = [_flat(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _flat(request.tool_choice)
    if streams:
        body["stream"] = True
    body.update(request.params)
    if not dialect.temperature:
        body.pop("temperature", None)
    return body


def read_response(values: Any, **facts: Any) -> ChatResponse:
    """Read an answer: its texts joined, reasoning and refusals apart.

    Args:
        values: The body as JSON.
        facts: Other fields of the response: ttft_ms, headers, raw.

    Raises:
        BackendError: If it is no answer.
    """
    try:
        return _response(values, facts)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise bad_response("no output", json.dumps(values)) from None


class ResponseDeltas:
    """A streamed response so far; its last event holds the whole answer."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether text, or a tool call, has come; reasoning does not count."""
        self._texts: list[str] = []
        self._last: Any = None

    @property
    def is_whole(self) -> bool:
        """Return whether the answer has come."""
        return self._last is not None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._texts)

    def add(self, values: Any) -> None:
        """Take the data of one event; data of another shape is passed over.

        Raises:
            BackendError: If the event tells an error.
        """
        if not isinstance(values, Mapping):
            return
        kind = joined_text(values.get("type"))
        if kind == "error":  # the fields of the error stand in the event itself, or in "error"
            raise answered_error(200, {}, values if values.get("error") else {"error": values})
        if kind in _ENDS:
            self._last = values.get("response")
            if isinstance(self._last, Mapping) and self._last.get("error"):
                raise answered_error(200, {}, self._last)
        elif kind == "response.output_text.delta":
            self._texts.append(joined_text(values.get("delta")))
            self.has_begun = self.has_begun or bool(values.get("delta"))
        elif kind in {"response.refusal.delta", "response.function_call_arguments.delta"}:
            self.has_begun = self.has_begun or bool(values.get("delta"))

    def end(self) -> None:
        """Take [DONE], which ends no answer here: its last event does."""

    def values(self) -> Any:
        """Return the body that the same answer has unstreamed."""
        return self._last


def _response(values: Mapping[str, Any], facts: Mapping[str, Any]) -> ChatResponse:
    output = values["output"]
    calls = tuple(_tool_call(item) for item in output if item["type"] == "function_call")
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    thoughts = [_thoughts(item) for item in output if item["type"] == "reasoning"]
    logprobs = [each for part in parts for each in part.get("logprobs") or ()]
    model = values.get("model")
    return ChatResponse(
        text="".join(joined_text(p.get("text")) for p in parts if p["type"] == "output_text"),
        tool_calls=calls,
        finish_reason=_finish_reason(values, has_calls=bool(calls)),
        refusal="".join(joined_text(part.get("refusal")) for part in parts) or None,
        reasoning="\n".join(filter(None, thoughts)) or None,
        usage=_usage(values.get("usage")),
        model=model if isinstance(model, str) else None,
        logprobs={"content": logprobs} if logprobs else None,
        **facts,
    )


def _finish_reason(values: Mapping[str, Any], *, has_calls: bool) -> str | None:
    if values.get("status") == "incomplete":
        return joined_text((values.get("incomplete_details") or {}).get("reason")) or None
    if has_calls:
        return "tool_calls"
    return "stop" if values.get("status") == "completed" else None


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        call_id = message.tool_call_id
        yield {"type": "function_call_output", "call_id": call_id, "output": message.content}
        return
    if message.content or not message.tool_calls:
        yield {"role": message.role, "content": message.content}
    for number, call in enumerate(message.tool_calls):
        yield {
            "type": "function_call",
            "call_id": call.id or f"call_{number}",
            "name": call.name,
            "arguments": call.arguments,
        }


def _flat(tool: Any) -> Any:
    """Return a tool, or the choice of one, in this API's shape: fields of its function beside type."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        return tool
    return {"type": tool.get("type", "function"), **function}


def _tool_call(item: Mapping[str, Any]) -> ToolCall:
    call_id = item.get("call_id")
    return ToolCall(
        id=call_id if isinstance(call_id, str) else None,
        name=str(item["name"]),
        arguments=joined_text(item.get("arguments")),
    )


def _thoughts(item: Mapping[str, Any]) -> str:
    return "\n".join(text for key in ("summary", "content") if (text := joined_text(item.get(key))))


def _usage(usage: object) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    return Usage(
        input_tokens=count_of(usage, "input_tokens"),
        output_tokens=count_of(usage, "output_tokens"),
        cached_tokens=count_of(usage.get("input_tokens_details"), "cached_tokens"),
        reasoning_tokens=count_of(usage.get("output_tokens_details"), "reasoning_tokens"),
    )
