"""What went wrong with a request: HTTP status, headers, body or exception to a `BackendError`."""

import json
import math
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lm_eval_so.errors import BackendError, ErrorKind

MOST_OF_BODY = 2000
"""Characters of an error body that are kept."""

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
_FILTER_CODES = frozenset(
    {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
)
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """Turn an HTTP response that is no answer into the error of an attempt.

    Args:
        status: Its status code; 200 if an error came as a usual response.
        headers: Its headers; names are looked up in lower case.
        body: Its body, of whatever kind.
    """
    message, codes = _told(body)
    kind, retryable = _kind(status, message, codes)
    if 300 <= status < 400:
        target = public_url(headers.get("location", "its target")).removesuffix("/chat/completions")
        message = f"redirects are not followed, set base_url to {target}"
    wish = headers.get("x-should-retry", "").strip().lower()
    if wish in {"true", "false"} and kind not in {ErrorKind.AUTH, ErrorKind.QUOTA}:
        retryable = wish == "true"
    return BackendError(
        kind,
        message or "no reason given",
        retryable=retryable,
        retry_after_s=retry_after_s(headers),
        http_status=status,
        code=codes[0] if codes else None,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Give how long the server asks to wait, in seconds ≥ 0; None if it does not say so clearly.

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


def connection_error(error: BaseException, url: str) -> BackendError:
    """Turn an exception of an HTTP client into the error of an attempt, without what it quotes."""
    causes = list(_causes(error))
    where = public_url(url)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        reason = next(
            (
                str(getattr(c, "verify_message", "") or getattr(c, "reason", ""))
                for c in causes
                if isinstance(c, ssl.SSLError)
            ),
            "",
        )
        what = f"cannot trust the certificate of {where} ({reason or 'TLS fails'})"
        hint = "add the certificate authority to the system's store, or set SSL_CERT_FILE"
        return BackendError(ErrorKind.TLS, what, retryable=False, hint=hint)
    what = f"cannot reach {where} ({_reason(causes)})"
    hint = "is the server running, and the address right?"
    return BackendError(ErrorKind.CONNECTION, what, retryable=True, hint=hint)


def public_url(url: str) -> str:
    """Give a URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _kind(status: int, message: str, codes: tuple[str, ...]) -> tuple[ErrorKind, bool]:
    lowered = {code.lower() for code in codes}
    if lowered & _FILTER_CODES:
        return ErrorKind.FILTERED, False
    if lowered & _CONTEXT_CODES or (status == 400 and "maximum context" in message.lower()):
        return ErrorKind.CONTEXT_LENGTH, False
    if lowered & _QUOTA_CODES:
        return ErrorKind.QUOTA, False
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ErrorKind.SERVER, True
    return ErrorKind.INVALID_REQUEST, False


def _told(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Give the message and the codes that an error body tells, innermost code last."""
    text = body.decode("utf-8", "replace").strip()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return text[:MOST_OF_BODY], ()
    error = values.get("error", values) if isinstance(values, dict) else values
    if not isinstance(error, dict):
        return (error if isinstance(error, str) else text)[:MOST_OF_BODY], ()
    inner = error.get("innererror")
    named = [error.get("code"), error.get("type")]
    named += [inner.get("code")] if isinstance(inner, dict) else []
    codes = tuple(code for code in named if isinstance(code, str) and code)
    message = next((m for key in ("message", "detail") if (m := error.get(key))), text)
    return str(message)[:MOST_OF_BODY], codes


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


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from _causes(error.exceptions[0])
        error = error.__cause__ or error.__context__


def _reason(causes: list[Any]) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return "the host name is not known"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return "the connection broke"
