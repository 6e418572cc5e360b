"""A test as a model proposed it, read without guessing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.records.sample import Check, Scenario, SimulatedUser
from lm_eval_so.generator.clean import clean_text

_TEXTS: Final[Mapping[str, JsonValue]] = {"type": "array", "items": {"type": "string"}}
_TURN: Final[Mapping[str, JsonValue]] = {
    "type": "object",
    "properties": {"user": {"type": "string"}, "assistant": {"type": "string"}},
    "required": ["user", "assistant"],
    "additionalProperties": False,
}
SCHEMA: Final[Mapping[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "history": {"type": "array", "items": dict(_TURN)},
        "question": {"type": "string"},
        "answer": {"type": "string"},
        "quotes": dict(_TEXTS),
        "must_say": dict(_TEXTS),
        "search": dict(_TEXTS),
    },
    "required": ["history", "question", "answer", "quotes", "must_say", "search"],
    "additionalProperties": False,
}
"""JSON Schema of a proposal."""
RENEWAL_SCHEMA: Final[Mapping[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "still_true": {"type": "boolean"},
        "answer": {"type": "string"},
        "quotes": dict(_TEXTS),
        "must_say": dict(_TEXTS),
    },
    "required": ["still_true", "answer", "quotes", "must_say"],
    "additionalProperties": False,
}
"""JSON Schema of what is said of a test whose document changed."""
_CONDITIONS: Final[Mapping[str, JsonValue]] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["contains", "judge"]},
            "text": {"type": "string"},
        },
        "required": ["type", "text"],
        "additionalProperties": False,
    },
}
_FACT: Final[Mapping[str, JsonValue]] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    "required": ["name", "value"],
    "additionalProperties": False,
}
SCENE_SCHEMA: Final[Mapping[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "goal": {"type": "string"},
        "opening": {"type": "string"},
        "facts": {"type": "array", "items": dict(_FACT)},
        "success": dict(_CONDITIONS),
        "must_not": dict(_CONDITIONS),
        "quotes": dict(_TEXTS),
    },
    "required": ["goal", "opening", "facts", "success", "must_not", "quotes"],
    "additionalProperties": False,
}
"""JSON Schema of a proposed conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A proposed test."""

    question: str
    """Empty: the passages do not allow one."""
    answer: str
    quotes: tuple[str, ...] = ()
    must_say: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """Phrases under which a document would have the answer."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns: (user, assistant)."""
    scene: Scenario | None = None
    """A conversation to play; `question` is its opening, and `must_say` what must be said in the end."""

    @property
    def asked(self) -> str:
        """Everything that the user says, and what was answered before."""
        return "\n".join([*(text for turn in self.history for text in turn), self.question])


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Opinion of a model on a test whose document changed."""

    still_true: bool
    """Whether the expected answer holds by the passages that there are now."""
    answer: str
    """The answer by these passages; empty if they have none."""
    quotes: tuple[str, ...]
    must_say: tuple[str, ...]


def read_renewal(output: str) -> Renewal | Unusable:
    """Read what a model says of a test whose document changed; reasons as of `read_candidate`."""
    objects = find_objects(output, "still_true")
    if not objects:
        return Unusable(code="no_json")
    values = objects[0]
    if any(each != values for each in objects):
        return Unusable(code="several")
    try:
        still_true = values["still_true"]
        if not isinstance(still_true, bool):
            raise _WrongValueError("still_true")  # noqa: TRY301 - the same end
        return Renewal(
            still_true=still_true,
            answer=_text(values, "answer"),
            quotes=_texts(values, "quotes", required=True),
            must_say=_texts(values, "must_say"),
        )
    except _WrongValueError as error:
        return Unusable(code="bad_value", figures={"key": str(error)})


def read_candidate(output: str) -> Candidate | Unusable:
    """Read a proposal: one JSON object, with prose or a fence around it or not.

    Unknown keys do not count; `quote` with one text is read as `quotes`.

    Returns:
        The proposal; or `no_json`, `several`, or `bad_value` with the key.
    """
    values = _values(output, "question")
    if isinstance(values, Unusable):
        return values
    try:
        return Candidate(
            question=_text(values, "question"),
            answer=_text(values, "answer"),
            quotes=_texts(values, "quotes", required=True),
            must_say=_texts(values, "must_say"),
            search=_texts(values, "search"),
            history=_history(values.get("history")),
        )
    except _WrongValueError as error:
        return Unusable(code="bad_value", figures={"key": str(error)})


def read_scene(output: str) -> Candidate | Unusable:
    """Read a proposed conversation; what it returns as in `read_candidate`, by the key `opening`."""
    values = _values(output, "opening")
    if isinstance(values, Unusable):
        return values
    try:
        goal, opening = _text(values, "goal"), _text(values, "opening")
        user = SimulatedUser(goal=goal, opening=opening, facts=_facts(values.get("facts")))
        success = _conditions(values, "success")
        must_say = tuple(each.text for each in success if each.type == "contains")
        return Candidate(
            question=opening,
            answer="\n".join(must_say) or goal,
            quotes=_texts(values, "quotes", required=True),
            must_say=must_say,
            scene=Scenario(
                simulated_user=user, success=success, must_not=_conditions(values, "must_not")
            ),
        )
    except _WrongValueError as error:
        return Unusable(code="bad_value", figures={"key": str(error)})


def _values(output: str, wanted: str) -> dict[str, Any] | Unusable:
    """Return the one object with a key in an output."""
    objects = find_objects(output, wanted)
    if not objects:
        return Unusable(code="no_json")
    found = objects[0]
    if any(each != found for each in objects):
        return Unusable(code="several")
    values = {**found}
    if "quotes" not in values and "quote" in values:
        values["quotes"] = values["quote"]
    return values


def _facts(value: Any) -> dict[str, str]:
    """Return facts by name, of a list of names and values, or of an object of them."""
    if isinstance(value, dict):
        value = [{"name": name, "value": text} for name, text in value.items()]
    if not isinstance(value or [], list) or not all(isinstance(each, dict) for each in value or []):
        raise _WrongValueError("facts")
    facts = {_text(each, "name"): _text(each, "value") for each in value or []}
    return {name: text for name, text in facts.items() if name and text}


def _conditions(values: Mapping[str, Any], name: str) -> tuple[Check, ...]:
    value = values.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _WrongValueError(name)
    found: list[Check] = []
    for each in value:
        kind, text = each.get("type"), _text(each, "text")
        if kind not in ("contains", "judge"):
            raise _WrongValueError(f"{name}.type")
        if text:
            found.append(Check(type=kind, text=text))
    return tuple(found)


class _WrongValueError(Exception):
    """A value of the wrong type; its text is the key."""


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise _WrongValueError(name)
    return clean_text(writable(value))


def _texts(values: Mapping[str, Any], name: str, *, required: bool = False) -> tuple[str, ...]:
    value = values.get(name)
    if value is None and not required:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise _WrongValueError(name)
    texts = (clean_text(writable(each)) for each in listed)
    return tuple(dict.fromkeys(text for text in texts if text))


def _history(value: Any) -> tuple[tuple[str, str], ...]:
    turns: Sequence[Any] = value if isinstance(value, list) else [] if value is None else [None]
    found = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise _WrongValueError("history")
        said = _text(turn, "user"), _text(turn, "assistant")
        if any(said):
            found.append(said)
    return tuple(found)


def schema_text() -> str:
    """Return the form of a proposal, for a model that did not keep to it."""
    return json.dumps(SCHEMA, ensure_ascii=False, indent=1)
