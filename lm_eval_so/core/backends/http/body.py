"""From the bytes of a response to a JSON value or a text, in whatever encoding a server writes."""

import codecs
import json
from collections.abc import Mapping
from email.message import Message
from typing import Any

from lm_eval_so.core.backends.faults import MOST_OF_BODY, no_json
from lm_eval_so.errors import BackendError, ErrorKind

parse = json.JSONDecoder(parse_constant=lambda _: None).decode
"""Read JSON; NaN, which is none, is null.

Raises:
    ValueError: If it is no JSON.
    RecursionError: If it is nested too deeply.
"""
_BOM = "\ufeff"
_KOREAN = "cp949"


def read_text(headers: Mapping[str, str], body: bytes, *, encoding: str = "") -> str:
    """Decode a body.

    Args:
        headers: Names in lower case.
        body: The bytes.
        encoding: Over what Content-Type says; without both it is UTF-8.

    Raises:
        BackendError: `bad_response` if it is written in another encoding.
    """
    named = encoding or _charset(headers.get("content-type", ""))
    try:
        return body.decode(named or "utf-8").removeprefix(_BOM)
    except (LookupError, UnicodeDecodeError) as error:
        raise _other_encoding(body, named or "UTF-8", error) from None


def read_json(headers: Mapping[str, str], body: bytes, *, encoding: str = "") -> Any:
    """Decode and parse a body; arguments and errors as in `read_text`, and if it is no JSON."""
    text = read_text(headers, body, encoding=encoding)
    try:
        return parse(text)
    except (ValueError, RecursionError):
        hint = "if the whole body is the answer, set response.format: text"
        raise no_json(headers, text, address_option="url", hint=hint) from None


def is_encoding(name: str) -> bool:
    """Return whether there is an encoding of text of this name."""
    try:
        return "".encode(name) == b"" and codecs.lookup(name) is not None
    except LookupError:
        return False


def _charset(content_type: str) -> str:
    if "charset" not in content_type.lower():
        return ""
    message = Message()
    message["content-type"] = content_type
    return message.get_content_charset("")


def _other_encoding(body: bytes, named: str, error: Exception) -> BackendError:
    at = f" (byte {error.start:,})" if isinstance(error, UnicodeDecodeError) else ""
    hint = None
    try:
        text = body.decode(_KOREAN)
        hint = f"it looks like CP949; set response.encoding: {_KOREAN}"
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        f"the response is not {named}{at}",
        retryable=True,
        partial_text=text[:MOST_OF_BODY] or None,
        hint=hint,
        details={"option": "options.response.encoding"},
    )
