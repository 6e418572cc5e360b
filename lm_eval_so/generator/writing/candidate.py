"""Outputs of models: proposed tests and conversations, renewals and verdicts, read without guessing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.records.sample import Check, Scenario, SimulatedUser
from lm_eval_so.generator.clean import clean_text

T = TypeVar("T")
Schema = Mapping[str, JsonValue]


def _object(**properties: Schema) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": [*properties],
        "additionalProperties": False,
    }


def _list(item: Schema) -> dict[str, JsonValue]:
    return {"type": "array", "items": dict(item)}


_TEXT: Final[Schema] = {"type": "string"}
_TEXTS = _list(_TEXT)
_CHECKS: Final = ("contains", "judge")
_CONDITIONS = _list(_object(type={**_TEXT, "enum": [*_CHECKS]}, text=_TEXT))
SCHEMA: Final = _object(
    history=_list(_object(user=_TEXT, assistant=_TEXT)),
    question=_TEXT,
    answer=_TEXT,
    quotes=_TEXTS,
    must_say=_TEXTS,
    search=_TEXTS,
)
"""JSON Schema of a proposal."""
RENEWAL_SCHEMA: Final = _object(
    still_true={"type": "boolean"}, answer=_TEXT, quotes=_TEXTS, must_say=_TEXTS
)
"""JSON Schema of what is said of a test whose document changed."""
SCENE_SCHEMA: Final = _object(
    goal=_TEXT,
    opening=_TEXT,
    facts=_list(_object(name=_TEXT, value=_TEXT)),
    success=_CONDITIONS,
    must_not=_CONDITIONS,
    quotes=_TEXTS,
)
"""JSON Schema of a proposed conversation."""
Finding = Literal["answers", "denies", "nothing"]
_FINDINGS: Final = ("answers", "denies", "nothing")
VERDICTS: Final = _object(
    verdicts=_list(
        _object(
            question={"type": "integer"},
            verdict={**_TEXT, "enum": [*_FINDINGS]},
            quote=_TEXT,
            answer=_TEXT,
        )
    )
)
"""JSON Schema of the verdicts."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Finding of passages about one question."""

    found: Finding
    quote: str
    answer: str


class _WrongValueError(Exception):
    """A value of the wrong type; its text is the key."""


def _find_one(output: str, wanted: str) -> dict[str, Any] | Unusable:
    """Return the one object with a key in an output; or `no_json`, `several`."""
    objects = find_objects(output, wanted)
    if not objects:
        return Unusable(code="no_json")
    if any(each != objects[0] for each in objects):
        return Unusable(code="several")
    return objects[0]


def _read(output: str, wanted: str, make: Callable[[dict[str, Any]], T]) -> T | Unusable:
    values = _find_one(output, wanted)
    if isinstance(values, Unusable):
        return values
    try:
        return make({"quotes": values.get("quote"), **values})
    except _WrongValueError as error:
        return Unusable(code="bad_value", figures={"key": str(error)})


def read_candidate(output: str) -> Candidate | Unusable:
    """Read a proposal: one JSON object, with prose or a fence around it or not.

    Unknown keys do not count; `quote` with one text is read as `quotes`.

    Returns:
        The proposal; or `no_json`, `several`, or `bad_value` with the key.
    """
    return _read(output, "question", _candidate)


def read_scene(output: str) -> Candidate | Unusable:
    """Read a proposed conversation; what it returns as in `read_candidate`, by the key `opening`."""
    return _read(output, "opening", _scene)


def read_renewal(output: str) -> Renewal | Unusable:
    """Read what a model says of a test whose document changed; reasons as of `read_candidate`."""
    return _read(output, "still_true", _renewal)


def read_verdicts(output: str, count: int) -> tuple[Verdict, ...] | Unusable:
    """Read the verdicts of a request, one for each question, in any order.

    Args:
        output: The output of the model.
        count: Number of questions.

    Returns:
        The verdicts in the order of the questions; or `no_json`, `several`, or `no_verdict` with the number.
    """
    values = _find_one(output, "verdicts")
    if isinstance(values, Unusable):
        return values
    listed = values["verdicts"]
    found: dict[int, Verdict] = {}
    for entry in listed if isinstance(listed, list) else ():
        number, verdict = _verdict(entry)
        if verdict is not None:
            found.setdefault(number, verdict)
    missing = next((n for n in range(1, count + 1) if n not in found), None)
    if missing is not None:
        return Unusable(code="no_verdict", figures={"n": str(missing)})
    return tuple(found[n] for n in range(1, count + 1))


def _candidate(values: Mapping[str, Any]) -> Candidate:
    turns = [(_text(each, "user"), _text(each, "assistant")) for each in _dicts(values, "history")]
    return Candidate(
        question=_text(values, "question"),
        answer=_text(values, "answer"),
        quotes=_texts(values, "quotes", required=True),
        must_say=_texts(values, "must_say"),
        search=_texts(values, "search"),
        history=tuple(turn for turn in turns if any(turn)),
    )


def _renewal(values: Mapping[str, Any]) -> Renewal:
    if not isinstance(values["still_true"], bool):
        raise _WrongValueError("still_true")
    return Renewal(
        still_true=values["still_true"],
        answer=_text(values, "answer"),
        quotes=_texts(values, "quotes", required=True),
        must_say=_texts(values, "must_say"),
    )


def _scene(values: Mapping[str, Any]) -> Candidate:
    goal, opening = _text(values, "goal"), _text(values, "opening")
    user = SimulatedUser(goal=goal, opening=opening, facts=_facts(values))
    success = _conditions(values, "success")
    must_not = _conditions(values, "must_not")
    must_say = tuple(each.text for each in success if each.type == "contains")
    return Candidate(
        question=opening,
        answer="\n".join(must_say) or goal,
        quotes=_texts(values, "quotes", required=True),
        must_say=must_say,
        scene=Scenario(simulated_user=user, success=success, must_not=must_not),
    )


def _facts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return facts by name, of a list of names and values, or of an object of them."""
    given = values.get("facts")
    if isinstance(given, dict):
        values = {"facts": [{"name": name, "value": text} for name, text in given.items()]}
    facts = {_text(each, "name"): _text(each, "value") for each in _dicts(values, "facts")}
    return {name: text for name, text in facts.items() if name and text}


def _conditions(values: Mapping[str, Any], name: str) -> tuple[Check, ...]:
    found = []
    for each in _dicts(values, name):
        kind, text = each.get("type"), _text(each, "text")
        if kind not in _CHECKS:
            raise _WrongValueError(f"{name}.type")
        found.append(Check(type=kind, text=text))
    return tuple(check for check in found if check.text)


def _dicts(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = values.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _WrongValueError(name)
    return value


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


def _verdict(entry: Any) -> tuple[int, Verdict | None]:
    values = entry if isinstance(entry, dict) else {}
    number, found = values.get("question"), values.get("verdict")
    quote, answer = values.get("quote", ""), values.get("answer", "")
    if not (isinstance(number, int) and isinstance(quote, str) and isinstance(answer, str)):
        return 0, None
    if found not in _FINDINGS:
        return 0, None
    return number, Verdict(found=found, quote=writable(quote), answer=writable(answer))
