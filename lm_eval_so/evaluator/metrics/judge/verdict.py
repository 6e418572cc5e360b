"""What a judge says: its output, parsed without guessing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_eval_so.core.text.profiles import basic

_MOST_OBJECTS = 100
_MOST_EVIDENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A usable output."""

    label: str
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Why an output cannot be used: the key of the text, and what to fill in."""

    code: str
    figures: Mapping[str, str] = field(default_factory=dict)


def read_verdict(output: str, labels: Mapping[str, str]) -> Verdict | Unusable:
    """Read a judge's output.

    Args:
        output: JSON, or a text with a JSON object in it.
        labels: Label by the form in which it is compared (`label_key`), aliases included.
    """
    objects = _find_objects(output)
    if not objects:
        return Unusable(code="no_json")
    found = objects[0]
    said = found["label"]
    if len({label_key(each["label"]) for each in objects}) > 1:
        return Unusable(code="several")  # the answer under test may have been quoted
    label = labels.get(label_key(said)) if isinstance(said, str | int | float) else None
    if label is None:
        shown = _one_line(said) if isinstance(said, str) else json.dumps(said)
        names = ", ".join(dict.fromkeys(labels.values()))
        return Unusable(code="unknown_label", figures={"label": f'"{shown}"', "labels": names})
    reason = found.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        return Unusable(code="no_reason")
    return Verdict(label=label, reason=_one_line(reason), evidence=_texts(found.get("evidence")))


def label_key(label: object) -> str:
    """Give the form in which labels are compared: without case, quotes and full stops."""
    return basic(str(label)).casefold().strip(" \"'`.。")


def _find_objects(output: str) -> list[dict[str, Any]]:
    """Give the JSON objects with a label; prose and fences around them do not matter."""
    decoder = json.JSONDecoder()
    objects: list[dict[str, Any]] = []
    position, tried = output.find("{"), 0
    while position >= 0 and tried < _MOST_OBJECTS:
        tried += 1
        try:
            found, end = decoder.raw_decode(output, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            if isinstance(found, dict) and "label" in found:
                objects.append(found)
        position = output.find("{", end)
    return objects


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, Iterable):
        return ()
    found = [_writable(text) for text in values if isinstance(text, str) and text.strip()]
    return tuple(found[:_MOST_EVIDENCE])


def _one_line(text: str) -> str:
    return " ".join(_writable(text).split())


def _writable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode()
