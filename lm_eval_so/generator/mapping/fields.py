"""Conversion of record values to fields of a sample; values that do not fit raise `FieldError`."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.sample import Check, Passage, Persona, Scenario, SimulatedUser
from lm_eval_so.generator.clean import clean_value
from lm_eval_so.generator.sources.base import Reason, excerpt
from lm_eval_so.generator.sources.json_values import (
    BadJsonError,
    kind_of,
    parse_strict,
    refuse_unwritable,
)

T = TypeVar("T")

_ROLES: Mapping[str, Literal["system", "user", "assistant", "tool"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "observation": "tool",
}
"""Speakers as OpenAI, ShareGPT and LangChain call them."""
_PASSAGE_ROLES: Mapping[str, Literal["given", "gold", "distractor"]] = {
    "given": "given",
    "gold": "gold",
    "distractor": "distractor",
}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*\Z")
_QUOTED = 40
_TRUE = frozenset({"true", "yes", "y", "1", "o", "예", "네", "참"})
_FALSE = frozenset({"false", "no", "n", "0", "x", "아니요", "아니오", "거짓"})


class FieldError(ValueError):
    """Error of a value that does not fit a field of a sample."""

    def __init__(self, reason: Reason, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.reason, self.what, self.hint = reason, what, hint


def json_of(text: str) -> JsonValue:
    """Return the cleaned value of a cell with JSON.

    Raises:
        BadJsonError: If it is none, or a value that cannot be written again.
    """
    value = parse_strict(text)
    refuse_unwritable(value)
    return clean_value(value)


def is_blank(value: JsonValue) -> bool:
    """Return whether a cleaned value is blank."""
    return value is None or value in ("", [], {})


def text_of(value: JsonValue, field: str) -> str:
    """Return a text; a number as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _bad_type(field, "a text", value)


def texts_of(values: Sequence[JsonValue], field: str) -> tuple[str, ...]:
    """Return texts without blanks and duplicates; lists among the values are flattened."""
    items = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(text_of(v, field) for v in items if not is_blank(v)))


def language_of_field(value: JsonValue) -> str:
    """Return a BCP 47 tag, its language in lower case."""
    text = text_of(value, "language")
    if not _LANGUAGE.match(text):
        what = f"language: {_quoted(text)} is no language tag"
        raise FieldError(Reason.BAD_TYPE, what, hint='as "ko" or "en-GB"')
    primary, dash, rest = text.partition("-")
    return primary.lower() + dash + rest


def behavior_of(value: JsonValue) -> Behavior:
    """Return the expected behavior."""
    text = text_of(value, "behavior")
    try:
        return Behavior(text.lower())
    except ValueError:
        hint = f"one of {', '.join(Behavior)}"
        raise FieldError(Reason.BAD_TYPE, f"behavior: unknown {_quoted(text)}", hint=hint) from None


def behavior_if_answerable(value: JsonValue) -> Behavior:
    """Return the expected behavior for an answerable or unanswerable question."""
    word = (
        str(value).lower() if isinstance(value, bool) else text_of(value, "answerable").casefold()
    )
    if word in _TRUE:
        return Behavior.ANSWER
    if word in _FALSE:
        return Behavior.ABSTAIN
    what = f"answerable: {_quoted(word)} is neither true nor false"
    raise FieldError(Reason.BAD_TYPE, what, hint="write true or false")


def behavior_from(one: Mapping[str, JsonValue]) -> Behavior:
    """Return the expected behavior by the fields `behavior` and `answerable`; without them, answer."""
    if "behavior" in one:
        return behavior_of(one["behavior"])
    if "answerable" in one:
        return behavior_if_answerable(one["answerable"])
    return Behavior.ANSWER


def weight_of(value: JsonValue) -> float:
    """Return a weight above 0."""
    text = text_of(value, "weight")
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise FieldError(Reason.BAD_TYPE, f"weight: {_quoted(text)} is no number above 0")
    return weight


def passages_of(values: Sequence[JsonValue]) -> tuple[Passage, ...]:
    """Return passages; a text alone is evidence (gold)."""
    items = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return tuple(_passage(item) for item in items if not is_blank(item))


def scenario_of(one: Mapping[str, JsonValue]) -> Scenario:
    """Return the conversation to play that `goal`, `persona` and `success` describe."""
    persona = _optional_text(one.get("persona"), "persona")
    success = _optional_text(one.get("success"), "success")
    return Scenario(
        simulated_user=SimulatedUser(
            goal=text_of(one["goal"], "goal"),
            persona=None if persona is None else Persona(name=persona),
        ),
        success=() if success is None else (Check(type="judge", text=success),),
    )


def messages_of(value: JsonValue) -> tuple[Message, ...]:
    """Return the messages of a conversation, in the shape of OpenAI or ShareGPT.

    A cell of a table holds them as JSON.
    """
    if isinstance(value, str):
        try:
            value = json_of(value)
        except BadJsonError as error:
            raise FieldError(Reason.BAD_TYPE, f"messages: no JSON: {error.what}") from None
    if not isinstance(value, list):
        raise _bad_type("messages", "a list", value)
    return tuple(map(_message, value))


def _message(value: JsonValue) -> Message:
    if not isinstance(value, dict):
        raise _bad_type("messages", "objects", value)
    content = _content(value.get("content", value.get("value")))
    speaker = next((value[name] for name in ("role", "from", "type") if name in value), None)
    calls = value.get("tool_calls") or []
    if not isinstance(calls, list):
        raise _bad_type("tool_calls", "a list", calls)
    return Message(
        role=_one_of(_ROLES, speaker, "messages"),
        content=_optional_text(content, "content") or "",
        name=_optional_text(value.get("name"), "name"),
        tool_calls=tuple(map(_tool_call, calls)),
        tool_call_id=_optional_text(value.get("tool_call_id"), "tool_call_id"),
    )


def _content(value: JsonValue) -> JsonValue:
    """Return the text of a message, which may be in parts."""
    if not isinstance(value, list | dict):
        return value
    parts = value if isinstance(value, list) else [value]
    texts = [
        each.get("text") for each in parts if isinstance(each, dict) and each.get("type") == "text"
    ]
    if len(texts) < len(parts):
        what = "a message is more than text (an image or a file)"
        raise FieldError(Reason.UNSUPPORTED_CONTENT, what)
    return "\n".join(text_of(text, "content") for text in texts)


def _tool_call(value: JsonValue) -> ToolCall:
    inner = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(inner, dict) or is_blank(inner.get("name")):
        raise _bad_type("tool_calls", "objects with a name", value)
    arguments = inner.get("arguments")
    return ToolCall(
        id=_optional_text(value.get("id"), "tool_calls"),
        name=text_of(inner.get("name"), "tool_calls"),
        arguments=arguments if isinstance(arguments, str) else dump_line(arguments or {}),
    )


def _passage(value: JsonValue) -> Passage:
    if not isinstance(value, dict):
        return Passage(text=text_of(value, "context"))
    text = _optional_text(value.get("text"), "context")
    if text is None:
        raise FieldError(Reason.MISSING_FIELD, "context: a passage has no text")
    return Passage(
        role=_one_of(_PASSAGE_ROLES, value.get("role", "gold"), "context"),
        text=text,
        doc_id=_optional_text(value.get("doc_id"), "context"),
    )


def _optional_text(value: JsonValue, field: str) -> str | None:
    return None if is_blank(value) else text_of(value, field)


def _one_of(known: Mapping[str, T], value: JsonValue, field: str) -> T:
    found = known.get(value) if isinstance(value, str) else None
    if found is None:
        shown = _quoted(value) if isinstance(value, str) else kind_of(value)
        hint = f"one of {', '.join(known)}"
        raise FieldError(Reason.BAD_TYPE, f"{field}: unknown role {shown}", hint=hint)
    return found


def _quoted(text: str) -> str:
    """Return a value of the source for people: short, on one line, without secrets."""
    return dump_line(excerpt(text)[:_QUOTED])


def _bad_type(field: str, wanted: str, value: JsonValue) -> FieldError:
    return FieldError(Reason.BAD_TYPE, f"{field}: expected {wanted}, found {kind_of(value)}")
