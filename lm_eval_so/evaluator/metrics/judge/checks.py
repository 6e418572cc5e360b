"""Verdicts on numbered statements: all of one request in one list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.judge.claims import one_line, read_object
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN
from lm_eval_so.evaluator.metrics.judge.verdict import label_key

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a judge says of one statement."""

    verdict: str
    """One of the words that were offered, or UNKNOWN."""
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
        count: How many statements there were, numbered from 1.
        words: The verdicts that were offered, without UNKNOWN.
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
        named = f'"{one_line(said)}"' if isinstance(said, str) else type(said).__name__
        figures = {"number": str(number), "verdict": named, "words": ", ".join(by_key.values())}
        return Unusable(code="unknown_verdict", figures=figures)
    reason = one_line(entry.get("reason"))
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
