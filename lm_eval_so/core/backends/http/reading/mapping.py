"""Responses of a team's own endpoint as `ChatResponse`."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin

from lm_eval_so.core.backends.faults import answered_error, http_error, tells_error
from lm_eval_so.core.backends.http.options import HttpOptions
from lm_eval_so.core.backends.http.reading.paths import (
    Path,
    compile_path,
    is_over_empty,
    likely_path,
    shown_keys,
)
from lm_eval_so.core.backends.http.reading.readers import (
    bad_response,
    is_encoding,
    json_of,
    option_error,
    read_calls,
    read_count,
    read_text,
    read_texts,
    text_of,
)
from lm_eval_so.core.http.client import HttpAnswer, kept_headers
from lm_eval_so.core.records.chat import ChatResponse, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError, Problem, Where

_RESPONSE = "options.response."
_ACCEPTED = 202
INSTEAD_OF_TEXT = frozenset({"tool_calls", "refusal", "status"})
"""Facts of a response that may have no text."""


class ResponseMapping:
    """Paths of a response, compiled once.

    Attributes:
        problems: Problems of the paths; with any, nothing can be read.
    """

    def __init__(self, options: HttpOptions) -> None:
        self.problems: list[Problem] = []
        response, status = options.response, options.status
        self._section = response
        self._ok_status = frozenset(options.ok_status)
        self._tells_status = bool(status.refused or status.filtered)
        if response.encoding and not is_encoding(response.encoding):
            what, key = f'no encoding "{response.encoding}"', "options.response.encoding"
            self.problems.append(Problem(what=what, where=Where(key=key)))
        self._text_path = self.compiled(response.text, "options.response.text")
        self._facts = [
            (name, path, read)
            for name, read in _READERS.items()
            if (path := self.compiled(getattr(response, name), f"options.response.{name}"))
        ]
        session = {
            name: self.compiled(path, f"options.response.session.{name}")
            for name, path in response.session.items()
        }
        self._session = {name: path for name, path in session.items() if path}
        refused = self.compiled(status.refused, "options.status.refused")
        filtered = self.compiled(status.filtered, "options.status.filtered")
        statuses = ((RunStatus.REFUSED, refused), (RunStatus.FILTERED, filtered))
        self._statuses = [(each, path) for each, path in statuses if path]

    def compiled(self, path: str, key: str) -> Path | None:
        """Compile a path of the config; None for "" and for one that is a problem."""
        try:
            return compile_path(path) if path else None
        except ValueError as error:
            self.problems.append(Problem(what=str(error), where=Where(key=key)))
            return None

    def is_answer(self, status: int) -> bool:
        """Return whether a status code is that of an answer."""
        return status in self._ok_status

    def read_answer(
        self, answer: HttpAnswer, url: str, *, keeps_raw: bool
    ) -> tuple[ChatResponse, Mapping[str, Any]]:
        """Read a response that came whole.

        Args:
            answer: Response.
            url: Address that was asked.
            keeps_raw: Whether its body is kept.

        Returns:
            Response, and values to keep for the next turn.

        Raises:
            BackendError: If its status is not that of an answer, or its body does not fit.
        """
        section, headers = self._section, answer.headers
        if answer.status not in self._ok_status:
            return self._unusual(answer, url), {}
        more: dict[str, Any] = {"headers": kept_headers(headers)}
        kept = self.read_session_headers(headers) if section.session_headers else {}
        if section.format == "text":
            text = text_of(headers, answer.body, encoding=section.encoding)
            return ChatResponse(text=text, **more), kept
        values = json_of(headers, answer.body, encoding=section.encoding)
        if not section.text:
            kind = headers.get("content-type", "a response without Content-Type")
            raise bad_response(f"no stream came, but {kind}", "options.stream", sent=values)
        if keeps_raw:
            more["raw"] = values
        try:
            response = self.read(values, **more)
        except BackendError:
            if tells_error(values):
                raise answered_error(answer.status, headers, values) from None
            raise
        return response, {**kept, **self.read_session(values)} if self._session else kept

    def read(self, values: Any, **more: Any) -> ChatResponse:
        """Read a response that came whole.

        Args:
            values: Body.
            more: Other fields of the response: headers, raw.

        Raises:
            BackendError: `bad_response` if there is no text where it should be, or something has
                another type than it should. An empty list of texts is the answer of a chatbot
                that says nothing.
        """
        facts = self.read_facts(values)
        found = self._text_path(values) if self._text_path else None
        if found is None or found == []:
            is_silent = not tells_error(values) and is_over_empty(self._section.text, values)
            if not (is_silent or facts.keys() & INSTEAD_OF_TEXT):
                raise self._missing_text(values)
            found = ""
        return make_response(read_text(found, _RESPONSE + "text"), {**facts, **more})

    def find(self, values: Any) -> Any:
        """Return what a response has of an answer: its text as it stands there, or another sign.

        None if nothing is there yet.
        """
        found = self._text_path(values) if self._text_path else None
        if found:
            return found
        facts = self.read_facts(values)
        return next((facts[name] for name in INSTEAD_OF_TEXT if name in facts), None)

    def read_facts(self, values: Any, *, but: str = "") -> dict[str, Any]:
        """Return the facts of a response, or of an event of a stream, besides the text.

        Args:
            values: The response or event.
            but: A field that is left out.

        Raises:
            BackendError: `bad_response` if something has another type than it should.
        """
        facts: dict[str, Any] = {}
        for name, path, read in self._facts:
            found = path(values) if name != but else None
            value = None if found is None else read(found, _RESPONSE + name)
            if value or value == 0:
                facts[name] = value
        status = self.read_status(values) if self._statuses else None
        if status is not None:
            facts["status"] = status
        return facts

    def read_status(self, values: Any) -> RunStatus | None:
        """Return the status that a response tells of itself; None if it tells none."""
        return next((status for status, path in self._statuses if path(values) is True), None)

    def find_calls(self, values: Any) -> Any:
        """Return the tool calls of an event as they stand there; None if there are none."""
        return next((path(values) for name, path, _ in self._facts if name == "tool_calls"), None)

    def read_session(self, values: Any) -> dict[str, Any]:
        """Return the values of a response that are kept for the next turn."""
        found = {name: path(values) for name, path in self._session.items()}
        return {name: value for name, value in found.items() if value is not None}

    def read_kept(self, answer: HttpAnswer) -> dict[str, Any]:
        """Return what is kept of a response before the answer, as far as it is there."""
        try:
            values = json_of(answer.headers, answer.body) if self._session else None
        except BackendError:
            values = None
        return {**self.read_session_headers(answer.headers), **self.read_session(values)}

    @property
    def tells_end(self) -> bool:
        """Return whether a finish reason is looked for."""
        return bool(self._section.finish_reason)

    def read_session_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a response that are kept for the next turn."""
        return header_values(self._section.session_headers, headers)

    def _unusual(self, answer: HttpAnswer, url: str) -> ChatResponse:
        """Read a response with another status: a refusal that its body tells of, or an error."""
        if self._tells_status:
            try:
                values = json_of(answer.headers, answer.body)
            except BackendError:
                values = None
            if self.read_status(values) is not None:
                return self.read(values)
        if 200 <= answer.status < 300:
            what = f"status {answer.status} is not among ok_status"
            hint = "add it if such a response is an answer"
            if answer.status == _ACCEPTED:
                hint += "; if the answer comes later, options.poll asks for it"
            error = option_error("options.ok_status", what, hint=hint)
            error.http_status = answer.status
            raise error
        headers = dict(answer.headers)
        if "location" in headers:
            headers["location"] = urljoin(url, headers["location"])
        raise http_error(answer.status, headers, answer.body, option="url")

    def _missing_text(self, values: Any) -> BackendError:
        path = self._section.text
        what = f'response.text "{path}" found nothing; the response {has_told(values)}'
        better = likely_path(values, path)
        return bad_response(
            what, _RESPONSE + "text", hint=f"try '{better}'" if better else None, sent=values
        )


def header_values(names: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Return values of headers that are sent back; of a cookie only name=value.

    Args:
        names: Headers by the names of the values.
        headers: Headers of a response; names in lower case.
    """
    found = {}
    for name, header in names.items():
        value = headers.get(header.lower())
        if value:
            is_cookie = header.lower() == "set-cookie"
            found[name] = value.partition(";")[0] if is_cookie else value
    return found


def has_told(values: Any) -> str:
    """Say what a response has, for an error about a path that finds nothing."""
    if isinstance(values, dict):
        return f"has: {shown_keys(values)}" if values else "is an empty mapping"
    return "is a list" if isinstance(values, list) else "is one value"


def make_response(text: str, facts: Mapping[str, Any]) -> ChatResponse:
    """Return a response of its text and its facts."""
    rest = dict(facts)
    usage = Usage(**{name: rest.pop(name, None) for name in _COUNTS})
    return ChatResponse(text=text, usage=usage, **rest)


_COUNTS = ("input_tokens", "output_tokens")
_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "tool_calls": read_calls,
    "finish_reason": read_text,
    "refusal": read_text,
    "reasoning": read_text,
    "model": read_text,
    "context": read_texts,
    "context_ids": read_texts,
    **dict.fromkeys(_COUNTS, read_count),
}
"""Functions that read the facts of a response."""
