"""Requests to a chatbot and its responses."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.record import record


@record
class ToolCall:
    """A call of a tool that the chatbot asks for."""

    id: str | None = None
    """The chatbot's own id of the call."""
    name: str
    """Name of the tool."""
    arguments: str = ""
    """Arguments as the chatbot wrote them, usually JSON."""


@record
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    """Speaker of the turn."""
    content: str = ""
    """The text, as written."""
    name: str | None = None
    """Name of the speaker, if there are several."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls of tools in an assistant's turn."""
    tool_call_id: str | None = None
    """Id of the call that a tool's turn answers."""


def message_values(message: Message) -> dict[str, JsonValue]:
    """Return a message as JSON values: role and content, and the other fields if set."""
    values: dict[str, JsonValue] = {"role": message.role, "content": message.content}
    if message.name is not None:
        values["name"] = message.name
    if message.tool_call_id is not None:
        values["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        values["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in message.tool_calls
        ]
    return values


@record
class Usage:
    """Tokens of a request; null if not reported, never 0."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@record
class ChatRequest:
    """One request to a chatbot; backends send it, never change it."""

    messages: tuple[Message, ...]
    """The conversation so far; the last message is the user's or a tool's result."""
    system: str | None = None
    """System prompt before the messages."""
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    """Parameters of the model, as configured."""
    tools: tuple[Mapping[str, JsonValue], ...] = ()
    """Tools that the chatbot may call, in OpenAI's shape."""
    tool_choice: JsonValue = None
    """auto, none, required, or the tool that must be called; null leaves it to the endpoint."""
    response_format: Mapping[str, JsonValue] | None = None
    """JSON Schema that the answer must match, if the backend supports it."""
    seed: int | None = None
    """Seed of this row, 0 … 2³¹−1."""
    deadline: float = float("inf")
    """Deadline of the row on the monotonic clock, in seconds."""
    session: str = ""
    """Identifies one conversation."""
    sample_id: str = ""
    repeat: int = 0
    turn: int = 0
    """Index of the request in its conversation, from 0."""
    attempt: int = 1
    idempotency_key: str = ""
    """Digest of the request: the same for every attempt."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """Facts about the sample for the backend: sample_hash, tags, language, metadata."""


@record
class ChatResponse:
    """One usable answer of a chatbot."""

    text: str = ""
    """The answer; "" if there is none (a tool call, a refusal field)."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    """stop, length, tool_calls, content_filter or refusal, if the endpoint's own word is known to mean
    one of them; else that word, or null if there is none."""
    refusal: str | None = None
    """Text of a refusal, if the API returns it apart from the answer."""
    reasoning: str | None = None
    """The model's reasoning, if the API returns it apart from the answer; never scored."""
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    """The model that answered, as it calls itself."""
    ttft_ms: float | None = None
    """Time to the first token in milliseconds; null if the answer was not streamed."""
    context: tuple[str, ...] = ()
    """Passages that the chatbot reports as used."""
    context_ids: tuple[str, ...] = ()
    """Ids of passages that the chatbot reports as used."""
    logprobs: JsonValue = None
    """Log probabilities, if the parameters ask for them."""
    embedding: tuple[float, ...] = ()
    """The vector of the text, from an endpoint that embeds instead of answering."""
    raw: JsonValue = None
    """The response as it came, kept only on demand."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Response headers of use to a reader: ids of the request, numbers of the rate limit."""
    status: RunStatus | None = None
    """Status set by a backend that knows better than the general rules (refused, filtered)."""
    latency_ms: float | None = None
    """Latency, if the backend knows it better (a replayed answer, or one that was polled for); null if the caller
    measures it."""
