"""Names of request templates, and the conversations that fill them."""

import secrets
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from lm_eval_so.core.backends.openai.chat import message_body
from lm_eval_so.core.records.chat import ChatRequest

_MOST = 100_000
"""Conversations that are remembered; far more than can go on at once."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of a request besides its messages."""

    session: Mapping[str, Any]
    """`id`, and the values that the server gave."""
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
"""Names of templates, and the functions that read them."""
ANSWER = "answer"
"""Name of the first response in the templates of a poll."""


@dataclass(slots=True)
class Conversation:
    """One conversation, as far as later turns need it."""

    id: str
    kept: dict[str, Any] = field(default_factory=dict)
    """Values from the server to be sent back."""
    opened: Mapping[str, Any] | None = None
    """Values that the opening of its session gave; None: it is not open."""

    def values(self) -> dict[str, Any]:
        """Return the values of `session` in templates."""
        return {"id": self.id, **(self.opened or {}), **self.kept}


class Conversations:
    """The conversations that are under way.

    The server sees another id in each run, so that it never resumes a conversation of an earlier
    run.
    """

    def __init__(self) -> None:
        self._run = secrets.token_bytes(32)
        self._by_session: OrderedDict[str, Conversation] = OrderedDict()

    def get(self, session: str, *, attempt: int = 1) -> Conversation:
        """Return a conversation by the request's session; a new one if it is not remembered.

        Args:
            session: The session; "" for one that nobody comes back to.
            attempt: Number of the attempt, if each begins a conversation of its own.
        """
        known = self._by_session.get(session)
        if known is not None:
            return known
        named = session if attempt == 1 else f"{session}\n{attempt}"
        return Conversation(self._id(named) if session else str(uuid.uuid4()))

    def keep(self, session: str, conversation: Conversation, values: Mapping[str, Any]) -> None:
        """Keep values that the server gave."""
        if not session or not (values or conversation.opened):
            return
        conversation.kept.update(values)
        self._by_session[session] = conversation
        if len(self._by_session) > _MOST:
            self._by_session.popitem(last=False)

    def end(self, session: str) -> None:
        """Forget a conversation."""
        self._by_session.pop(session, None)

    def _id(self, session: str) -> str:
        """Return the id of a session in this run, as a UUID of version 8 (RFC 9562)."""
        made = blake2b(session.encode("utf-8", "surrogatepass"), key=self._run, digest_size=16)
        h = made.hexdigest()
        return f"{h[:8]}-{h[8:12]}-8{h[13:16]}-8{h[17:20]}-{h[20:]}"
