"""Prompts of judges: templates filled with rubrics, labels and foreign texts."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Template

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.asking.answer.markers import between_markers, choose_marker
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.templates.user import TemplateFault, UserTemplate
from lm_eval_so.core.words import say, texts

UNKNOWN = "UNKNOWN"
"""Label of a judge that cannot decide."""

_NOTES = {
    re.compile("EXAMPLE"): "note_examples",
    re.compile("INSTRUCTIONS"): "note_instructions",
    re.compile("TOOL CALLS"): "note_calls",
    re.compile(r"REFERENCE \d"): "note_references",
    re.compile("REPORTED CONTEXT"): "note_reported",
}
"""Notes on texts, by a pattern of the word in their markers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Answer that a request is about."""

    seed: str
    """Text that the marker is drawn from, the same for the same row."""
    sample_id: str
    repeat: int = 0
    session: str | None = None
    """Name of the exchange, one per request of a row; default: the seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One message to a judge, in either language, and the form of its output."""

    template: str
    """Name of the template, without the ending."""
    schema: Mapping[str, JsonValue]
    """JSON Schema of the output."""
    material: Mapping[str, str]
    """Foreign texts by the word in their markers, such as INPUT and ANSWER."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Text of each slot but `material`."""

    def text(self, language: Language, seed: str, own: UserTemplate | None = None) -> str:
        """Return the message, its foreign texts between markers drawn from a seed.

        Args:
            language: Language of the instructions.
            seed: Text that the marker is drawn from.
            own: Template of the user's, in place of ours.

        Raises:
            TemplateFault: If that cannot be filled.
        """
        marker = choose_marker(seed, [*self.slots.values(), *self.material.values()])
        shown = "\n\n".join(
            [*self._notes(language), between_markers(self.material.items(), marker)]
        )
        if own is not None:
            return str(own.render({**self.slots, "material": shown})).strip()
        return _template(language, self.template).substitute(self.slots, material=shown)

    def _notes(self, language: Language) -> list[str]:
        """Return what has to be said of the texts that only some rows have."""
        found = [key for word, key in _NOTES.items() if any(map(word.match, self.material))]
        return ["\n".join(f"- {say(f'judge.{key}', language)}" for key in found)] if found else []

    def request(self, language: Language, row: Row, own: UserTemplate | None = None) -> ChatRequest:
        """Return the request that consists of this message; as `text`."""
        return ChatRequest(
            messages=(Message(role="user", content=self.text(language, row.seed, own)),),
            response_format=self.schema,
            session=row.session or row.seed,
            sample_id=row.sample_id,
            repeat=row.repeat,
        )


@cache
def own_template(source: str, name: str) -> UserTemplate:
    """Return a template of the user's that stands for one of ours, and so fills the same slots.

    Args:
        source: The template.
        name: Name of ours.

    Raises:
        TemplateFault: If it is no template, uses what ours does not, or leaves the material out.
    """
    template = UserTemplate(source, known=_template(Language.EN, name).get_identifiers())
    if "material" not in template.names:
        raise TemplateFault("it lacks {{ material }}, the texts to judge")
    return template


def repair_prompt(language: Language, *, problem: str, schema: Mapping[str, JsonValue]) -> str:
    """Return the message that asks for a usable output."""
    shown = json.dumps(schema, ensure_ascii=False, indent=1)
    return _template(language, "repair").substitute(problem=problem, schema=shown)


def problem_text(language: Language, why: Unusable) -> str:
    """Say why an output cannot be used."""
    return say(f"judge.{why.code}", language, why.figures)


@cache
def template_digest(language: Language, *names: str, own: str | None = None) -> str:
    """Return the digest of all instructions to a judge besides slots and foreign texts.

    Args:
        language: Language of the instructions.
        names: Names of the templates, without that of the repair.
        own: Template of the user's that stands for them.
    """
    ours = [_template(language, name).template for name in (*names, "repair")]
    told = ours if own is None else [own, ours[-1]]
    problems = {k: v for k, v in texts(language).items() if k.startswith("judge.")}
    return digest([told, problems])


@cache
def _template(language: Language, name: str) -> Template:
    folder = files(__package__).joinpath("templates", language.value)
    return Template(folder.joinpath(f"{name}.txt").read_text("utf-8").strip())
