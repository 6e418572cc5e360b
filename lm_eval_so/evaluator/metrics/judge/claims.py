"""The claims of a text: listed by a judge, each with a quote that must stand in the text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.text.profiles import basic

MOST_CLAIMS = 30
"""Claims that a judge may list of one text."""

CLAIMS_SCHEMA: Mapping[str, JsonValue] = {
    "type": "object",
    "properties": {
        "claims": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"quote": {"type": "string"}, "claim": {"type": "string"}},
                "required": ["quote", "claim"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["claims"],
    "additionalProperties": False,
}
"""JSON Schema of a list of claims; the quote comes first, so that the claim is made from it."""

_LEAST_SIMILAR = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement that a text makes."""

    text: str
    """The statement, readable without the text."""
    quote: str
    """The words of the text that make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a judge listed."""

    kept: tuple[Claim, ...] = ()
    dropped: int = 0
    """Claims whose quote does not stand in the text."""


def read_claims(output: str, text: str) -> Claims | Unusable:
    """Read a list of claims, and drop those that the text does not make.

    Args:
        output: JSON, or a text with a JSON object in it.
        text: The text that was taken apart.
    """
    found = read_object(output, "claims")
    if isinstance(found, Unusable):
        return found
    listed = found["claims"]
    if len(listed) > MOST_CLAIMS:
        figures = {"n": str(len(listed)), "most": str(MOST_CLAIMS)}
        return Unusable(code="too_many_claims", figures=figures)
    claims = [_claim(entry) for entry in listed]
    if None in claims:
        return Unusable(code="no_claim", figures={"place": str(claims.index(None) + 1)})
    stands_in_text = quote_finder(text)
    kept = tuple(claim for claim in claims if claim and stands_in_text(claim.quote))
    return Claims(kept=kept, dropped=len(claims) - len(kept))


def quote_finder(text: str) -> Callable[[str], bool]:
    """Return what says whether a quote stands in a text, but for a few characters."""
    from rapidfuzz import fuzz  # noqa: PLC0415 - only a judge that lists claims needs it

    within = basic(text)

    def is_in(quote: str) -> bool:
        sought = basic(quote)
        # a quote longer than the text is compared whole: its best part would always fit
        compare = fuzz.partial_ratio if len(sought) <= len(within) else fuzz.ratio
        return bool(sought) and compare(sought, within) >= _LEAST_SIMILAR

    return is_in


def read_object(output: str, key: str) -> dict[str, Any] | Unusable:
    """Return the one JSON object of an output that has a list under a key.

    Args:
        output: JSON, or a text with a JSON object in it.
        key: The key.
    """
    objects = find_objects(output, key)
    if not objects or not isinstance(objects[0][key], list):
        return Unusable(code="no_object", figures={"key": f'"{key}"'})
    if any(each != objects[0] for each in objects):
        return Unusable(code="several")  # the text under test may have been quoted
    return objects[0]


def one_line(value: object) -> str:
    """Return a text on one line; "" if it is none."""
    return " ".join(writable(value).split()) if isinstance(value, str) else ""


def _claim(entry: object) -> Claim | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("quote"), str):
        return None
    text = one_line(entry.get("claim"))
    return Claim(text=text, quote=one_line(entry["quote"])) if text else None
