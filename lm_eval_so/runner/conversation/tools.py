"""Tools that are played: calls are answered from a table, nothing is ever executed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.text import nfc

NO_RESULT: Mapping[str, JsonValue] = {"error": "no result for this call"}


def answer_calls(
    calls: Sequence[ToolCall], table: Sequence[Mapping[str, JsonValue]]
) -> list[Message]:
    """Return the messages that answer calls, in their order.

    Args:
        calls: The calls, each with an id.
        table: Rows {name, arguments, result}: the first whose name is that of the call and whose
            arguments are all among the call's counts; without arguments it answers every call.
    """
    return [
        Message(role="tool", tool_call_id=call.id, name=call.name, content=_result(call, table))
        for call in calls
    ]


def with_ids(calls: Sequence[ToolCall], *, start: int) -> tuple[ToolCall, ...]:
    """Return calls an id where the chatbot gave none: "call_<n>", counted from `start`."""
    return tuple(
        call if call.id else ToolCall(id=f"call_{n}", name=call.name, arguments=call.arguments)
        for n, call in enumerate(calls, start=start)
    )


def _result(call: ToolCall, table: Sequence[Mapping[str, JsonValue]]) -> str:
    arguments = _parsed(call.arguments)
    found = next((row for row in table if _answers(row, call.name, arguments)), None)
    result = NO_RESULT if found is None else found.get("result")
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _answers(row: Mapping[str, JsonValue], name: str, arguments: Any) -> bool:
    wanted = row.get("arguments")
    return row.get("name") == name and (wanted is None or _has(arguments, wanted))


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return None


def _has(given: Any, wanted: JsonValue) -> bool:
    """Return whether all that is wanted is given: mappings by their keys, all else as a whole.

    1 is 1.0.
    """
    if isinstance(wanted, Mapping):
        is_mapping = isinstance(given, Mapping)
        return is_mapping and all(key in given and _has(given[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        same = isinstance(given, list) and len(given) == len(wanted)
        return same and all(map(_has, given, wanted))
    if isinstance(wanted, str) and isinstance(given, str):
        return nfc(given) == nfc(wanted)
    return isinstance(given, bool) == isinstance(wanted, bool) and bool(given == wanted)
