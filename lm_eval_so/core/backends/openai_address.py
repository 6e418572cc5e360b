"""Where an endpoint is and with what it is asked, and what its errors mean in our words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import BaseModel

from lm_eval_so.core.backends.base import SharedOptions
from lm_eval_so.core.backends.credentials import Secret
from lm_eval_so.core.backends.faults import is_forbidden, public_url
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_NO_PARAMS = {
    "api_key": "api_key_env, the name of the variable that holds it,",
    "api_key_env": "it",
    "base_url": "it",
    "stream": "it",
    "timeout": "timeout_s",
    "timeout_s": "it",
}
"""What people write beside the model, and where it belongs."""
_PATHS = ("/chat/completions", "/responses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an endpoint is, and with what it is asked."""

    base_url: str
    """For people, and for the list of models."""
    url: str
    """What requests are posted to."""
    models_url: str
    headers: Mapping[str, str] = field(repr=False)
    """Of every request, credentials included; names in lower case."""
    secret: Secret
    """The key, so that it can be taken out of what the server quotes."""
    thing: str = "model"
    """What the endpoint calls the model."""
    name: str = ""
    """Name of the model."""
    option: str = "base_url"
    """The option that holds the address, or names what does."""


def explained(error: BackendError, address: Address) -> BackendError:
    """Say in our words what a status means here, without the key that the server may quote."""
    secret = address.secret
    told, hint = _without(secret.value, error.message) or "", error.hint
    status, where = error.http_status, public_url(address.base_url)
    if is_forbidden(error):
        told = f"the endpoint refuses the request ({status}: {told})"
        key = f"the key in {secret.source} may not do this" if secret.value else "it wants a key"
        hint = f"either {key}, or a firewall refuses what was sent"
    elif error.kind is ErrorKind.AUTH and secret.value:
        told = f"the endpoint refused the key in {secret.source} ({status}: {told})"
    elif error.kind is ErrorKind.AUTH:
        told = f"the endpoint wants a key ({status}: {told})"
        hint = "set backend.options.api_key_env to the variable that holds it"
    elif error.kind is ErrorKind.NOT_FOUND and _is_of_model(error):
        told = f'{address.thing} "{address.name}" not found at {where} ({status}: {told})'
    elif error.kind is ErrorKind.NOT_FOUND:
        told = f"nothing is at {public_url(address.url)} ({status}: {told})"
        hint = "check the address: it ends before /chat/completions, often in /v1"
    elif error.kind is ErrorKind.INVALID_REQUEST and "seed" in told.lower():
        hint = "set backend.options.seed: off if the endpoint takes none"
    return BackendError(
        error.kind,
        told,
        hint=hint,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        http_status=status,
        code=_without(secret.value, error.code),
        partial_text=_without(secret.value, error.partial_text),
        details=error.details,
    )


def _is_of_model(error: BackendError) -> bool:
    text = f"{error.code or ''} {error.message}".lower()
    return "model" in text or "deployment" in text


def _without(secret: str, text: str | None) -> str | None:
    return text.replace(secret, "[redacted]") if text and secret else text


def misplaced_params(params: BaseModel) -> Iterator[Problem]:
    """Find options that stand under params, from where they would be sent to the model."""
    for name in sorted((params.model_extra or {}).keys() & _NO_PARAMS.keys()):
        yield Problem(
            what=f"{name} would be sent to the model",
            where=Where(key=f"params.{name}"),
            hint=f"write {_NO_PARAMS[name]} under options",
        )


def header_names(options: SharedOptions) -> frozenset[str]:
    """Return the names of the headers that the options add, in lower case."""
    named = (*options.headers, *options.headers_env, *options.headers_file)
    return frozenset(name.lower() for name in named)


def base_url_problems(url: str) -> Iterator[Problem]:
    """Find what is wrong with an address behind which a path is put, without showing a password."""
    hint = "write it as https://host/v1"
    parts = urlsplit(url) if is_address(url) else None
    if parts is None:
        what = f'"{public_url(url)}" is no address'
    elif "@" in parts.netloc:
        what = f"the address of {public_url(url)} holds a user or a password"
        hint = "put the header into a variable: headers_env: {Authorization: NAME}"
    elif parts.query or parts.fragment or parts.path.rstrip("/").endswith(_PATHS):
        what = f"the address of {public_url(url)} goes on behind what all requests share"
        hint = "end it before /chat/completions, ? and #; often in /v1"
    else:
        return
    yield Problem(what=what, where=Where(key="options.base_url"), hint=hint)


def is_address(url: str) -> bool:
    """Return whether a text is the address of a web server."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
    except ValueError:
        return False
    is_whole = bool(parts.hostname) and not re.search(r"\s", url)
    return parts.scheme in {"http", "https"} and is_whole
