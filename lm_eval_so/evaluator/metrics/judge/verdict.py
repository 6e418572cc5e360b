"""What a judge says: its output, parsed without guessing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.text.profiles import basic

_MOST_EVIDENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A usable output."""

    label: str
    reason: str
    evidence: tuple[str, ...] = ()


def read_verdict(output: str, labels: Mapping[str, str]) -> Verdict | Unusable:
    """Read a judge's output.

    Args:
        output: JSON, or a text with a JSON object in it.
        labels: Label by the form in which it is compared (`label_key`), aliases included.
    """
    objects = find_objects(output, "label")
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
    """Return the form in which labels are compared: without case, quotes and full stops."""
    return basic(str(label)).casefold().strip(" \"'`.。")


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, Iterable):
        return ()
    found = [writable(text) for text in values if isinstance(text, str) and text.strip()]
    return tuple(found[:_MOST_EVIDENCE])


def _one_line(text: str) -> str:
    return " ".join(writable(text).split())
