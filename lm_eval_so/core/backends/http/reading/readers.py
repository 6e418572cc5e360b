"""Readers: from bytes to JSON, and from values at a path to texts, counts and tool calls."""

import codecs
import json
from collections.abc import Mapping
from copy import deepcopy
from email.message import Message
from typing import Any

from lm_eval_so.core.backends.error_texts import Case, in_words
from lm_eval_so.core.backends.faults import MOST_OF_BODY, no_json
from lm_eval_so.core.backends.http.reading.paths import shown_keys
from lm_eval_so.core.backends.openai.chat import whole_number
from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.errors import BackendError, ErrorKind

_shown = json.JSONEncoder(ensure_ascii=False).encode  # what a server sent may hold Infinity
parse = json.JSONDecoder(parse_constant=lambda _: None).decode
"""Read JSON; NaN, which is none, is null.

Raises:
    ValueError: If it is no JSON.
    RecursionError: If it is nested too deeply.
"""
_BOM = "\ufeff"
_KOREAN = "cp949"


def bad_response(
    what: str, option: str, *, hint: str | None = None, sent: Any = None
) -> BackendError:
    """Return the error of a response that a path of the config does not fit.

    Args:
        what: Message.
        option: The key of the path.
        hint: Advice.
        sent: The response, for the record.
    """
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        what,
        retryable=True,
        hint=hint,
        partial_text=None if sent is None else _shown(sent)[:MOST_OF_BODY],
        details={"option": option},
    )


def option_error(key: str, what: str, *, hint: str | None = None) -> BackendError:
    """Return the error of a request that an option is to blame for."""
    details = {"option": key}
    return BackendError(
        ErrorKind.INVALID_REQUEST, what, retryable=False, hint=hint, details=details
    )


def _scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _shown(value) if is_number else None


def read_text(found: Any, option: str) -> str:
    """Return a text, a number or a list of them as one text.

    Raises:
        BackendError: `bad_response` if it is something else.
    """
    if isinstance(found, str):
        return found
    items = found if isinstance(found, list) else [found]
    texts = [_scalar(item) for item in items if item is not None]
    if None in texts:
        raise _wrong(found, option, "a text or a list of texts")
    return "".join(text for text in texts if text)


def read_texts(found: Any, option: str) -> tuple[str, ...]:
    """Return texts and numbers as texts, without null; errors as in `read_text`."""
    items = found if isinstance(found, list) else [found]
    texts = tuple(_scalar(item) for item in items if item is not None)
    if None in texts:
        raise _wrong(found, option, "a list of texts")
    return tuple(text for text in texts if text is not None)


def read_count(found: Any, _: str) -> int | None:
    """Return a whole number from 0; None if it is none."""
    return whole_number(found)


def read_calls(found: Any, option: str) -> tuple[ToolCall, ...]:
    """Return tool calls, of OpenAI's shape or flat; errors as in `read_text`."""
    calls = found if isinstance(found, list) else [found]
    return tuple(_call(call, option) for call in calls if call is not None)


def add_calls(calls: list[Any], found: Any) -> None:
    """Add the tool calls of an event; pieces of one call have the same `index`, as OpenAI's do."""
    for piece in found if isinstance(found, list) else [found]:
        index = piece.get("index") if isinstance(piece, dict) else None
        known = (call for call in calls if isinstance(call, dict) and index is not None)
        begun = next((call for call in known if call.get("index") == index), None)
        if begun is None or _is_another(begun, piece):
            calls.append(deepcopy(piece))
            continue
        whole, more = begun.get("function", begun), piece.get("function", piece)
        if isinstance(whole, dict) and isinstance(more, dict):
            whole["arguments"] = f"{whole.get('arguments') or ''}{more.get('arguments') or ''}"


def _is_another(begun: dict[str, Any], piece: dict[str, Any]) -> bool:
    """Return whether a piece begins a call of its own under the index of another, as Google's."""
    inner = piece.get("function", piece)
    has_name = isinstance(inner, dict) and bool(inner.get("name"))
    return has_name and bool(piece.get("id")) and piece["id"] != begun.get("id")


def _call(call: Any, option: str) -> ToolCall:
    inner = call.get("function", call) if isinstance(call, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else inner
    if not isinstance(call, dict) or not isinstance(inner, dict) or not isinstance(name, str):
        raise _wrong(call, option, "a list of {id, name, arguments}")
    arguments = inner.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else _shown(arguments)
    return ToolCall(id=_scalar(call.get("id")), name=name, arguments=arguments)


def _wrong(found: Any, option: str, wanted: str) -> BackendError:
    kinds = {dict: "a mapping", list: "a list with other things", bool: "true or false"}
    what = f"{option.removeprefix('options.')} found {kinds.get(type(found), 'another value')}"
    hint = f"name a part of it: {shown_keys(found)}" if isinstance(found, dict) else None
    parts = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    if parts:
        hint = f"put [] and a part of each behind it: {shown_keys(parts[0])}"
    return bad_response(f"{what}, not {wanted}", option, hint=hint, sent=found)


def text_of(headers: Mapping[str, str], body: bytes, *, encoding: str = "") -> str:
    """Decode a body.

    Args:
        headers: Names in lower case.
        body: The bytes.
        encoding: Encoding; default: that of Content-Type, else UTF-8.

    Raises:
        BackendError: `bad_response` if it is written in another encoding.
    """
    named = encoding or _charset(headers.get("content-type", ""))
    try:
        return body.decode(named or "utf-8").removeprefix(_BOM)
    except (LookupError, UnicodeDecodeError) as error:
        raise _other_encoding(body, named or "UTF-8", error) from None


def json_of(headers: Mapping[str, str], body: bytes, *, encoding: str = "") -> Any:
    """Decode and parse a body; arguments and errors as in `text_of`, and if it is no JSON."""
    text = text_of(headers, body, encoding=encoding)
    try:
        return parse(text)
    except (ValueError, RecursionError):
        hint = "if the whole body is the answer, set response.format: text"
        raise no_json(headers, text, option="url", hint=hint) from None


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
    place, hint = "", None
    if isinstance(error, UnicodeDecodeError):
        place = f" (byte {error.start:,})"
    try:
        text = body.decode(_KOREAN)
        hint = f"it looks like CP949; set response.encoding: {_KOREAN}"
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    what, _ = in_words(Case.OTHER_ENCODING, encoding=named, place=place)
    return BackendError(
        ErrorKind.BAD_RESPONSE,
        what,
        retryable=True,
        partial_text=text[:MOST_OF_BODY] or None,
        hint=hint,
        details={"option": "options.response.encoding"},
    )
