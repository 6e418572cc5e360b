"""The requests that make one answer: those that open its session, the question, and polls."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lm_eval_so.core.backends.http.address import Address, Step, absolute, in_our_words
from lm_eval_so.core.backends.http.conversation import ANSWER, Conversation, Surroundings, names_of
from lm_eval_so.core.backends.http.opening import Openings, redactor_of, without_secrets
from lm_eval_so.core.backends.http.options import HttpOptions, StreamSection
from lm_eval_so.core.backends.http.polling import Polling, Question
from lm_eval_so.core.backends.http.reading.mapping import ResponseMapping
from lm_eval_so.core.backends.http.reading.stream import StreamMapping
from lm_eval_so.core.backends.http.template import HeaderTemplates, RequestTemplate, probe
from lm_eval_so.core.backends.shared_options import HttpRequest, Wire
from lm_eval_so.core.http.client import HttpAnswer
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, Problem

_Read = tuple[ChatResponse, Mapping[str, Any]]
"""A response, and values to keep for the next turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms on which a request is asked."""

    wire: Wire
    """Way to the endpoint."""
    limit_s: float
    """Seconds that an attempt may take."""
    keeps_raw: bool = False
    """Whether the response is kept as it came."""
    streams: bool = False
    """Whether the answer is to be streamed."""


class Dialogue:
    """The requests of one endpoint, with templates and paths compiled once.

    Attributes:
        streams: The reading of a streamed answer; None if there is none.
        names: The names that the templates use.
    """

    def __init__(self, options: HttpOptions, address: Address) -> None:
        at = _with_addresses(options, address.url)
        headers = HeaderTemplates(options.headers, secret=address.headers)
        self._address = address
        self._is_stateful = options.history == "stateful"
        self._headers = headers
        self._template = RequestTemplate(at, headers)
        self._openings = Openings(at, headers)
        self._mapping = ResponseMapping(options)
        self.streams: StreamMapping | None = None
        if isinstance(options.stream, StreamSection):
            self.streams = StreamMapping(options.stream, self._mapping)
        self._polling = Polling(at, headers, self._mapping) if options.poll else None
        polled = self._polling.template.names - {ANSWER} if self._polling else frozenset[str]()
        self._names = self._template.all_names | polled
        self.names = self._names | self._openings.names

    def problems(self) -> Iterator[Problem]:
        """Find wrong templates and paths."""
        yield from (*self._template.problems, *self._headers.problems, *self._openings.problems)
        # the poll's paths are compiled by the mapping, which tells their problems
        yield from self._polling.problems if self._polling else ()
        yield from self._mapping.problems
        yield from self.streams.problems if self.streams else ()

    def probe(self, options: HttpOptions, *, params: Mapping[str, Any]) -> Iterator[Problem]:
        """Find mistakes on which requests would fail; there are no problems."""
        env, taken = self._address.env, options.taken
        kept = (*options.response.session, *options.response.session_headers)
        yield from self._openings.probe(params=params, env=env)
        for each in (self._template, self._polling and self._polling.template):
            if each:
                yield from probe(each, params=params, env=env, taken=taken, kept=kept)

    async def ask(self, request: ChatRequest, conversation: Conversation, terms: Terms) -> _Read:
        """Make one attempt.

        Args:
            request: The request.
            conversation: Conversation of the request, whose session is opened if it is not.
            terms: Terms on which it is asked.

        Raises:
            BackendError: In our words, naming the request that failed if it is not the question.
        """
        until = time.monotonic() + terms.limit_s
        taken = dict(conversation.opened or {})
        told = partial(self._told, taken, terms.wire)
        around = Surroundings(
            conversation.values(),
            self._address.env,
            is_known=self._is_stateful and request.turn > 0,
            streams=terms.streams,
        )
        if self._openings and conversation.opened is None:
            values = names_of(request, around, self._openings.names | {"session"})
            await self._openings.open(terms.wire, values, taken, told)
            conversation.opened = taken
            around = replace(around, session=conversation.values())
        # another attempt opens a session of its own, in which nobody has heard the question
        is_fresh = bool(self._openings) and not around.is_known
        values, sent_at = names_of(request, around, self._names), time.monotonic()
        try:  # a context manager costs a hundredth of what a row does
            asked = self._template.fill(values)
            if terms.streams:
                response, kept = await self._streamed(asked, terms)
                return self._finished(response, time.monotonic() - sent_at, taken), kept
            first, since = await terms.wire.send(asked), time.monotonic()
            if not (self._polling and 200 <= first.status < 300):
                response, kept = self._read(first, asked.url, terms)
                return self._finished(response, since - sent_at, taken), kept
        except BackendError as error:
            step = Step(is_heard=False if is_fresh else None)
            raise self._in_our_words(error, step, taken, terms.wire) from None
        question = Question(
            url=asked.url,
            values=values,
            until=until,
            limit_s=terms.limit_s,
            is_heard=not is_fresh,
            told=told,
        )
        got = await self._polling.wait(first, question, terms.wire)
        before = self._mapping.read_kept(first)
        with told(Step(is_heard=question.is_heard)):
            response, kept = self._read(got.answer, got.url, terms)
        return self._finished(response, got.since - sent_at, taken), {**before, **kept}

    def _read(self, answer: HttpAnswer, url: str, terms: Terms) -> _Read:
        return self._mapping.read_answer(answer, url, keeps_raw=terms.keeps_raw)

    def _finished(
        self, response: ChatResponse, took_s: float, taken: Mapping[str, Any]
    ) -> ChatResponse:
        """Return a response without secrets of its session, with its latency if the attempt took longer."""
        if not (self._openings or self._polling):
            return response
        latency_ms = round(took_s * 1000, 1)
        return replace(without_secrets(response, taken), latency_ms=latency_ms)

    async def _streamed(self, asked: HttpRequest, terms: Terms) -> _Read:
        assert self.streams is not None  # noqa: S101 - asked only then
        began, mapping, keeps_raw = time.monotonic(), self._mapping, terms.keeps_raw
        async with terms.wire.stream(asked) as stream:
            if not (mapping.is_answer(stream.status) and self.streams.is_stream(stream.headers)):
                answer = HttpAnswer(stream.status, stream.headers, await stream.read())
                return self._read(answer, asked.url, terms)
            response, kept = await self.streams.read(
                aiter(stream), stream.headers, began=began, keeps_raw=keeps_raw
            )
            return response, {**kept, **mapping.read_session_headers(stream.headers)}

    @contextmanager
    def _told(self, taken: Mapping[str, Any], wire: Wire, step: Step) -> Iterator[None]:
        """Put errors inside into words, as those of a request."""
        try:
            yield
        except BackendError as error:
            raise self._in_our_words(error, step, taken, wire) from None

    def _in_our_words(
        self, error: BackendError, step: Step, taken: Mapping[str, Any], wire: Wire
    ) -> BackendError:
        learned = wire.learned.joined(redactor_of(taken))
        return in_our_words(error, self._address, step, learned=learned)


def _with_addresses(options: HttpOptions, url: str) -> HttpOptions:
    """Return options whose addresses are whole, and hold no user and password.

    Args:
        options: The options as they are written.
        url: Address of the question.
    """

    def whole(section: Any) -> Any:
        return section.model_copy(update={"url": absolute(section.url, url)})

    session, poll = options.session, options.poll
    opens = (
        [whole(each) for each in session]
        if isinstance(session, list)
        else session and whole(session)
    )
    return options.model_copy(update={"url": url, "session": opens, "poll": poll and whole(poll)})
