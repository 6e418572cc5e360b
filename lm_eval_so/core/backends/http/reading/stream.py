"""Streams of a team's own endpoint as `ChatResponse`: events, lines or plain text."""

import codecs
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from lm_eval_so.core.backends.faults import answered_error, tells_error
from lm_eval_so.core.backends.http.options import StreamSection
from lm_eval_so.core.backends.http.reading.mapping import (
    INSTEAD_OF_TEXT,
    ResponseMapping,
    make_response,
)
from lm_eval_so.core.backends.http.reading.paths import Path, compile_path, likely_path, shown_keys
from lm_eval_so.core.backends.http.reading.readers import (
    add_calls,
    bad_response,
    parse,
    read_calls,
    read_text,
)
from lm_eval_so.core.http.client import kept_headers
from lm_eval_so.core.http.sse import Event, read_events, read_lines
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_MOST_OF_EVENT = 200
_WHOLE = frozenset({"application/json", "text/html"})
"""Content types of no stream of events."""
_MOST_KINDS = 8
_FEWEST_TEXTS = 3
_FEWEST_LETTERS = 8
"""Different characters: a bot that says "ha", "haha", "hahaha" does not repeat itself."""


@dataclass(slots=True)
class StreamTexts:
    """The texts of the events, in order; each a new piece, or each all of the answer so far."""

    is_cumulative: bool = False
    parts: list[str] = field(default_factory=list)
    """Of cumulative texts the last one only."""
    count: int = 0
    continued: int = 0
    """Texts that begin with the text before them."""
    grown: int = 0
    """Texts among these that are longer than it."""

    @property
    def whole(self) -> str:
        """The answer so far."""
        return "".join(self.parts)

    def add(self, text: str) -> None:
        """Take the text of an event."""
        last = self.parts[-1] if self.parts else ""
        if self.count and text.startswith(last):
            self.continued += 1
            self.grown += len(text) > len(last)
        self.count += 1
        if self.is_cumulative:
            self.parts.clear()
        self.parts.append(text)

    @property
    def look_cumulative(self) -> bool:
        """Whether every text begins with the one before it, as pieces of an answer do not."""
        is_chain = self.continued == self.count - 1 and self.grown >= _FEWEST_TEXTS - 1
        return is_chain and len(set(self.parts[-1])) >= _FEWEST_LETTERS

    @property
    def look_like_pieces(self) -> bool:
        """Return whether no text begins with the one before it, as texts so far do."""
        return self.count >= _FEWEST_TEXTS and self.continued == 0


@dataclass(slots=True)
class _Answer:
    """Answer of a stream so far."""

    began: float
    texts: StreamTexts = field(default_factory=StreamTexts)
    facts: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    calls: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    first_ms: float | None = None
    last: Any = None
    found_delta: bool = False
    passed: set[str] = field(default_factory=set)
    """Types of events that were passed over."""

    @property
    def text(self) -> str:
        return self.texts.whole

    def add(self, delta: str) -> None:
        self.found_delta = True
        if delta:
            self.touch()
            self.texts.add(delta)

    def add_chunk(self, text: str) -> None:
        """Add text that came in no event, cut anywhere."""
        self.found_delta = True
        if text:
            self.touch()
            self.texts.parts.append(text)

    def touch(self) -> None:
        if self.first_ms is None:
            self.first_ms = round((time.monotonic() - self.began) * 1000, 1)


class StreamMapping:
    """Reading of a streamed answer, compiled once.

    Attributes:
        problems: Problems of the paths; with any, nothing can be read.
    """

    def __init__(self, section: StreamSection, response: ResponseMapping) -> None:
        self._section = section
        self._response = response
        self.problems: list[Problem] = []
        self._delta = response.compiled(section.delta, "options.stream.delta")
        self._error = response.compiled(section.error, "options.stream.error")
        self._done = _path_or_none(section.done)
        events = [section.event] if isinstance(section.event, str) else section.event
        self._events = frozenset(events) if section.event else frozenset({"message"})
        if section.format == "text":
            return
        if not section.delta:
            self._blame("stream.delta", "say where the new piece of the answer stands: delta")
        if not section.done and not response.tells_end:
            what = "say how the stream ends: stream.done, or response.finish_reason"
            self._blame("stream", what)

    def is_stream(self, headers: Mapping[str, str]) -> bool:
        """Return whether a response is a stream: no whole answer, and no web page."""
        return self._section.format != "sse" or _content_type(headers) not in _WHOLE

    async def read(
        self,
        chunks: AsyncIterator[bytes],
        headers: Mapping[str, str],
        *,
        began: float,
        keeps_raw: bool,
    ) -> tuple[ChatResponse, Mapping[str, Any]]:
        """Read a stream to its end.

        Args:
            chunks: Bytes as they come; characters may be split between them.
            headers: Headers of the response. With format text, Content-Type tells whether the
                text comes in server-sent events.
            began: Time at which the request was sent, on the monotonic clock.
            keeps_raw: Whether the events are kept.

        Returns:
            Answer, and values to keep for the next turn.

        Raises:
            BackendError: With the text so far as `partial_text`: `bad_response` if the stream
                ended early or does not fit, or the error of an event.
        """
        answer = _Answer(began, StreamTexts(is_cumulative=bool(self._section.cumulative)))
        try:
            async with aclosing(self._pieces(chunks, _content_type(headers))) as pieces:
                has_end = await self._read_all(pieces, answer, keeps_raw)
            if answer.calls:
                answer.facts["tool_calls"] = read_calls(answer.calls, "options.response.tool_calls")
            self._refuse_half(answer, has_end=has_end)
            self._refuse_misread(answer.texts)
        except BackendError as error:
            error.partial_text = answer.text or error.partial_text
            raise
        facts = {**answer.facts, "ttft_ms": answer.first_ms}
        facts["headers"] = kept_headers(headers)
        if keeps_raw:
            facts["raw"] = answer.events
        return make_response(answer.text, facts), answer.session

    async def _read_all(
        self, pieces: AsyncIterator[Event | str], answer: _Answer, keeps_raw: bool
    ) -> bool:
        """Read all pieces, and return whether the stream came to its end."""
        has_events = False
        async for piece in pieces:
            if isinstance(piece, str):
                answer.add_chunk(piece)
                continue
            has_events = True
            if self._is_end(piece) or self._take(piece, answer, keeps_raw):
                return True
        return self._section.format == "text" and not (has_events and self._section.done)

    async def _pieces(
        self, chunks: AsyncIterator[bytes], content_type: str
    ) -> AsyncGenerator[Event | str]:
        match self._section.format:
            case "sse":
                async for event in read_events(chunks):
                    yield event
            case "ndjson":
                async for line in read_lines(chunks):
                    if line.strip():
                        yield Event("message", line)
            case "text" if content_type.startswith("text/event-stream"):
                async for event in read_events(chunks):
                    yield event
            case "text":
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                async for chunk in chunks:
                    yield decoder.decode(chunk)
                yield decoder.decode(b"", final=True)

    def _is_end(self, event: Event) -> bool:
        done = self._section.done
        return bool(done) and (event.data.strip() == done or event.event == done)

    def _take(self, event: Event, answer: _Answer, keeps_raw: bool) -> bool:
        """Read an event, and return whether it is the last."""
        if event.event == "error" and "error" not in self._events:
            values = _json_or_text(event.data)
            raise answered_error(200, {}, values if tells_error(values) else {"error": values})
        if not (self._events & {event.event, "*"}):
            if len(answer.passed) < _MOST_KINDS:
                answer.passed.add(event.event)
            return False
        if self._section.format == "text":
            answer.add(event.data)
            return False
        if not event.data.strip():
            return False  # keeps the connection alive
        values = _parsed(event.data)
        if keeps_raw:
            answer.events.append(values)
        error = self._error(values) if self._error else None
        if error or (isinstance(values, dict) and values.get("object") == "error"):
            raise answered_error(200, {}, {"error": error or values})
        self._take_delta(values, answer)
        return self._done is not None and self._done(values) is True

    def _take_delta(self, values: Any, answer: _Answer) -> None:
        answer.last = values
        found = self._delta(values) if self._delta else None
        if found is not None:
            answer.add(read_text(found, "options.stream.delta"))
        calls = self._response.find_calls(values)
        if calls:
            answer.touch()
            add_calls(answer.calls, calls)
        answer.facts.update(self._response.read_facts(values, but="tool_calls"))
        answer.session.update(self._response.read_session(values))

    def _refuse_half(self, answer: _Answer, *, has_end: bool) -> None:
        if answer.last is None and answer.passed and not answer.text:
            raise self._missing_delta(answer)
        if not (has_end or "finish_reason" in answer.facts):
            what = "the stream ended early"
            raise BackendError(ErrorKind.BAD_RESPONSE, what, retryable=True)
        if not (answer.found_delta or answer.facts.keys() & INSTEAD_OF_TEXT):
            raise self._missing_delta(answer)

    def _refuse_misread(self, texts: StreamTexts) -> None:
        """Refuse texts that contradict the config: joined they would be another answer."""
        option, is_cumulative = "options.stream.cumulative", self._section.cumulative
        if is_cumulative is None and texts.look_cumulative:
            what = "each event of the stream holds the text so far, not a new piece of it"
            hint = "set stream.cumulative: true; or false, if it only looks so"
            raise bad_response(what, option, hint=hint)
        if is_cumulative and texts.look_like_pieces:
            what = "no event of the stream holds the text before it"
            raise bad_response(what, option, hint="leave stream.cumulative out")

    def _missing_delta(self, answer: _Answer) -> BackendError:
        if answer.last is None and answer.passed:
            kinds = shown_keys(dict.fromkeys(sorted(answer.passed)))
            what = f"the stream has events of another type only: {kinds}"
            hint = "name those that count: stream.event"
            return bad_response(what, "options.stream.event", hint=hint)
        what = f'stream.delta "{self._section.delta}" found nothing'
        if not isinstance(answer.last, dict):
            what += " in the stream" if answer.last is not None else "; no event came"
            return bad_response(what, "options.stream.delta")
        what += f"; the last event has: {shown_keys(answer.last)}"
        better = likely_path(answer.last, self._section.delta)
        advice = f"try '{better}'" if better else None
        return bad_response(what, "options.stream.delta", hint=advice, sent=answer.last)

    def _blame(self, key: str, what: str) -> None:
        self.problems.append(Problem(what=what, where=Where(key=f"options.{key}")))


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _parsed(data: str) -> Any:
    try:
        return parse(data)
    except (ValueError, RecursionError):
        what = f"an event is no JSON: {data[:_MOST_OF_EVENT]}"
        hint = "if the text itself is sent, set stream.format: text"
        raise BackendError(ErrorKind.BAD_RESPONSE, what, retryable=True, hint=hint) from None


def _json_or_text(data: str) -> Any:
    try:
        return parse(data)
    except (ValueError, RecursionError):
        return data


def _path_or_none(path: str) -> Path | None:
    """Compile a path; None for a plain word, as [DONE]."""
    try:
        return compile_path(path) if path else None
    except ValueError:
        return None
