"""Statements that judges list or check: claims, each with a quote, and verdicts by number."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.judge.panel.labels import label_key, one_line
from lm_eval_so.evaluator.metrics.judge.panel.prompt import UNKNOWN
from lm_eval_so.evaluator.metrics.judge.panel.replies import LONGEST_WORD, in_brief

MOST_CLAIMS = 30
"""Largest number of claims that a judge may list."""

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
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Statement that a text makes."""

    text: str
    """Statement, readable without the text."""
    quote: str
    """Words of the text that make the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Claims that a judge listed."""

    kept: tuple[Claim, ...] = ()
    dropped: int = 0
    """Number of claims whose quote is not in the text."""


def read_claims(output: str, text: str) -> Claims | Unusable:
    """Read a list of claims, and drop those that the text does not make.

    Args:
        output: JSON, or a text with a JSON object in it.
        text: Text that was taken apart.
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
    """Return the function that finds a quote in a text, but for a few characters."""
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
        key: Name of the list.
    """
    objects = find_objects(output, key)
    if not objects or not isinstance(objects[0][key], list):
        return Unusable(code="no_object", figures={"key": f'"{key}"'})
    if any(each != objects[0] for each in objects):
        return Unusable(code="several")  # the text under test may have been quoted
    return objects[0]


def _claim(entry: object) -> Claim | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("quote"), str):
        return None
    text = in_brief(one_line(entry.get("claim")))
    return Claim(text=text, quote=one_line(entry["quote"])) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Verdict of a judge on one statement."""

    verdict: str
    """Offered word, or UNKNOWN."""
    reason: str
    evidence: tuple[str, ...] = ()


def checks_schema(words: Sequence[str]) -> dict[str, JsonValue]:
    """Return the JSON Schema of a list of verdicts; each reason comes before its verdict."""
    entry: dict[str, JsonValue] = {
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "reason": {"type": "string"},
            "evidence": {"type": "string"},
            "verdict": {"type": "string", "enum": [*words, UNKNOWN]},
        },
        "required": ["number", "reason", "evidence", "verdict"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"verdicts": {"type": "array", "items": entry}},
        "required": ["verdicts"],
        "additionalProperties": False,
    }


def numbered(texts: Iterable[str]) -> str:
    """Return statements as a numbered list, each on one line, so that none can pose as two."""
    return "\n".join(f"{number}. {one_line(text)}" for number, text in enumerate(texts, 1))


def read_checks(output: str, count: int, words: Sequence[str]) -> tuple[Check, ...] | Unusable:
    """Read the verdicts on numbered statements, in the order of the numbers.

    Args:
        output: JSON, or a text with a JSON object in it.
        count: Number of statements, numbered from 1.
        words: Offered verdicts, without UNKNOWN.
    """
    found = read_object(output, "verdicts")
    if isinstance(found, Unusable):
        return found
    entries = [entry for entry in found["verdicts"] if isinstance(entry, Mapping)]
    numbers = [_number(entry.get("number")) for entry in entries]
    if len(entries) != len(found["verdicts"]) or sorted(numbers) != [*range(1, count + 1)]:
        return Unusable(code="wrong_numbers", figures={"n": str(count)})
    by_key = {label_key(word): word for word in (*words, UNKNOWN)}
    checks: dict[int, Check] = {}
    for number, entry in zip(numbers, entries, strict=True):
        check = _check(number, entry, by_key)
        if isinstance(check, Unusable):
            return check
        checks[number] = check
    return tuple(checks[number] for number in sorted(checks))


def shown(texts: Sequence[str]) -> str:
    """Return texts for one line of a report: quoted, the first of many."""
    more = " …" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(f'"{text}"' for text in texts[:_MOST_SHOWN]) + more


def _check(number: int, entry: Mapping[str, object], by_key: Mapping[str, str]) -> Check | Unusable:
    said = entry.get("verdict")
    verdict = by_key.get(label_key(said)) if isinstance(said, str) else None
    if verdict is None:
        named = (
            f'"{in_brief(one_line(said), LONGEST_WORD)}"'
            if isinstance(said, str)
            else type(said).__name__
        )
        figures = {"number": str(number), "verdict": named, "words": ", ".join(by_key.values())}
        return Unusable(code="unknown_verdict", figures=figures)
    reason = in_brief(one_line(entry.get("reason")))
    if not reason:
        return Unusable(code="no_reason_of", figures={"number": str(number)})
    evidence = entry.get("evidence")
    quotes = map(one_line, evidence if isinstance(evidence, list) else [evidence])
    return Check(verdict=verdict, reason=reason, evidence=tuple(filter(None, quotes)))


def _number(value: object) -> int:
    """Return a number that may have been written as text; 0 if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
