"""What a judge is told: templates filled with rubric, labels and material."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.asking.answer.markers import between_markers, choose_marker
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say, texts

UNKNOWN = "UNKNOWN"
"""The label of a judge that cannot decide."""


def fill(
    language: Language,
    template_name: str,
    material: Mapping[str, str],
    marker_seed: str,
    **slots: str,
) -> str:
    """Fill a template.

    Args:
        language: Language of the instructions.
        template_name: Name of the template, without the ending.
        material: Foreign texts by the word in their markers, as INPUT and ANSWER; they stand in
            the slot `material`.
        marker_seed: What the marker is drawn from, the same for the same row.
        slots: Text of every other slot.
    """
    marker = choose_marker(marker_seed, [*slots.values(), *material.values()])
    shown = between_markers(material.items(), marker)
    return _template(language, template_name).substitute(slots, material=shown)


def pointwise_prompt(
    language: Language,
    *,
    rubric: str,
    labels: Sequence[str],
    material: Mapping[str, str],
    marker_seed: str,
    template_name: str = "pointwise",
) -> str:
    """Fill a template whose verdict is a label.

    Args:
        language: Language of the instructions.
        rubric: What the judge is to look for.
        labels: The labels, without UNKNOWN.
        material: As of `fill`.
        marker_seed: As of `fill`.
        template_name: As of `fill`.
    """
    return fill(
        language,
        template_name,
        material,
        marker_seed,
        rubric=rubric.strip(),
        labels="\n".join(f"- {label}" for label in labels),
        names=", ".join([*labels, UNKNOWN]),
    )


def repair_prompt(language: Language, *, problem: str, schema: Mapping[str, JsonValue]) -> str:
    """Fill the template that asks for a usable output."""
    shown = json.dumps(schema, ensure_ascii=False, indent=1)
    return _template(language, "repair").substitute(problem=problem, schema=shown)


def verdict_schema(labels: Sequence[str]) -> dict[str, JsonValue]:
    """Return the JSON Schema of a verdict.

    The reason comes first, so that it is thought of first.
    """
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "evidence": {"type": "array", "items": {"type": "string"}},
            "label": {"type": "string", "enum": [*labels, UNKNOWN]},
        },
        "required": ["reason", "evidence", "label"],
        "additionalProperties": False,
    }


def problem_text(language: Language, why: Unusable) -> str:
    """Say why an output cannot be used."""
    return say(f"judge.{why.code}", language, why.figures)


@cache
def template_digest(language: Language, *names: str) -> str:
    """Return the digest of all that a judge is told besides the slots and the material.

    Args:
        language: Language of the instructions.
        names: The templates, without that of the repair.
    """
    told = [_template(language, name).template for name in (*names, "repair")]
    problems = {k: v for k, v in texts(language).items() if k.startswith("judge.")}
    return digest([told, problems])


@cache
def _template(language: Language, name: str) -> Template:
    folder = files(__package__).joinpath("templates", language.value)
    return Template(folder.joinpath(f"{name}.txt").read_text("utf-8").strip())
