"""The prompt of a simulated user, and the reader of its output."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.asking.answer.markers import between_markers, choose_marker
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import Turn
from lm_eval_so.core.records.sample import SimulatedUser
from lm_eval_so.core.words import say, texts

_MOST_CHARACTERS = 2000
_REASONS = ("goal", "gave_up")

SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "progress": {"type": "boolean"},
        "done": {"type": "boolean"},
        "reason": {"type": "string", "enum": [*_REASONS, "open"]},
        "message": {"type": "string"},
    },
    "required": ["progress", "done", "reason", "message"],
    "additionalProperties": False,
}
"""JSON Schema of the output of a simulated user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Next move of a simulated user."""

    message: str
    has_progress: bool
    ended: str | None = None
    """goal or gave_up, once done."""


def user_prompt(
    language: Language, user: SimulatedUser, turns: Sequence[Turn], *, marker_seed: str
) -> str:
    """Fill the template; the criteria of success and failure are never in it.

    Args:
        language: Language of the instructions.
        user: The user to play.
        turns: Turns so far.
        marker_seed: Seed of the marker, the same for the same row.
    """
    said = [text for turn in turns for text in (("YOU", turn.user), ("CHATBOT", turn.text))]
    marker = choose_marker(marker_seed, [text for _, text in said])
    facts = [f"{name}: {value}" for name, value in user.facts.items()]
    return _template(language, "user").substitute(
        persona=_listed(_persona(user), else_=say("simulator.anyone", language)),
        goal=user.goal.strip(),
        facts=_listed(facts, else_=say("simulator.nothing", language)),
        conversation=between_markers(said, marker) or say("simulator.silence", language),
    )


def repair_prompt(language: Language, why: Unusable) -> str:
    """Fill the template that asks for a usable output."""
    problem = say(f"simulator.{why.code}", language, why.figures)
    schema = json.dumps(SCHEMA, ensure_ascii=False, indent=1)
    return _template(language, "repair").substitute(problem=problem, schema=schema)


def read_move(output: str, *, is_first: bool) -> Move | Unusable:
    """Read the output of a model that plays a user.

    Args:
        output: JSON, or a text with a JSON object in it.
        is_first: Whether nothing has been said yet.
    """
    objects = find_objects(output, "message")
    if not objects:
        return Unusable(code="no_json")
    found = objects[0]
    if any(each != found for each in objects):
        return Unusable(code="several")  # the chatbot may have been quoted
    wrong = [key for key in ("progress", "done") if not isinstance(found.get(key), bool)]
    if wrong:
        return Unusable(code="not_boolean", figures={"key": wrong[0]})
    return _end(found, is_first=is_first) if found["done"] else _message(found)


def _message(found: Mapping[str, Any]) -> Move | Unusable:
    message = found["message"]
    if not isinstance(message, str) or not message.strip():
        return Unusable(code="no_message")
    if len(message) > _MOST_CHARACTERS:
        return Unusable(code="too_long", figures={"most": f"{_MOST_CHARACTERS:,}"})
    return Move(message=writable(message.strip()), has_progress=found["progress"])


def _end(found: Mapping[str, Any], *, is_first: bool) -> Move | Unusable:
    if is_first:
        return Unusable(code="too_early")
    if found.get("reason") not in _REASONS:
        return Unusable(code="no_reason", figures={"reasons": ", ".join(_REASONS)})
    return Move(message="", has_progress=found["progress"], ended=found["reason"])


@cache
def template_digest(language: Language) -> str:
    """Return the digest of everything that a simulated user is told besides its sample."""
    told = [_template(language, name).template for name in ("user", "repair")]
    problems = {k: v for k, v in texts(language).items() if k.startswith("simulator.")}
    return digest([told, problems])


def _persona(user: SimulatedUser) -> list[str]:
    persona = user.persona
    if persona is None:
        return []
    return [persona.name, *persona.traits, *([persona.style] if persona.style else [])]


def _listed(texts_: Sequence[str], *, else_: str) -> str:
    return "\n".join(f"- {text}" for text in texts_) or else_


@cache
def _template(language: Language, name: str) -> Template:
    folder = files(__package__).joinpath("templates", language.value)
    return Template(folder.joinpath(f"{name}.txt").read_text("utf-8").strip())
