"""Templates of an HTTP request: URL, query, headers and body, tried before anything is asked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from lm_eval_so.core.backends.http.conversation import (
    ANSWER,
    NAMES,
    Surroundings,
    names_of,
)
from lm_eval_so.core.backends.http.options import HttpOptions, PollSection, SessionSection
from lm_eval_so.core.backends.http.reading.readers import option_error
from lm_eval_so.core.backends.shared_options import HttpRequest
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.templates.user import TemplateFault, UserTemplate, to_json
from lm_eval_so.errors import BackendError, Problem, Where

_CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}
TEMPLATE = re.compile(r"\{[{%#]")
"""Beginning of a template."""
LONE = re.compile(r"\s*\{\{[^{}]*\}\}\s*")
"""A template that is one expression alone."""
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that neither a header nor an address may hold."""
_JSON_HINT = 'write | tojson, without quotes around it: {"message": {{ last_user | tojson }}}'
_PLAIN = "a"
_NASTY = 'a "quote", a \\ and\na line end'


@dataclass(frozen=True, slots=True)
class Piece:
    """A template, and the option that it stands in."""

    key: str
    source: str
    template: UserTemplate

    def fill(self, values: Mapping[str, Any]) -> Any:
        """Fill it in.

        Raises:
            BackendError: `invalid_request`, naming the option.
        """
        try:
            return self.template.render(values)
        except TemplateFault as fault:
            raise option_error(self.key, f"{self.key}: {told(fault)}") from None

    def is_right(self, values: Mapping[str, Any]) -> bool:
        """Return whether it can be filled in."""
        try:
            self.template.render(values)
        except TemplateFault:
            return False
        return True


def told(fault: TemplateFault) -> str:
    """Return the text about a wrong template, with the line if it is not the first."""
    return f"line {fault.line} of the template: {fault}" if (fault.line or 1) > 1 else str(fault)


class _Templates:
    """Templates of some options, compiled once.

    Args:
        names: Names that they may use.

    Attributes:
        pieces: All templates.
        problems: Problems of the templates; with any, nothing can be filled in.
    """

    def __init__(self, names: Iterable[str] = NAMES) -> None:
        self.problems: list[Problem] = []
        self.pieces: list[Piece] = []
        self._known = frozenset(names)

    @property
    def names(self) -> frozenset[str]:
        """The names that the templates use."""
        return frozenset(name for piece in self.pieces for name in piece.template.names)

    def _compiled(self, text: str, key: str, **how: Any) -> Any:
        """Return the piece of a text that is a template, else the text."""
        if not TEMPLATE.search(text):
            return text
        try:
            piece = Piece(key, text, UserTemplate(text, known=self._known, **how))
        except TemplateFault as fault:
            self._blame(key, told(fault))
            return text
        self.pieces.append(piece)
        return piece

    def _compiled_tree(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self._compiled(value, key, keeps_type=True)
        if isinstance(value, list):
            return [self._compiled_tree(v, f"{key}.{i}") for i, v in enumerate(value)]
        if not isinstance(value, dict):
            return value
        for name in value:
            if TEMPLATE.search(name):
                self._blame(key, f'the key "{name}" is a template; only values can be')
        return {name: self._compiled_tree(v, f"{key}.{name}") for name, v in value.items()}

    def _blame(self, key: str, what: str) -> None:
        self.problems.append(Problem(what=what, where=Where(key=key)))


class HeaderTemplates(_Templates):
    """Headers of all requests.

    Args:
        headers: The headers; values are templates.
        secret: Names of the headers that are no templates, and go over those.
    """

    def __init__(self, headers: Mapping[str, str], *, secret: Iterable[str]) -> None:
        super().__init__()
        self.given = frozenset(name.lower() for name in (*headers, *secret))
        """Names of the headers, in lower case."""
        self._values: dict[str, Any] = {}
        for name, value in headers.items():
            self._values[name] = self._compiled(value, f"options.headers.{name}")
            if CONTROL.search(value):
                self._blame(f"options.headers.{name}", "a header has no line ends")

    def fill(self, values: Mapping[str, Any], *, opens: bool = False) -> dict[str, str]:
        """Make the headers.

        Args:
            values: JSON values by name.
            opens: Whether the session is not open yet, so that a header that needs it is left out.

        Raises:
            BackendError: `invalid_request`, naming the option, if something is missing or does
                not fit.
        """
        found = {}
        for name, value in self._values.items():
            if opens and isinstance(value, Piece) and not value.is_right(values):
                continue
            text = found[name] = _filled(value, values)
            if CONTROL.search(text):
                key = f"options.headers.{name}"
                raise option_error(key, f"{key} comes to a text with line ends")
        return found


class RequestTemplate(_Templates):
    """The templates of a request.

    Args:
        section: Options of the request.
        headers: Headers of all requests.
        at: Key of the options.
        names: Names that the templates may use.
    """

    def __init__(
        self,
        section: HttpOptions | SessionSection | PollSection,
        headers: HeaderTemplates,
        *,
        at: str = "options",
        names: Iterable[str] = NAMES,
    ) -> None:
        super().__init__(names)
        body, self._at = section.body, at
        self._content_type = section.content_type
        self._method = section.method.upper()
        self._opens = isinstance(section, SessionSection)
        self._headers = headers
        self._own_headers = {}
        if body is not None and "content-type" not in headers.given:
            self._own_headers = {"Content-Type": _CONTENT_TYPES[section.content_type]}
        how = {"keeps_type": True} if LONE.fullmatch(section.url) else {"escape": _escaped}
        self._url = self._compiled(section.url, f"{at}.url", **how)
        query = section.query if isinstance(section, HttpOptions) else {}
        self._query = self._compiled_tree(query, f"{at}.query")
        is_text = isinstance(body, str)
        self._body = (
            self._compiled(str(body), f"{at}.body")
            if is_text
            else self._compiled_tree(body, f"{at}.body")
        )
        if section.content_type == "text" and not (is_text or body is None):
            self._blame(f"{at}.body", "with content_type text the body is a text")
        if section.content_type == "form" and isinstance(body, list):
            self._blame(f"{at}.body", "a form is a mapping or a text")

    @property
    def all_pieces(self) -> list[Piece]:
        """The templates of the request, its headers included where they must be right."""
        return [*self.pieces, *([] if self._opens else self._headers.pieces)]

    @property
    def all_names(self) -> frozenset[str]:
        """The names that the request uses, its headers included."""
        return self.names | self._headers.names

    def fill(self, values: Mapping[str, Any]) -> HttpRequest:
        """Make the request.

        Raises:
            BackendError: `invalid_request`, naming the option, if something is missing or does
                not fit.
        """
        url = _filled(self._url, values)
        if not isinstance(url, str) or CONTROL.search(url):
            key = f"{self._at}.url"
            raise option_error(key, f"{key} comes to something that is no address")
        if self._query:
            pairs = list(_pairs(_filled(self._query, values), f"{self._at}.query"))
            url += ("&" if "?" in url else "?") + urlencode(pairs, quote_via=quote)
        headers = {**self._own_headers, **self._headers.fill(values, opens=self._opens)}
        body = None if self._body is None else utf8(self._filled_body(values))
        return HttpRequest(self._method, url, headers, body)

    def _filled_body(self, values: Mapping[str, Any]) -> str:
        body = _filled(self._body, values)
        if self._content_type == "form" and isinstance(body, dict):
            return urlencode(list(_pairs(body, f"{self._at}.body")))
        if self._content_type != "json":
            return str(body)
        if not isinstance(self._body, Piece | str):
            return to_json(body)
        try:
            json.loads(body)
        except (ValueError, RecursionError) as error:
            what = f"the body does not come to JSON: {error}"
            raise option_error(f"{self._at}.body", what, hint=_JSON_HINT) from None
        return str(body)


def utf8(text: str) -> bytes:
    """Return a text in UTF-8; half a surrogate pair becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, Piece):
        return part.fill(values)
    if isinstance(part, dict):
        return {name: _filled(value, values) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    return part


def _pairs(values: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict | list):
                raise option_error(f"{key}.{name}", f"{key}.{name} comes to a mapping, not a text")
            if each is not None:
                text = each if isinstance(each, str) else to_json(each)
                yield name, utf8(text).decode()


def _escaped(text: str) -> str:
    return quote(utf8(text), safe="")


class _AnyMetadata(dict[str, str]):
    """A sample's metadata with a text under every key: which keys there are is not known yet."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return _NASTY


def probe(
    template: RequestTemplate,
    *,
    params: Mapping[str, JsonValue],
    env: Mapping[str, str],
    taken: Iterable[str] = (),
    kept: Iterable[str] = (),
) -> list[Problem]:
    """Find mistakes on which requests would fail.

    Args:
        template: Templates without problems.
        params: The parameters of the config.
        env: The variables that templates may use.
        taken: Names of the session that are there before the request.
        kept: Names that responses give to the session.
    """
    first = dict.fromkeys(("id", *taken), _PLAIN)
    later = {**first, **dict.fromkeys(kept, _PLAIN)}
    for text in (_PLAIN, _NASTY):
        for session in (first, later):
            request = _request(text, params, turn=int(session is later))
            wanted = template.all_names - {ANSWER}
            values = names_of(request, Surroundings(session, env), wanted)
            problems = list(_faults(template.all_pieces, values, later))
            if problems or ANSWER in template.names:
                return problems
            problem = _whole_fault(template, values, text)
            if problem:
                return [problem]
    return []


def _faults(
    pieces: list[Piece], values: Mapping[str, Any], later: Mapping[str, Any]
) -> Iterator[Problem]:
    for piece in pieces:
        try:
            piece.template.render(values)
        except TemplateFault as fault:
            if "metadata" in piece.source or ANSWER in piece.template.names:
                continue  # may be right for what a sample has there, or a response
            hint = None
            if piece.is_right({**values, "session": later}):
                hint = "it is there from the second turn on; write | default('') behind it"
            yield Problem(what=told(fault), where=Where(key=piece.key), hint=hint)


def _whole_fault(template: RequestTemplate, values: Mapping[str, Any], text: str) -> Problem | None:
    try:
        template.fill(values)
    except BackendError as error:
        key = str(error.details["option"])
        if not key.endswith(".body") and text == _NASTY:
            return None  # a header with a line end is told by the row that has one
        if error.hint is None:
            return None  # a template that needs a sample's metadata
        when = " if a text has quotes or line ends in it" if text == _NASTY else ""
        what = error.message.replace(":", f"{when}:", 1)
        return Problem(what=what, where=Where(key=key), hint=error.hint)
    return None


def _request(text: str, params: Mapping[str, JsonValue], *, turn: int) -> ChatRequest:
    user = Message(role="user", content=text)
    earlier = (user, Message(role="assistant", content=text)) if turn else ()
    facts: dict[str, Any] = {"tags": [text], "language": "ko", "metadata": _AnyMetadata()}
    return ChatRequest(
        messages=(*earlier, user),
        system=text if turn else None,
        params=params,
        seed=1,
        session="a",
        sample_id="a",
        turn=turn,
        idempotency_key="a",
        metadata=facts,
    )
