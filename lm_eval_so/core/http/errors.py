"""Errors of attempts made from exceptions of the HTTP client, without secrets."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from lm_eval_so.core.files import are_used_up, is_short, out_of_files
from lm_eval_so.errors import BackendError, ErrorKind

_IN_CONTAINER: Final = "LM_EVAL_SO_IN_CONTAINER"
_UNREACHED: Final = "is the server running, and the address right?"
_WAYS_OUT: Final = (
    "inside this container that is the container itself; to reach a server of the runner, run the"
    " action without a container (uses: mackim-3768/lm-eval-so/composite@v1), put the server under"
    " services: and name it by its label, or use docker run --network host"
)


def connection_error(
    error: BaseException, url: str, *, sent: bool = True, reason: str | None = None
) -> BackendError:
    """Return the error of an attempt for an exception of the HTTP client, without its quotes.

    Args:
        error: Exception of the client; its causes are examined, too.
        url: URL of the request.
        sent: Whether the server may have received the request; kept as `details["sent"]`.
        reason: Reason, if the caller knows better than the exception.
    """
    causes = list(_causes(error))
    if any(map(is_short, causes)) or (_no_name(causes) and are_used_up()):
        return out_of_files(ErrorKind.CONNECTION, sent=sent)
    where, details = _origin(url), {"sent": sent}
    broken_tls = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    if broken_tls:
        what, hint = _tls_told(broken_tls, where)
        return BackendError(ErrorKind.TLS, what, retryable=False, hint=hint, details=details)
    what = f"cannot reach {where} ({reason or _reason(causes)})"
    is_container = _IN_CONTAINER in os.environ and is_own_machine(urlsplit(where).hostname or "")
    hint = _WAYS_OUT if is_container else _UNREACHED
    return BackendError(ErrorKind.CONNECTION, what, retryable=True, hint=hint, details=details)


def public_url(url: str) -> str:
    """Return a URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def is_own_machine(host: str) -> bool:
    """Return whether a host is this machine, by its name or loopback address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(url: str) -> str:
    public = public_url(url)
    return "/".join(public.split("/", 3)[:3]) if "://" in public else public


def _tls_told(errors: list[ssl.SSLError], where: str) -> tuple[str, str]:
    told = [getattr(error, name, "") for error in errors for name in ("verify_message", "reason")]
    reason = next((str(text) for text in told if text), "TLS fails")
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
        return f"{where} does not speak TLS", "write the address with http:// if it has none"
    what = f"cannot trust the certificate of {where} ({reason})"
    return what, "add the certificate authority to the system's store, or name its file: verify"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from _causes(error.exceptions[0])
        error = error.__cause__ or error.__context__


def _no_name(causes: list[BaseException]) -> bool:
    return any(isinstance(cause, socket.gaierror) for cause in causes)


def _reason(causes: list[BaseException]) -> str:
    if _no_name(causes):
        return "the host name is not known"
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno:
            is_reset = cause.errno in {errno.ECONNRESET, errno.EPIPE}
            return "connection reset by peer" if is_reset else os.strerror(cause.errno).lower()
    return "the connection broke"
