"""What a path found in a response, as what a record holds: a text, texts, a count, tool calls."""

import json
from copy import deepcopy
from typing import Any

from lm_eval_so.core.backends.faults import MOST_OF_BODY
from lm_eval_so.core.backends.http.paths import shown_keys
from lm_eval_so.core.backends.wire import whole_number
from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.errors import BackendError, ErrorKind

_shown = json.JSONEncoder(ensure_ascii=False).encode  # what a server sent may hold Infinity


def bad_response(
    what: str, option: str, *, hint: str | None = None, sent: Any = None
) -> BackendError:
    """Return the error of a response that a path of the config does not fit.

    Args:
        what: What does not fit.
        option: The key of the path.
        hint: What to do.
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
    """Whether a piece begins a call of its own though its index is that of another: Google's."""
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
