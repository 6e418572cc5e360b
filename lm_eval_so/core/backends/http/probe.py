"""Tries the templates of a request before anything is asked, with texts that break careless ones."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.backends.http.names import Surroundings, names_of
from lm_eval_so.core.backends.http.template import Piece, RequestTemplate, told
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.templates.user import TemplateFault
from lm_eval_so.errors import BackendError, Problem, Where

_PLAIN = "a"
_NASTY = 'a "quote", a \\ and\na line end'


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
    """Find what requests would fail on.

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
