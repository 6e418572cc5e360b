"""The cache of answers: the same request is not paid for twice.

It is a help, never a need: a fault of it is told once, and asking goes on without it.
"""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path

from lm_eval_so.core.asking.asker import Answer, Clock
from lm_eval_so.core.asking.cache.file import (
    Kept,
    Row,
    answer_of,
    connect,
    encode,
    is_busy,
    is_damaged,
    put_aside,
    write_rows,
)
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.hashing import canon_text, digest_text, plain_message
from lm_eval_so.core.records.chat import ChatRequest, Message, message_values
from lm_eval_so.core.records.enums import RunStatus

__all__ = [
    "AnswerCache",
    "Kept",
    "is_cacheable",
    "open_cache",
]

_KEPT = frozenset({RunStatus.OK, RunStatus.REFUSED, RunStatus.TRUNCATED})
_FLUSH_EVERY_S = 1.0
_FLUSH_AT = 200
_MOST_WAITING = 5_000
_BUSY_MS = 100
"""Milliseconds that the event loop may stand still for another process that writes."""
_BUSY_MS_AT_END = 5_000

Warn = Callable[[str], None]


def is_cacheable(backend: ChatBackend) -> bool:
    """Return whether the answers of a backend may come from the cache.

    No, if the chatbot keeps the conversation itself, if its code may change unseen, or if it needs
    no network; `options.cacheable` of the config goes over that.
    """
    wanted: bool | None = getattr(backend.options, "cacheable", None)
    if wanted is not None:
        return wanted
    can = backend.capabilities
    return can.cacheable and not can.stateful and not can.offline


def open_cache(
    path: Path,
    warn: Warn,
    *,
    refresh: bool = False,
    at_once: bool = False,
    clock: Clock = time.monotonic,
) -> "AnswerCache":
    """Open the cache of a file, which is made if it is not there.

    Args:
        path: File of the cache.
        warn: Function that is told, once, if the file cannot be used. A damaged one is put aside.
        refresh: Whether all is asked anew, and kept answers are replaced.
        at_once: Whether each answer is written when it comes, not about once a second.
        clock: Monotonic time in seconds.
    """
    cache = AnswerCache(path, warn, refresh=refresh, at_once=at_once, clock=clock)
    cache.open()
    return cache


class AnswerCache:
    """Answers by the key of their request; made by `open_cache`.

    Several processes may use one file at once. Puts are written together, about once a second:
    a process that is killed loses a second of the cache, and no results. To be used in one thread.
    """

    def __init__(
        self, path: Path, warn: Warn, *, refresh: bool, at_once: bool, clock: Clock
    ) -> None:
        self._path = path
        self._warn = warn
        self._refresh = refresh
        self._clock = clock
        self._every_s = 0.0 if at_once else _FLUSH_EVERY_S
        self._file: sqlite3.Connection | None = None
        self._waiting: dict[bytes, Row] = {}
        self._flushed_at = clock()

    @property
    def is_on(self) -> bool:
        """Return whether anything is kept."""
        return self._file is not None

    def open(self) -> None:
        """Open the file; trouble is told, not raised."""
        try:
            self._file = _opened(self._path, self._warn)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def get(self, key: str) -> Kept | None:
        """Return the answer that is kept for a request, if there is one."""
        if self._file is None or self._refresh:
            return None
        wanted = bytes.fromhex(key)
        try:
            sql = "SELECT * FROM answers WHERE key = ?"
            found = self._waiting.get(wanted) or self._file.execute(sql, (wanted,)).fetchone()
        except sqlite3.Error as error:
            if not is_busy(error):
                self._recover(error)
            return None
        return answer_of(found) if found else None

    def put(self, key: str, answer: Answer) -> bool:
        """Keep an answer, if it is one that may be kept: ok, refused or truncated, asked now.

        Secrets were taken out of it before. Returns whether it is kept.
        """
        if self._file is None or answer.response is None or answer.cached:
            return False
        if answer.status not in _KEPT:
            return False
        kept = Kept(
            status=answer.status,
            response=answer.response,
            latency_ms=answer.latency_ms,
            cost_usd=answer.cost_usd,
            answered_at=answer.started_at or None,
        )
        try:
            value = encode(kept)
        except ValueError:  # what JSON cannot hold is asked again
            return False
        name = bytes.fromhex(key)
        self._waiting[name] = (name, int(time.time()), value)
        is_due = self._clock() - self._flushed_at >= self._every_s
        if is_due or len(self._waiting) % _FLUSH_AT == 0:
            self._flush()
        return self._file is not None

    def save(self) -> bool:
        """Write the waiting answers now, and return whether all that were put are in the file."""
        for _ in range(2):  # a damaged file is begun anew, and gets them then
            self._flush(patience_ms=_BUSY_MS_AT_END)
        return self._file is not None and not self._waiting

    def close(self) -> None:
        """Write the waiting answers, and close the file; without effect if it is closed."""
        if self._file is None:
            return
        self._flush(patience_ms=_BUSY_MS_AT_END)
        if self._waiting and self._file is not None:
            self._give_up(OSError("another process holds it"))
        if self._file is not None:
            self._file.close()
        self._file = None

    def _flush(self, *, patience_ms: int = _BUSY_MS) -> None:
        self._flushed_at = self._clock()
        if self._file is None or not self._waiting:
            return
        try:
            self._file.execute(f"PRAGMA busy_timeout = {patience_ms}")
            write_rows(self._file, self._waiting.values())
        except sqlite3.Error as error:
            if not is_busy(error) or len(self._waiting) >= _MOST_WAITING:
                self._recover(error)
        else:
            self._waiting.clear()

    def _recover(self, error: sqlite3.Error) -> None:
        """Begin a file anew if this one is damaged, else go on without."""
        if self._file is None or not is_damaged(error):
            self._give_up(error)
            return
        self._file.close()
        try:
            self._file = _begin_anew(self._path, error, self._warn)
        except (sqlite3.Error, OSError) as again:
            self._give_up(again)

    def _give_up(self, error: Exception) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._waiting.clear()
        self._warn(f"the cache {self._path} cannot be used: {error}; asking goes on without it")


def _opened(path: Path, warn: Warn) -> sqlite3.Connection:
    try:
        file = connect(path)
    except sqlite3.Error as error:
        if not is_damaged(error):
            raise
        file = _begin_anew(path, error, warn)
    file.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    return file


def _begin_anew(path: Path, error: sqlite3.Error, warn: Warn) -> sqlite3.Connection:
    aside = put_aside(path)
    warn(f"the cache {path} is damaged ({error}); it is kept as {aside}, and begun anew")
    return connect(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKeys:
    """Digests of requests, the keys of answers: SHA-256 of the request as canonical JSON.

    A digest covers everything that decides an answer, with the number of the repeat, so that each
    repeat has its own answer. Keys, time-outs, concurrency and header values are not in it.
    """

    fingerprint: str
    """Digest of backend, parameters and system prompt."""
    reach: str
    """Digest of the way to the chatbot, without credentials."""

    def __call__(self, request: ChatRequest) -> str:
        """Return the digest of a request, 64 hexadecimal digits."""
        form, chosen = request.response_format, request.tool_choice
        # what `digest` makes of a mapping of these, in a third of the time: each row needs it
        members = (
            f'"fingerprint":{encode_basestring(self.fingerprint)}',
            f'"messages":[{",".join(map(_message, request.messages))}]',
            f'"params":{canon_text(dict(request.params)) if request.params else "{}"}',
            f'"reach":{encode_basestring(self.reach)}',
            f'"repeat":{request.repeat}',
            f'"response_format":{"null" if form is None else canon_text(dict(form))}',
            f'"seed":{"null" if request.seed is None else request.seed}',
            f'"system":{"null" if request.system is None else encode_basestring(request.system)}',
            f'"tool_choice":{"null" if chosen is None else canon_text(chosen)}',
            f'"tools":[{",".join(canon_text(dict(tool)) for tool in request.tools)}]',
            f'"turn":{request.turn},"v":1',
        )
        return digest_text(f"{{{','.join(members)}}}")


def _message(message: Message) -> str:
    """Return a message as canonical JSON."""
    if message.name is None and message.tool_call_id is None and not message.tool_calls:
        return plain_message(message.role, message.content)
    return canon_text(message_values(message))
