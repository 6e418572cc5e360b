"""Errors of a request over HTTP: status, headers and body as a `BackendError`."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

from lm_eval_so.core.backends.error_texts import Case, in_words
from lm_eval_so.core.http.errors import connection_error, public_url
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.errors import BackendError, ErrorKind

__all__ = [
    "MOST_OF_BODY",
    "RETRYABLE",
    "answered_error",
    "connection_error",
    "explained",
    "http_error",
    "is_forbidden",
    "may_be_taken_in",
    "no_json",
    "public_url",
    "retry_after_s",
    "tells_error",
]

MOST_OF_BODY = 2000
"""Characters of an error body that are kept."""

_written = json.JSONEncoder(ensure_ascii=False).encode

RETRYABLE = frozenset(
    {
        ErrorKind.TIMEOUT,
        ErrorKind.RATE_LIMIT,
        ErrorKind.SERVER,
        ErrorKind.CONNECTION,
        ErrorKind.BAD_RESPONSE,
        ErrorKind.SUBPROCESS,
    }
)
"""Kinds that another attempt may cure."""

_BY_STATUS: Mapping[int, tuple[ErrorKind, bool]] = {
    401: (ErrorKind.AUTH, False),
    402: (ErrorKind.QUOTA, False),
    403: (ErrorKind.AUTH, False),
    404: (ErrorKind.NOT_FOUND, False),
    408: (ErrorKind.TIMEOUT, True),
    409: (ErrorKind.SERVER, True),
    413: (ErrorKind.TOO_LARGE, False),
    425: (ErrorKind.SERVER, True),
    429: (ErrorKind.RATE_LIMIT, True),
    501: (ErrorKind.SERVER, False),
    505: (ErrorKind.SERVER, False),
    529: (ErrorKind.RATE_LIMIT, True),
}
_NOT_TAKEN_IN = frozenset({408, 409, 425, 429, 503, 529})
"""Status codes by which a server says that it has not processed a request."""
_FILTER_CODES = frozenset(
    {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
)
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_BY_WORD: Mapping[str, int] = {
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "notfounderror": 404,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
    "billing_error": 402,
    "request_too_large": 413,
    "timeout_error": 504,
}
"""Status codes of errors without one, by the words of OpenAI, Anthropic and vLLM."""
_HTML = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]{0,200}>([^<]{1,500})</title>", re.IGNORECASE)
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


def explained(
    error: BackendError,
    case: Case | None,
    *,
    facts: Mapping[str, str],
    clean: Callable[[Any], Any],
    hint: str | None = None,
) -> BackendError:
    """Return the error of an HTTP status in our words, without secrets that the server may quote.

    Args:
        error: Error of the attempt.
        case: Situation that it is; None: it stays in the server's words.
        facts: Names that the texts of the case need, besides status and message.
        clean: Function that takes secrets out of texts and JSON values.
        hint: Hint that knows more of the case than the table does.
    """
    told, advice = clean(error.message), error.hint
    if case is not None:
        told, known = in_words(case, status=error.http_status, told=told, **facts)
        advice = hint or known or advice
    return BackendError(
        error.kind,
        told,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        http_status=error.http_status,
        code=clean(error.code),
        partial_text=clean(error.partial_text),
        hint=clean(advice),
        details=clean(error.details),
        taken_in=may_be_taken_in(error),
    )


def may_be_taken_in(error: BackendError) -> bool:
    """Return whether the server may have processed the request of a failed attempt."""
    return error.details.get("sent") is not False and error.http_status not in _NOT_TAKEN_IN


def http_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    option: str = "base_url",
    base_of: Callable[[str], str] = str,
) -> BackendError:
    """Return the error of an HTTP response that is no answer.

    Args:
        status: Status code.
        headers: Headers; names are looked up in lower case.
        body: Body of any kind.
        option: Option that holds the address, named in the text about a redirect.
        base_of: Function from the target of a redirect to the address that the option should hold.
    """
    told = _told(body.decode("utf-8", "replace").strip())
    if not 300 <= status < 400:
        return _error(told, _kind(status, told), status=status, headers=headers)
    target = base_of(public_url(headers.get("location", "its target")))
    is_held = not option.endswith(("_env", "_file"))
    mend = f"set {option} to {target}" if is_held else f"put {target} where {option} points to"
    message, hint = in_words(Case.REDIRECT, mend=mend)
    told = replace(told, message=message)
    error = _error(told, _kind(status, told), status=status, headers=headers)
    error.hint = hint
    # in the first request the config is to blame
    error.details = {**error.details, "option": f"options.{option}"}
    return error


def answered_error(
    status: int, headers: Mapping[str, str], values: Mapping[str, Any]
) -> BackendError:
    """Return the error of an attempt whose error came in the body of a good response, or its stream.

    Its code decides as an HTTP status would; an error without a known one is the server's.

    Args:
        status: Status code of the response.
        headers: Headers; names are looked up in lower case.
        values: Body, or data of the event, as `tells_error` knows them.
    """
    told = _told(_written(values))
    error = values.get("error") or values
    code = error.get("code") if isinstance(error, Mapping) else None
    is_status = str(code).isdigit() and 400 <= int(str(code)) < 600
    words = (word.lower() for word in told.codes)
    meant = next((_BY_WORD[word] for word in words if word in _BY_WORD), 500)
    as_if = int(str(code)) if is_status else meant
    at = as_if if is_status else status
    return _error(told, _kind(as_if, told), status=at, headers=headers)


def tells_error(values: Any) -> bool:
    """Return whether a body or an event is an error, of OpenAI or older versions of vLLM."""
    is_object = isinstance(values, dict)
    return is_object and bool(values.get("error") or values.get("object") == "error")


def is_forbidden(error: BackendError | ErrorInfo) -> bool:
    """Return whether a request was refused by 403: for its key, or by a firewall for its text."""
    meant = _BY_WORD.get((error.code or "").lower())
    return error.kind is ErrorKind.AUTH and 403 in {error.http_status, meant}


def no_json(
    headers: Mapping[str, str], text: str, *, option: str, hint: str | None = None
) -> BackendError:
    """Return the error of a good response that is no JSON, with the beginning of its text.

    Args:
        headers: Headers; names are looked up in lower case.
        text: Body.
        option: Option that holds the address.
        hint: Hint for a text that is neither empty, nor a web page, nor a stream.
    """
    address, blamed = f"options.{option}", ""
    case = Case.NO_JSON
    if not text.strip():
        case = Case.EMPTY
    elif _HTML.match(text):
        case, blamed = Case.WEB_PAGE, address
    elif text.lstrip("\ufeff \r\n").startswith(("data:", "event:", ":")):
        case, blamed = Case.UNASKED_STREAM, "options.stream"
    kind = headers.get("content-type", "").partition(";")[0].strip() or "without Content-Type"
    what, advice = in_words(case, type=kind, option=address)
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        what,
        retryable=True,
        partial_text=text[:MOST_OF_BODY] or None,
        hint=advice or hint,
        details={"option": blamed} if blamed else None,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the server asks for, in seconds ≥ 0; None if it is not clear.

    RFC 9110 §10.2.3: seconds or a date. A date counts from the response's own `Date`, so that a
    wrong local clock does no harm.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    until = _date(text)
    if until is None:
        return None
    now = _date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Contents of an error body."""

    message: str
    codes: tuple[str, ...] = ()
    """Codes of the error, innermost last."""
    details: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    """The page of which the message is the title."""


def _error(
    told: _Told, fate: tuple[ErrorKind, bool], *, status: int, headers: Mapping[str, str]
) -> BackendError:
    kind, retryable = fate
    wish = headers.get("x-should-retry", "").strip().lower()
    if wish in {"true", "false"} and kind not in {ErrorKind.AUTH, ErrorKind.QUOTA}:
        retryable = wish == "true"
    return BackendError(
        kind,
        told.message or "no reason given",
        retryable=retryable,
        retry_after_s=retry_after_s(headers),
        http_status=status,
        code=told.codes[0] if told.codes else None,
        partial_text=told.page or None,
        details=told.details,
    )


def _kind(status: int, told: _Told) -> tuple[ErrorKind, bool]:
    lowered = {code.lower() for code in told.codes}
    if lowered & _FILTER_CODES:
        return ErrorKind.FILTERED, False
    if lowered & _CONTEXT_CODES or (status == 400 and "maximum context" in told.message.lower()):
        return ErrorKind.CONTEXT_LENGTH, False
    if lowered & _QUOTA_CODES:
        return ErrorKind.QUOTA, False
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ErrorKind.SERVER, True
    return ErrorKind.INVALID_REQUEST, False


def _told(text: str) -> _Told:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        page = _words_of_page(text)
        return _Told(message=page or text[:MOST_OF_BODY], page=text[:MOST_OF_BODY] if page else "")
    if isinstance(values, list) and len(values) == 1:  # Google's
        values = values[0]
    error = values.get("error", values) if isinstance(values, dict) else values
    if not isinstance(error, dict):
        return _Told(message=(error if isinstance(error, str) else text)[:MOST_OF_BODY])
    inner = error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    named = (error.get("code"), error.get("type"), error.get("status"), inner.get("code"))
    details = {"param": error.get("param"), "categories": inner.get("content_filter_result")}
    message = next((m for key in ("message", "detail") if (m := error.get(key))), text)
    return _Told(
        message=(message if isinstance(message, str) else _written(message))[:MOST_OF_BODY],
        codes=tuple(code for code in named if isinstance(code, str) and code),
        details={name: value for name, value in details.items() if value},
    )


def _words_of_page(text: str) -> str:
    """Return the title of a web page, as proxies send one, else its words; "" of anything else."""
    if not _HTML.match(text):
        return ""
    title = _TITLE.search(text)
    words = title[1] if title else _TAG.sub(" ", text[:MOST_OF_BODY])
    return " ".join(unescape(words).split()) or "a web page"


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
