"""Chat completions and embeddings of OpenAI's APIs: request bodies, answers, streams."""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from lm_eval_so.core.backends.error_texts import Case, in_words
from lm_eval_so.core.backends.faults import MOST_OF_BODY, answered_error, no_json, tells_error
from lm_eval_so.core.backends.openai.dialect import Dialect
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError, ErrorKind

_MOST_OF_VECTOR = 1000
"""Characters of a body without a vector that are kept."""
_MOST_TOKENS = 2**53
"""Integers above are not exact in JSON's usual readers."""
_BROKEN = (KeyError, IndexError, TypeError, AttributeError, ValueError)
"""Exceptions that a body of another shape raises."""
_KEPT = ("model", "usage", "timings")
_FIELDS = ("content", "refusal", "reasoning_content", "reasoning")


def encoded(body: Mapping[str, Any]) -> bytes:
    r"""Return a request body as UTF-8 JSON, without \u escapes."""
    # a fifth of the time of json's encoder; it would write NaN, but that has no digest, so it is never sent
    return to_json(body)


def chat_body(request: ChatRequest, dialect: Dialect, *, streams: bool = False) -> dict[str, Any]:
    """Return the body of a request; parameters go in as they are."""
    messages = [message_body(message) for message in request.messages]
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    body: dict[str, Any] = {"messages": messages}
    if dialect.seed and request.seed is not None:
        body["seed"] = request.seed
    if dialect.response_format and request.response_format is not None:
        form: dict[str, Any] = {"type": dialect.response_format}
        if dialect.response_format == "json_schema":
            schema = {"name": "answer", "schema": request.response_format, "strict": True}
            form["json_schema"] = schema
        body["response_format"] = form
    if request.tools:
        body["tools"] = list(request.tools)
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    if streams:
        body["stream"] = True
        if dialect.stream_options:
            body["stream_options"] = {"include_usage": True}
    body.update(request.params)
    if not dialect.temperature:
        body.pop("temperature", None)
    if not dialect.max_tokens and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    return body


def read_body(
    status: int, headers: Mapping[str, str], body: bytes, *, option: str = "base_url"
) -> Any:
    """Read the body of a good response as JSON.

    Args:
        status: Status code.
        headers: Headers; names are looked up in lower case.
        body: Body.
        option: Option that holds the address.

    Raises:
        BackendError: If it is none, or tells an error.
    """
    try:
        values = _parsed(body)
    except (ValueError, RecursionError) as error:
        text = body.decode("utf-8", "replace")
        if isinstance(error, UnicodeDecodeError) and text.lstrip().startswith(("{", "[")):
            raise _no_utf8(error, text) from None
        raise no_json(headers, text, option=option) from None
    if tells_error(values):
        raise answered_error(status, headers, values)
    return values


def read_chat(values: Any, **facts: Any) -> ChatResponse:
    """Read an answer.

    Args:
        values: The body as JSON.
        facts: Other fields of the response: ttft_ms, headers, raw.

    Raises:
        BackendError: If it is no answer.
    """
    try:
        choice = values["choices"][0]
        if choice.get("error"):  # of a gateway, whose upstream failed
            raise answered_error(200, {}, choice)
        message = choice["message"]
        model = values.get("model")
        return ChatResponse(
            text=_content(message.get("content")),
            tool_calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
            finish_reason=joined_text(choice.get("finish_reason")) or None,
            refusal=joined_text(message.get("refusal")) or None,
            reasoning=joined_text(message.get("reasoning_content") or message.get("reasoning"))
            or None,
            usage=_usage(values),
            model=model if isinstance(model, str) else None,
            logprobs=choice.get("logprobs"),
            **facts,
        )
    except _BROKEN:
        raise bad_response("no choices[0].message", json.dumps(values)) from None


def _no_utf8(error: UnicodeDecodeError, text: str) -> BackendError:
    what, hint = in_words(Case.NO_UTF8, byte=error.start)
    partial = text[:MOST_OF_BODY]
    kind = ErrorKind.BAD_RESPONSE
    return BackendError(kind, what, retryable=True, partial_text=partial, hint=hint)


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:  # it takes no half surrogate pairs and less depth, but a third of the time
        return json.loads(body)


def joined_text(content: object) -> str:
    """Return a text, or the texts of a list of parts joined; "" of anything else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(map(joined_text, parts))
    return ""


def count_of(values: object, key: str) -> int | None:
    """Return a number of tokens; None if it is not told."""
    return whole_number(values.get(key)) if isinstance(values, dict) else None


def whole_number(value: object) -> int | None:
    """Return a whole number from 0, which some servers write as 3.0; None of anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None


def bad_response(what: str, text: str) -> BackendError:
    """Return the error of a response that cannot be read, with the beginning of its text."""
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        f"the response cannot be read: {what}",
        retryable=True,
        partial_text=text[:MOST_OF_BODY] or None,
    )


def _content(content: object) -> str:
    """Return the text of an answer; other values of some gateways become JSON."""
    if content is None or isinstance(content, str | list):
        return joined_text(content)
    return json.dumps(content, ensure_ascii=False)


def message_body(message: Message) -> dict[str, Any]:
    """Return a message as chat completions write it; a call without an id gets one."""
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
    call_id = call.get("id")
    return ToolCall(
        id=call_id if isinstance(call_id, str) else None,
        name=str(function["name"]),
        arguments=arguments,
    )


def _usage(values: Mapping[str, Any]) -> Usage:
    usage = values.get("usage")
    if isinstance(usage, dict):  # of JSON there are no other mappings, which take longer to ask for
        return Usage(
            input_tokens=count_of(usage, "prompt_tokens"),
            output_tokens=count_of(usage, "completion_tokens"),
            cached_tokens=count_of(usage.get("prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=count_of(usage.get("completion_tokens_details"), "reasoning_tokens"),
        )
    timings = values.get("timings")  # llama.cpp's
    if not isinstance(timings, Mapping):
        return Usage()
    cached = count_of(timings, "cache_n")
    read = count_of(timings, "prompt_n")
    return Usage(
        input_tokens=None if read is None else read + (cached or 0),
        output_tokens=count_of(timings, "predicted_n"),
        cached_tokens=cached,
    )


class ChatDeltas:
    """A streamed chat completion, put together like the same answer unstreamed."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether text, or a tool call, has come; reasoning does not count."""
        self.is_whole = False
        """Whether the answer may end here: its finish reason is known."""
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {name: [] for name in _FIELDS}
        self._calls: dict[int | str, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
        self._finish_reason: Any = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._texts["content"])

    def add(self, values: Any) -> None:
        """Take the data of one event; data of another shape is passed over.

        Raises:
            BackendError: If the event tells an error.
        """
        if not isinstance(values, Mapping):
            return
        if tells_error(values):
            raise answered_error(200, {}, values)
        self._values.update((name, values[name]) for name in _KEPT if values.get(name))
        choice = _first_choice(values.get("choices"))
        if choice is None:
            return
        if choice.get("error"):
            raise answered_error(200, {}, choice)
        delta = choice.get("delta")
        if delta is None and not self.has_begun:  # some servers stream one whole message
            delta = choice.get("message")
        self._add_delta(delta)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        if choice.get("finish_reason"):
            self._finish_reason = choice["finish_reason"]
            self.is_whole = True

    def end(self) -> None:
        """Take [DONE]: some servers tell no finish reason before it."""
        self.is_whole = self.is_whole or self.has_begun

    def values(self) -> dict[str, Any]:
        """Return the body that the same answer has unstreamed."""
        message: dict[str, Any] = {name: "".join(self._texts[name]) for name in _FIELDS}
        message["tool_calls"] = list(self._calls.values())
        choice = {
            "message": message,
            "finish_reason": self._finish_reason,
            "logprobs": {"content": self._logprobs} if self._logprobs else None,
        }
        return {**self._values, "choices": [choice]}

    def _add_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            return
        for name in _FIELDS:
            text = joined_text(delta.get(name))
            if text:
                self._texts[name].append(text)
                self.has_begun = self.has_begun or name in {"content", "refusal"}
        calls = delta.get("tool_calls")
        for part in calls if isinstance(calls, list) else ():
            if isinstance(part, Mapping):
                self._add_call(part)
                self.has_begun = True

    def _add_call(self, part: Mapping[str, Any]) -> None:
        key = part.get("index")
        if not isinstance(key, int):  # some servers give no index: an id begins a call
            key = joined_text(part.get("id")) or next(reversed(self._calls), "")
        given = part.get("function")
        given = given if isinstance(given, Mapping) else {}
        known = self._calls.get(key)
        if known and given.get("name") and part.get("id") not in {None, "", known["id"]}:
            key = str(part["id"])  # Google's gives all calls the index 0
        call = self._calls.setdefault(key, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or part.get("id")
        made = call["function"]
        made["name"] = made["name"] or given.get("name") or ""
        arguments = given.get("arguments")
        if isinstance(arguments, str) and isinstance(made["arguments"], str):
            made["arguments"] += arguments
        elif arguments:  # some servers give the object itself
            made["arguments"] = arguments


def _first_choice(choices: object) -> Mapping[str, Any] | None:
    """Return the choice that counts: where several were asked for, the one with index 0."""
    if not isinstance(choices, list):
        return None
    return next((c for c in choices if isinstance(c, Mapping) and not c.get("index")), None)


def embeddings_body(
    request: ChatRequest, dialect: Dialect, *, streams: bool = False
) -> dict[str, Any]:
    """Return the body of a request: the last message is the text, parameters go in as they are."""
    del dialect, streams  # there is nothing of a chat in it
    text = request.messages[-1].content
    return {"input": text, "encoding_format": "float", **request.params}


def read_embedding(values: Any, **facts: Any) -> ChatResponse:
    """Read an answer.

    Args:
        values: The body as JSON.
        facts: Other fields of the response: headers, raw.

    Raises:
        BackendError: If it holds no vector of numbers.
    """
    try:
        vector = tuple(float(number) for number in values["data"][0]["embedding"])
        usage, model = values.get("usage"), values.get("model")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        vector, usage, model = (), None, None
    if not vector or not all(map(math.isfinite, vector)):
        raise bad_response("no data[0].embedding", json.dumps(values)[:_MOST_OF_VECTOR])
    return ChatResponse(
        embedding=vector,
        status=RunStatus.OK,  # without a text it would count as empty
        finish_reason="stop",
        usage=Usage(input_tokens=count_of(usage, "prompt_tokens")),
        model=model if isinstance(model, str) else None,
        **facts,
    )
