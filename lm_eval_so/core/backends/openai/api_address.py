"""The place of an endpoint of OpenAI's APIs, and its errors in our words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lm_eval_so.core.backends.credentials import Secret
from lm_eval_so.core.backends.error_texts import Case
from lm_eval_so.core.backends.faults import explained, is_forbidden, public_url
from lm_eval_so.core.backends.shared_options import HeaderFile
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind

PATHS = ("/chat/completions", "/responses")
"""Ends of an address that requests are posted to."""


def base_of(url: str) -> str:
    """Return an address without the path of an API."""
    for path in PATHS:
        url = url.removesuffix(path)
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Place of an endpoint, and the headers and names that its requests need."""

    base_url: str
    """Address for people, and for the list of models."""
    url: str
    """Address that requests are posted to."""
    models_url: str
    headers: Mapping[str, str] = field(repr=False)
    """Headers of every request, credentials included; names in lower case."""
    secret: Secret
    """Key, so that it can be taken out of texts that quote it."""
    thing: str = "model"
    """Word of the endpoint for a model."""
    name: str = ""
    """Name of the model."""
    option: str = "base_url"
    """Option that holds the address, or names its variable or file."""
    files: Mapping[str, HeaderFile] = field(default_factory=dict)
    """Files of headers besides those that the shared options name, read again when they change."""
    base_of: Callable[[str], str] = base_of
    """Function from the target of a redirect to the address that the option should hold."""


def is_address(url: str) -> bool:
    """Return whether a text is the address of a web server."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
    except ValueError:
        return False
    is_whole = bool(parts.hostname) and not re.search(r"\s", url)
    return parts.scheme in {"http", "https"} and is_whole


def in_our_words(error: BackendError, address: Address, learned: Redactor) -> BackendError:
    """Return the error of a status in our words, without the key that the server may quote.

    Args:
        error: Error of the attempt.
        address: Place of the endpoint.
        learned: Takes out the secrets that are known since the start.
    """
    key, key_name = address.secret.value, f"the key in {address.secret.source}"
    facts = {
        "key": key_name,
        "blamed": f"{key_name} may not do this" if key else "it wants a key",
        "thing": address.thing,
        "name": address.name,
        "where": public_url(address.base_url),
        "url": public_url(address.url),
    }

    def clean(value: Any) -> Any:
        return learned.redact_json(_without(key, value))

    return explained(error, _case(error, address), facts=facts, clean=clean)


def _case(error: BackendError, address: Address) -> Case | None:
    if is_forbidden(error):
        return Case.FORBIDDEN
    if error.kind is ErrorKind.AUTH:
        return Case.KEY_REFUSED if address.secret.value else Case.KEY_MISSING
    if error.kind is ErrorKind.NOT_FOUND:
        text = f"{error.code or ''} {error.message}".lower()
        is_of_model = "model" in text or "deployment" in text
        return Case.MODEL_UNKNOWN if is_of_model else Case.PATH_UNKNOWN
    is_of_seed = error.kind is ErrorKind.INVALID_REQUEST and "seed" in error.message.lower()
    return Case.SEED_REFUSED if is_of_seed else None


def _without(secret: str, value: Any) -> Any:
    return value.replace(secret, "[redacted]") if secret and isinstance(value, str) else value
