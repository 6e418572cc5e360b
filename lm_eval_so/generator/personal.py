"""Personal data of sources: replaced by placeholders, or left out, before anything else sees it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.config.sources import PiiSection
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.core.text.personal_data import Kind, find_personal_data, squeezed
from lm_eval_so.generator.clean import clean_text, clean_value
from lm_eval_so.generator.sources.base import (
    KINDS,
    ProposedMetrics,
    RawItem,
    Reason,
    Reject,
    excerpt,
)
from lm_eval_so.generator.sources.json_values import BadJsonError, parse_strict

T = TypeVar("T")
_PLACEHOLDER: Final = re.compile(r"\[(?:API_KEY|EMAIL|RRN|CARD|PASSPORT|LICENSE|PHONE)_[0-9]+\]")


def has_placeholder(text: str) -> bool:
    """Return whether personal data stood in a text."""
    return _PLACEHOLDER.search(text) is not None


def without_numbers(text: str) -> str:
    """Return a text whose placeholders have no numbers, which others before them may change."""
    return _PLACEHOLDER.sub(lambda match: f"{match[0].rpartition('_')[0]}]", text)


def personal_data_of(text: str, *, but: str = "") -> str | None:
    """Return the kind of the first personal data in a text; None if there is none.

    Args:
        text: The text.
        but: Text whose own personal data does not count.
    """
    found = find_personal_data(text, KINDS)
    known = squeezed(but) if found else ""
    return next((each.kind for each in found if each.plain not in known), None)


def is_personal(text: str) -> bool:
    """Return whether a text holds personal data, or did."""
    return has_placeholder(text) or personal_data_of(text) is not None


class Placeholders:
    """Puts placeholders into the texts of one record or document: equal data, equal placeholder.

    `010-0000-1234` becomes `[PHONE_1]`, the next other number `[PHONE_2]`; landlines count as phones.

    Args:
        section: The settings.
    """

    def __init__(self, section: PiiSection) -> None:
        self._is_off = section.action == "off"
        self._allowed = frozenset(map(squeezed, section.allow))
        self._names: dict[str, dict[str, str]] = {}
        self.found: Counter[str] = Counter()
        """Replaced items by kind."""

    def text(self, text: str) -> str:
        """Return a text with placeholders for its personal data, but for what is allowed."""
        while not self._is_off:  # what is replaced may lay bare what it ran into
            pieces, position = [], 0
            for each in find_personal_data(text, KINDS):
                is_masked = each.masked == text[each.start : each.end]
                if not is_masked and each.plain not in self._allowed:
                    pieces += [text[position : each.start], self._name(each.kind, each.plain)]
                    position = each.end
            if not pieces:
                break
            text = "".join([*pieces, text[position:]])
        return text

    def value(self, value: JsonValue) -> JsonValue:
        """Return a JSON value with placeholders in its texts, keys, whole numbers and texts of JSON."""
        match value:
            case str():
                return self._json(value) or self.text(value)
            case list():
                return [self.value(item) for item in value]
            case dict():
                return {self.text(key): self.value(item) for key, item in value.items()}
            case int() if not isinstance(value, bool):
                text = self.text(str(value))
                return value if text == str(value) else text
            case _:
                return value

    def _json(self, text: str) -> str | None:
        """Return a text that is JSON, whose escapes may hide data, with placeholders; None if it is none."""
        if not text.startswith(("[", "{")):
            return None
        try:
            parsed = parse_strict(text)
        except BadJsonError:
            return None
        replaced = self.value(parsed)
        return text if replaced == parsed else dump_line(replaced)

    def _name(self, kind: Kind, plain: str) -> str:
        shown = "phone" if kind == "landline" else kind
        self.found[shown] += 1
        names = self._names.setdefault(shown, {})
        return names.setdefault(plain, f"[{shown.upper()}_{len(names) + 1}]")


def clean_record(
    item: T | RawItem, section: PiiSection, found: Counter[str]
) -> T | RawItem | Reject:
    """Return a record with clean texts and without personal data; or why it is left out.

    Args:
        item: The record, or metrics that a file proposes; anything else passes as it is.
        section: Handling of personal data.
        found: Items of personal data by kind; those of this record are added.
    """
    names = Placeholders(section)
    if isinstance(item, ProposedMetrics):
        item = replace(item, yaml=names.text(item.yaml))
        found.update(names.found)
    if not isinstance(item, RawItem):
        return item
    payload: Mapping[str, JsonValue] = {
        names.text(clean_text(key)): names.value(clean_value(value))
        for key, value in item.payload.items()
    }
    found.update(names.found)
    if len(payload) < len(item.payload):
        reason, what = Reason.BAD_JSON, "two keys are the same once cleaned"
    elif names.found and section.action == "drop":
        reason, what = Reason.PII_DROP, f"it holds personal data ({', '.join(sorted(names.found))})"
    else:
        return RawItem(file=item.file, at=item.at, payload=payload)
    shown = excerpt(dump_line(payload))
    return Reject(file=item.file, at=item.at, reason=reason, what=what, excerpt=shown)
