"""Outputs of models: proposed tests and conversations, renewals and verdicts, read without guessing."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.records.sample import Check, Scenario, SimulatedUser
from lm_eval_so.generator.clean import clean_text

T = TypeVar("T")
Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {name: {**schema} for name, schema in properties.items()},
        "required": [*properties],
        "additionalProperties": False,
    }


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": {**item}}


_TEXT: Final[Schema] = {"type": "string"}
_TEXTS = _list(_TEXT)
_CONDITIONS = _list(_object(type={**_TEXT, "enum": ["contains", "judge"]}, text=_TEXT))
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
_VERDICT = _object(
    question={"type": "integer"},
    verdict={**_TEXT, "enum": ["answers", "denies", "nothing"]},
    quote=_TEXT,
    answer=_TEXT,
)
VERDICTS: Final = _object(verdicts=_list(_VERDICT))
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

    found: Literal["answers", "denies", "nothing"]
    quote: str
    answer: str


class _WrongValueError(Exception):
    """A value that is not as its schema wants it; its text is the key."""


def read_candidate(output: str) -> Candidate | Unusable:
    """Read a proposal: one JSON object, with prose or a fence around it or not.

    Unknown keys do not count; `quote` with one text is read as `quotes`.

    Returns:
        The proposal; or `no_json`, `several`, or `bad_value` with the key.
    """

    def made(said: dict[str, Any]) -> Candidate:
        turns = ((turn["user"], turn["assistant"]) for turn in said["history"])
        return Candidate(
            question=said["question"],
            answer=said["answer"],
            quotes=_unique(said["quotes"]),
            must_say=_unique(said["must_say"]),
            search=_unique(said["search"]),
            history=tuple(turn for turn in turns if any(turn)),
        )

    return _read(output, "question", SCHEMA, made)


def read_scene(output: str) -> Candidate | Unusable:
    """Read a proposed conversation; what it returns as in `read_candidate`, by the key `opening`."""

    def made(said: dict[str, Any]) -> Candidate:
        facts = {each["name"]: each["value"] for each in said["facts"]}
        facts = {name: value for name, value in facts.items() if name and value}
        success, must_not = (
            tuple(Check(**check) for check in said[name] if check["text"])
            for name in ("success", "must_not")
        )
        must_say = tuple(check.text for check in success if check.type == "contains")
        user = SimulatedUser(goal=said["goal"], opening=said["opening"], facts=facts)
        return Candidate(
            question=said["opening"],
            answer="\n".join(must_say) or said["goal"],
            quotes=_unique(said["quotes"]),
            must_say=must_say,
            scene=Scenario(simulated_user=user, success=success, must_not=must_not),
        )

    return _read(output, "opening", SCENE_SCHEMA, made)


def read_renewal(output: str) -> Renewal | Unusable:
    """Read what a model says of a test whose document changed; reasons as of `read_candidate`."""

    def made(said: dict[str, Any]) -> Renewal:
        return Renewal(
            still_true=said["still_true"],
            answer=said["answer"],
            quotes=_unique(said["quotes"]),
            must_say=_unique(said["must_say"]),
        )

    return _read(output, "still_true", RENEWAL_SCHEMA, made)


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
        with suppress(_WrongValueError):
            known = entry if isinstance(entry, dict) else {}
            each = _fitted({"quote": "", "answer": "", **known}, _VERDICT)
            verdict = Verdict(found=each["verdict"], quote=each["quote"], answer=each["answer"])
            found.setdefault(each["question"], verdict)
    missing = next((n for n in range(1, count + 1) if n not in found), None)
    if missing is not None:
        return Unusable(code="no_verdict", figures={"n": str(missing)})
    return tuple(found[n] for n in range(1, count + 1))


def _read(
    output: str, wanted: str, schema: Schema, made: Callable[[dict[str, Any]], T]
) -> T | Unusable:
    values = _find_one(output, wanted)
    if isinstance(values, Unusable):
        return values
    values = {"quotes": values.get("quote"), **values}
    if isinstance(facts := values.get("facts"), dict):
        values["facts"] = [{"name": name, "value": value} for name, value in facts.items()]
    try:
        fitted = _fitted(values, schema)
        if values["quotes"] is None:  # other lists may be missing
            raise _WrongValueError("quotes")  # noqa: TRY301 - the same end
    except _WrongValueError as error:
        return Unusable(code="bad_value", figures={"key": str(error)})
    return made(fitted)


def _find_one(output: str, wanted: str) -> dict[str, Any] | Unusable:
    objects = find_objects(output, wanted)
    if not objects:
        return Unusable(code="no_json")
    if any(each != objects[0] for each in objects):
        return Unusable(code="several")
    return objects[0]


def _fitted(value: Any, schema: Schema, at: str = "") -> Any:
    """Return a value as its schema wants it, with clean texts; a list may be missing, or its only text stand alone."""
    kind = schema["type"]
    if kind == "array":
        listed = [value] if isinstance(value, str) and schema["items"] == _TEXT else value
        if listed is None or isinstance(listed, list):
            return [_fitted(each, schema["items"], at) for each in listed or ()]
    elif kind == "object" and isinstance(value, dict):
        inside = schema["properties"].items()
        return {n: _fitted(value.get(n), inner, f"{at}.{n}" if at else n) for n, inner in inside}
    elif kind == "string" and isinstance(value, str) and value in schema.get("enum", [value]):
        return clean_text(writable(value))
    elif kind in {"boolean", "integer"} and isinstance(value, bool if kind == "boolean" else int):
        return value
    raise _WrongValueError(at)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
