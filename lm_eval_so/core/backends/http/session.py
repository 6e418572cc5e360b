"""What is remembered of conversations while they go on: nothing of those that have ended."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from uuid import uuid4

_MOST = 100_000
"""Conversations that are remembered; far more than can go on at once."""


@dataclass(slots=True)
class Conversation:
    """One conversation, as far as later turns need it."""

    id: str
    kept: dict[str, Any] = field(default_factory=dict)
    """What the server gave to be sent back."""

    def values(self) -> dict[str, Any]:
        """Return what templates see as `session`."""
        return {"id": self.id, **self.kept}


class Conversations:
    """The conversations that are under way.

    The id that the server sees is another in each run, so that it never goes on with the
    conversation of an earlier one.
    """

    def __init__(self) -> None:
        self._run = secrets.token_bytes(32)
        self._by_session: OrderedDict[str, Conversation] = OrderedDict()

    def get(self, session: str) -> Conversation:
        """Return a conversation by the request's session; a new one if it is not remembered."""
        known = self._by_session.get(session)
        if known is not None:
            return known
        return Conversation(self._id(session) if session else str(uuid4()))

    def keep(self, session: str, conversation: Conversation, values: Mapping[str, Any]) -> None:
        """Remember what the server gave."""
        if not session or not values:
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
