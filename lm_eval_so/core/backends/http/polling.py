"""Answers that are not in the first response: asked for until they are there."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lm_eval_so.core.backends.faults import answered_error, http_error, retry_after_s, tells_error
from lm_eval_so.core.backends.http.address import Step, Tell, same_host
from lm_eval_so.core.backends.http.conversation import ANSWER, NAMES
from lm_eval_so.core.backends.http.options import HttpOptions, PollSection
from lm_eval_so.core.backends.http.reading.mapping import ResponseMapping, has_told
from lm_eval_so.core.backends.http.reading.paths import likely_path
from lm_eval_so.core.backends.http.reading.readers import bad_response, json_of
from lm_eval_so.core.backends.http.template import LONE, HeaderTemplates, RequestTemplate
from lm_eval_so.core.backends.shared_options import HttpRequest, Wire
from lm_eval_so.core.http.client import HttpAnswer
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_LOCATIONS = ("location", "operation-location", "azure-asyncoperation")
"""Headers that tell where an answer will be: RFC 9110 §15.3.3, and Azure's."""
_SEE_OTHER = frozenset({302, 303})
_URL = "options.poll.url"
_MOST_FAULTS = 3
"""Polls that may fail one after another before the answer is given up: it is paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that was sent, and whose answer is waited for."""

    url: str
    """Address that it was sent to."""
    values: Mapping[str, Any]
    """Values of the names that templates use."""
    until: float
    """Time until which its answer is waited for, on the monotonic clock."""
    limit_s: float
    """The same as the seconds of an attempt, for people."""
    is_heard: bool
    """Whether another attempt would reach a conversation that has heard it."""
    told: Tell
    """Puts errors into words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """An answer that was waited for."""

    answer: HttpAnswer
    url: str
    """Address that gave it."""
    since: float
    """Time at which it was first there, on the monotonic clock."""


@dataclass(slots=True, kw_only=True)
class _Wait:
    """State of a wait for an answer."""

    asked: HttpRequest
    last: Any
    """The last response; None if it was no JSON."""
    polls: int = 0
    faults: int = 0
    """Polls that failed, one after another."""
    has_moved: bool = False
    found: Any = None
    """Part of the answer that is there so far."""
    polled: Polled | None = None
    """The answer, while it may still change."""


class Polling:
    """The request that is repeated until an answer is there.

    Attributes:
        template: The request.
        problems: Problems of its template and paths.
    """

    def __init__(
        self, options: HttpOptions, headers: HeaderTemplates, mapping: ResponseMapping
    ) -> None:
        section = options.poll or PollSection()
        self._section = section
        self._ok_status = frozenset(options.ok_status)
        self._mapping = mapping
        self._encoding = options.response.encoding
        self._is_text = options.response.format == "text"
        self.template = RequestTemplate(section, headers, at="options.poll", names={*NAMES, ANSWER})
        self.problems = [*self.template.problems]
        self._until = mapping.compiled(section.until, "options.poll.until")
        self._failed = mapping.compiled(section.failed, "options.poll.failed")
        if self._is_text and (section.until or section.failed):
            what = "with response.format text there is nothing for a path to look through"
            where, hint = Where(key="options.poll"), "leave until and failed out: ok_status decides"
            self.problems.append(Problem(what=what, where=where, hint=hint))

    async def wait(self, first: HttpAnswer, question: Question, wire: Wire) -> Polled:
        """Ask until the answer is there.

        Args:
            first: Response to the question, with a status of 2xx; it may be the answer.
            question: The question.
            wire: Way to the endpoint.

        Raises:
            BackendError: If there is no answer, or none in time; it tells the number of the poll.
        """
        with question.told(Step(is_heard=question.is_heard)):
            if self._find(first):
                return Polled(answer=first, url=question.url, since=time.monotonic())
            last = _json_or_none(first)
            state = _Wait(asked=self._request(first, last, question), last=last)
        pause: float | None = self._pause(first.headers)
        while pause is not None:
            if time.monotonic() + pause >= question.until:
                if state.polled is None:
                    raise self._too_late(state, question)
                return state.polled
            await asyncio.sleep(pause)
            state.polls += 1
            told = f"poll {state.polls} for the answer"
            step = Step(told=told, option=_URL, url=state.asked.url, is_heard=question.is_heard)
            with question.told(step):
                pause = await self._poll(state, wire)
        assert state.polled is not None  # noqa: S101 - there is no pause only then
        return state.polled

    async def _poll(self, state: _Wait, wire: Wire) -> float | None:
        """Ask once, and return the seconds until the next time; None if the answer is there."""
        try:
            answer = await wire.send(state.asked)
            self._refuse_status(answer, state)
        except BackendError as error:
            state.faults += 1
            is_busy = error.kind is ErrorKind.RATE_LIMIT
            if not error.retryable or (state.faults >= _MOST_FAULTS and not is_busy):
                raise
            return max(self._section.every_s, error.retry_after_s or 0.0)
        state.faults = 0
        if answer.status in _SEE_OTHER:
            return 0.0
        state.last = _json_or_none(answer)
        found, now = self._find(answer), time.monotonic()
        if found and (state.polled is None or found != state.found):
            state.found = found
            state.polled = Polled(answer=answer, url=state.asked.url, since=now)
        if found and state.polled and now - state.polled.since >= self._section.settle_s:
            return None
        return self._pause(answer.headers)

    def _find(self, answer: HttpAnswer) -> Any:
        """Return what a response has of the answer; None if it is not there.

        Raises:
            BackendError: If it says that there will be none.
        """
        is_ok = answer.status in self._ok_status
        if self._is_text:
            return answer.body or b" " if is_ok else None
        values = (
            json_of(answer.headers, answer.body, encoding=self._encoding)
            if is_ok
            else _json_or_none(answer)
        )
        if tells_error(values) or (self._failed and self._failed(values)):
            told = values if tells_error(values) else {"error": values}
            raise answered_error(answer.status, answer.headers, told)
        if not is_ok or (self._until and not self._until(values)):
            return None
        return self._mapping.find(values) or (True if self._until else None)

    def _refuse_status(self, answer: HttpAnswer, state: _Wait) -> None:
        """Raise the error of a poll, unless it has an answer, none yet, or tells where it is."""
        status, headers = answer.status, answer.headers
        if 200 <= status < 300 or status in self._ok_status:
            return
        if status in _SEE_OTHER and "location" in headers and not state.has_moved:
            state.has_moved = True
            moved = same_host(headers["location"], state.asked.url)
            state.asked = replace(state.asked, method="GET", url=moved, body=None)
            return
        raise http_error(status, headers, answer.body, option="poll.url")

    def _request(self, first: HttpAnswer, values: Any, question: Question) -> HttpRequest:
        """Return the request that asks for the answer."""
        asked = self.template.fill({**question.values, ANSWER: values})
        if self._section.url and not LONE.fullmatch(self._section.url):
            return asked
        told = asked.url or next((v for n in _LOCATIONS if (v := first.headers.get(n))), None)
        if told is None:
            what = "the answer is not in the first response, and that has no header Location"
            hint = "say where it will be: poll.url; or what it looks like: response, poll.until"
            raise bad_response(what, _URL, hint=hint, sent=values)
        return replace(asked, url=same_host(told, question.url))

    def _pause(self, headers: Mapping[str, str]) -> float:
        return max(self._section.every_s, retry_after_s(headers) or 0.0)

    def _too_late(self, state: _Wait, question: Question) -> BackendError:
        polls = "1 poll" if state.polls == 1 else f"{state.polls} polls"
        what = f"no answer within {question.limit_s:g} s, after {polls}"
        if state.last is not None:
            what += f"; the last response {has_told(state.last)}"
        better = None if self._until else likely_path(state.last, "")
        hint = f"if the answer was there, response.text does not find it; try '{better}'"
        return BackendError(
            ErrorKind.TIMEOUT,
            what,
            retryable=True,
            hint=hint if better else None,
            taken_in=True,
        )


def _json_or_none(answer: HttpAnswer) -> Any:
    try:
        return json_of(answer.headers, answer.body)
    except BackendError:
        return None
