"""What templates of an HTTP request can name, and what a conversation puts there."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_eval_so.core.backends.wire import message_body
from lm_eval_so.core.records.chat import ChatRequest


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a request has besides the conversation."""

    session: Mapping[str, Any]
    """`id`, and what the server gave to be kept."""
    env: Mapping[str, str] = field(repr=False)
    is_known: bool = False
    """Whether the server knows the earlier messages."""
    streams: bool = False
    """Whether the answer is to be streamed."""


def names_of(request: ChatRequest, around: Surroundings, wanted: Iterable[str]) -> dict[str, Any]:
    """Return the values of names, as JSON values."""
    return {name: NAMES[name](request, around) for name in wanted}


def _messages(request: ChatRequest, _: Surroundings) -> list[dict[str, Any]]:
    return [message_body(message) for message in request.messages]


def _history(request: ChatRequest, around: Surroundings) -> list[dict[str, Any]]:
    if around.is_known:
        return []
    return [message_body(message) for message in request.messages[: _last_user(request)]]


def _last_text(request: ChatRequest, _: Surroundings) -> str:
    return request.messages[_last_user(request)].content if request.messages else ""


def _last_user(request: ChatRequest) -> int:
    """Return the position of the last user message, else of the last message."""
    for position in range(len(request.messages) - 1, -1, -1):
        if request.messages[position].role == "user":
            return position
    return len(request.messages) - 1


def _sample(request: ChatRequest, _: Surroundings) -> dict[str, Any]:
    facts = request.metadata
    return {
        "id": request.sample_id,
        "language": facts.get("language"),
        "tags": facts.get("tags", []),
        "metadata": facts.get("metadata", {}),
    }


NAMES: Mapping[str, Callable[[ChatRequest, Surroundings], Any]] = {
    "messages": _messages,
    "history": _history,
    "last_user": _last_text,
    "system": lambda request, _: request.system,
    "params": lambda request, _: dict(request.params),
    "session": lambda _, around: dict(around.session),
    "sample": _sample,
    "repeat": lambda request, _: request.repeat,
    "turn": lambda request, _: request.turn,
    "attempt": lambda request, _: request.attempt,
    "seed": lambda request, _: request.seed,
    "uuid": lambda *_: str(uuid.uuid4()),
    "idempotency_key": lambda request, _: request.idempotency_key,
    "env": lambda _, around: dict(around.env),
    "stream": lambda _, around: around.streams,
    "tools": lambda request, _: list(request.tools),
    "tool_choice": lambda request, _: request.tool_choice,
    "response_format": lambda request, _: request.response_format,
}
"""Names of templates, and how each is read."""
