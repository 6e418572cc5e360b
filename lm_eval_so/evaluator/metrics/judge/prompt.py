"""What a judge is told: templates filled with rubric, labels and material."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template

from pydantic import JsonValue

from lm_eval_so.core.asking.markers import between_markers, choose_marker
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import texts

UNKNOWN = "UNKNOWN"
"""The label of a judge that cannot decide."""


def pointwise_prompt(
    language: Language,
    *,
    rubric: str,
    labels: Sequence[str],
    material: Mapping[str, str],
    marker_seed: str,
) -> str:
    """Fill the template for one answer.

    Args:
        language: Language of the instructions.
        rubric: What the judge is to look for.
        labels: The labels, without UNKNOWN.
        material: Texts by the word in their markers: INPUT, ANSWER, REFERENCE, CONTEXT.
        marker_seed: What the marker is drawn from, the same for the same row.
    """
    marker = choose_marker(marker_seed, [rubric, *material.values()])
    return _template(language, "pointwise").substitute(
        rubric=rubric.strip(),
        labels="\n".join(f"- {label}" for label in labels),
        material=between_markers(material.items(), marker),
        names=", ".join([*labels, UNKNOWN]),
    )


def repair_prompt(language: Language, *, problem: str, schema: Mapping[str, JsonValue]) -> str:
    """Fill the template that asks for a usable output."""
    shown = json.dumps(schema, ensure_ascii=False, indent=1)
    return _template(language, "repair").substitute(problem=problem, schema=shown)


def verdict_schema(labels: Sequence[str]) -> dict[str, JsonValue]:
    """Give the JSON Schema of a verdict; the reason comes first, so that it is thought of first."""
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


@cache
def template_digest(language: Language) -> str:
    """Give the digest of all that a judge is told besides rubric, labels and material."""
    told = [_template(language, name).template for name in ("pointwise", "repair")]
    problems = {k: v for k, v in texts(language).items() if k.startswith("judge.")}
    return digest([told, problems])


@cache
def _template(language: Language, name: str) -> Template:
    folder = files(__package__).joinpath("templates", language.value)
    return Template(folder.joinpath(f"{name}.txt").read_text("utf-8").strip())
