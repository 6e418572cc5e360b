"""Templates of an HTTP request: URL, query, headers and body, tried before anything is asked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from lm_eval_so.core.backends.http.conversation import NAMES, Surroundings, names_of
from lm_eval_so.core.backends.http.options import HttpOptions
from lm_eval_so.core.backends.http.readers import option_error
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
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that neither a header nor an address may hold."""
_JSON_HINT = 'write | tojson, without quotes around it: {"message": {{ last_user | tojson }}}'
_PLAIN = "a"
_NASTY = 'a "quote", a \\ and\na line end'


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


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


def told(fault: TemplateFault) -> str:
    """Return the text about a wrong template, with the line if it is not the first."""
    return f"line {fault.line} of the template: {fault}" if (fault.line or 1) > 1 else str(fault)


class RequestTemplate:
    """The templates of a request, checked and compiled once.

    Args:
        options: Options of the backend.
        secret_headers: Headers that are no templates; they go over those of the options.

    Attributes:
        pieces: All templates.
        problems: Problems of the templates; with any, nothing can be filled in.
        names: The names that the templates use.
    """

    def __init__(self, options: HttpOptions, *, secret_headers: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._content_type = options.content_type
        self._method = options.method.upper()
        self.pieces: list[Piece] = []
        self._url = self._compiled(options.url, "options.url", escape=_escaped)
        self._query = self._compiled_tree(options.query, "options.query")
        headers = {
            name: self._compiled(value, f"options.headers.{name}")
            for name, value in options.headers.items()
        }
        self._headers = {n: v for n, v in headers.items() if isinstance(v, Piece)}
        fixed = {n: v for n, v in headers.items() if isinstance(v, str)} | dict(secret_headers)
        self._fixed_headers = {**self._own_headers(options, {*headers, *fixed}), **fixed}
        is_text = isinstance(options.body, str)
        self._body = (
            self._compiled(str(options.body), "options.body")
            if is_text
            else self._compiled_tree(options.body, "options.body")
        )
        if options.content_type == "text" and not (is_text or options.body is None):
            self._blame("options.body", "with content_type text the body is a text")
        if options.content_type == "form" and isinstance(options.body, list):
            self._blame("options.body", "a form is a mapping or a text")
        self.names = frozenset(name for piece in self.pieces for name in piece.template.names)

    def fill(self, values: Mapping[str, Any]) -> HttpRequest:
        """Make the request.

        Raises:
            BackendError: `invalid_request`, naming the option, if something is missing or does
                not fit.
        """
        url = _filled(self._url, values)
        if self._query:
            pairs = list(_pairs(_filled(self._query, values), "options.query"))
            url += ("&" if "?" in url else "?") + urlencode(pairs, quote_via=quote)
        headers = self._fixed_headers
        if self._headers:
            headers = {**headers, **dict(self._filled_headers(values))}
        body = None if self._body is None else utf8(self._filled_body(values))
        return HttpRequest(self._method, url, headers, body)

    def _filled_headers(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, value in self._headers.items():
            text = _filled(value, values)
            if CONTROL.search(text):
                key = f"options.headers.{name}"
                raise option_error(key, f"{key} comes to a text with line ends")
            yield name, text

    def _filled_body(self, values: Mapping[str, Any]) -> str:
        body = _filled(self._body, values)
        if self._content_type == "form" and isinstance(body, dict):
            return urlencode(list(_pairs(body, "options.body")))
        if self._content_type != "json":
            return str(body)
        if not isinstance(self._body, Piece | str):
            return to_json(body)
        try:
            json.loads(body)
        except (ValueError, RecursionError) as error:
            what = f"the body does not come to JSON: {error}"
            raise option_error("options.body", what, hint=_JSON_HINT) from None
        return str(body)

    def _own_headers(self, options: HttpOptions, given: set[str]) -> dict[str, str]:
        for name, value in options.headers.items():
            if CONTROL.search(value):
                self._blame(f"options.headers.{name}", "a header has no line ends")
        if options.body is None or "content-type" in {name.lower() for name in given}:
            return {}
        return {"Content-Type": _CONTENT_TYPES[options.content_type]}

    def _compiled(self, text: str, key: str, **how: Any) -> Any:
        """Return the piece of a text that is a template, else the text."""
        if not TEMPLATE.search(text):
            return text
        try:
            piece = Piece(key, text, UserTemplate(text, known=NAMES, **how))
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
    kept: Iterable[str],
) -> list[Problem]:
    """Find mistakes on which requests would fail.

    Args:
        template: Templates without problems.
        params: The parameters of the config.
        env: The variables that templates may use.
        kept: Names that responses give to the session.
    """
    later = dict.fromkeys(("id", *kept), _PLAIN)
    for text in (_PLAIN, _NASTY):
        for session in ({"id": _PLAIN}, later):
            request = _request(text, params, turn=int(session is later))
            values = names_of(request, Surroundings(session, env), template.names)
            problems = list(_faults(template.pieces, values, later))
            if problems:
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
            if "metadata" in piece.source:
                continue  # may be right for what a sample has there
            hint = None
            if _is_right(piece, {**values, "session": later}):
                hint = "it is there from the second turn on; write | default('') behind it"
            yield Problem(what=told(fault), where=Where(key=piece.key), hint=hint)


def _is_right(piece: Piece, values: Mapping[str, Any]) -> bool:
    try:
        piece.template.render(values)
    except TemplateFault:
        return False
    return True


def _whole_fault(template: RequestTemplate, values: Mapping[str, Any], text: str) -> Problem | None:
    try:
        template.fill(values)
    except BackendError as error:
        key = str(error.details["option"])
        if key != "options.body" and text == _NASTY:
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
