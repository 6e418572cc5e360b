"""Error texts about an endpoint's responses: message and hint by situation."""

from collections.abc import Mapping
from enum import StrEnum


class Case(StrEnum):
    """Situations that error texts are written for."""

    FORBIDDEN = "forbidden"
    KEY_REFUSED = "key_refused"
    KEY_MISSING = "key_missing"
    HEADER_MISSING = "header_missing"
    MODEL_UNKNOWN = "model_unknown"
    PATH_UNKNOWN = "path_unknown"
    URL_UNKNOWN = "url_unknown"
    SEED_REFUSED = "seed_refused"
    REDIRECT = "redirect"
    EMPTY = "empty"
    WEB_PAGE = "web_page"
    UNASKED_STREAM = "unasked_stream"
    NO_JSON = "no_json"
    NO_UTF8 = "no_utf8"
    OTHER_ENCODING = "other_encoding"


TEXTS: Mapping[Case, tuple[str, str | None]] = {
    Case.FORBIDDEN: (
        "the endpoint refuses the request ({status}: {told})",
        "either {blamed}, or a firewall refuses what was sent",
    ),
    Case.KEY_REFUSED: (
        "the endpoint refused {key} ({status}: {told})",
        "check it: it is wrong or revoked, or of another account or endpoint",
    ),
    Case.KEY_MISSING: (
        "the endpoint wants a key ({status}: {told})",
        "set backend.options.api_key_env to the variable that holds it",
    ),
    Case.HEADER_MISSING: (
        "the endpoint refused a request without key ({status}: {told})",
        "name the variable that holds it: headers_env",
    ),
    Case.MODEL_UNKNOWN: ('{thing} "{name}" not found at {where} ({status}: {told})', None),
    Case.PATH_UNKNOWN: (
        "nothing is at {url} ({status}: {told})",
        "check the address: it ends before /chat/completions, often in /v1",
    ),
    Case.URL_UNKNOWN: ("nothing found at {url} ({status}: {told})", "is {option} right?"),
    Case.SEED_REFUSED: ("{told}", "set backend.options.seed: off if the endpoint takes none"),
    Case.REDIRECT: ("redirects are not followed, {mend}", "{mend}, if you trust it with the key"),
    Case.EMPTY: ("the response is empty", "is {option} right?"),
    Case.WEB_PAGE: ("the response is no JSON ({type})", "a web page came; is {option} right?"),
    Case.UNASKED_STREAM: (
        "the response is no JSON ({type})",
        "a stream came, though none was asked for; set options.stream",
    ),
    Case.NO_JSON: ("the response is no JSON ({type})", None),
    Case.NO_UTF8: (
        "the response is not UTF-8 (byte {byte:,})",
        "JSON is UTF-8; the endpoint, or a proxy before it, writes another encoding",
    ),
    Case.OTHER_ENCODING: ("the response is not {encoding}{place}", None),
}
"""Texts for people by situation: the message, and what to do about it."""


def in_words(case: Case, **facts: object) -> tuple[str, str | None]:
    """Return message and hint of a situation, with its facts filled in."""
    message, hint = TEXTS[case]
    return message.format(**facts), hint and hint.format(**facts)
