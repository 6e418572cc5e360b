"""JSON in an answer: the whole answer, in a fence, or between prose; read in one pass."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from lm_eval_so.core.records.codec import finite_number, refuse_constant
from lm_eval_so.core.text.forms import nfc

Extract = Literal["auto", "strict"]

DEEPEST: Final = 100
"""Limit of nesting; deeper text counts as no JSON."""

# Possessive, so that a quote which never closes costs one pass and no more.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)
_OPENER: Final = re.compile(r"[\[{]")
_LIKE_JSON: Final = re.compile(r'\{\s*+(?:["}]|\Z)|\[\s*+(?:["\[{\]\-0-9]|true|false|null|\Z)')
_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_MOST_UNCLOSED: Final = 20
"""Limit of unclosed brackets in prose that are skipped."""


def read_json(text: str, *, extract: Extract = "auto") -> Any:
    """Read the JSON of a text, its strings and keys in NFC.

    Args:
        text: The text.
        extract: "strict": the whole text must be JSON. "auto": the whole text, else the first fenced
            block of JSON, else the first balanced {…} or […] of JSON. A piece of a broken or cut
            value never counts.

    Returns:
        The value; the last one of a duplicate key, as in most parsers.

    Raises:
        ValueError: If there is no JSON; NaN, Infinity, numbers too large for a float and more than
            `DEEPEST` levels are not JSON.
    """
    for candidate in _candidates(text) if extract == "auto" else (text,):
        try:
            return _parse(candidate)
        except ValueError:
            continue
    raise ValueError("no JSON")


def _parse(text: str) -> Any:
    stripped = text.strip("\ufeff \t\r\n")
    if _depth(stripped) > DEEPEST:
        raise ValueError("nested too deeply")
    return composed(_STRICT.decode(stripped))


def _candidates(text: str) -> Iterator[str]:
    yield text
    yield from _fenced(text)
    yield from _balanced(text)


def _fenced(text: str) -> Iterator[str]:
    """Yield the content of fences; an unclosed fence reaches to the end."""
    fence, block = "", list[str]()
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if not fence:
            fence, block = (match[1], []) if match else ("", [])
        elif match and match[1].startswith(fence) and not match[2].strip():
            yield "".join(block)
            fence = ""
        else:
            block.append(line)
    if fence:
        yield "".join(block)


def _balanced(text: str) -> Iterator[str]:
    """Yield each outermost span of balanced brackets."""
    position, unclosed = 0, 0
    while (opener := _OPENER.search(text, position)) and unclosed < _MOST_UNCLOSED:
        end = _end(text, opener.start())
        if end is not None:
            yield text[opener.start() : end]
            position = end
        elif _LIKE_JSON.match(text, opener.start()):
            return  # cut off, or nested too deeply: what stands in it is not the answer
        else:
            position, unclosed = opener.end(), unclosed + 1


def _end(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += _STEPS.get(token[0], 0)
        if depth == 0:
            return token.end()
        if depth > DEEPEST:
            return None
    return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        depth += _STEPS.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


_STRICT: Final = json.JSONDecoder(parse_constant=refuse_constant, parse_float=finite_number)


def composed(value: Any) -> Any:
    """Return a JSON value with all texts in NFC, since escapes can spell decomposed texts."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, list):
        return [composed(item) for item in value]
    if isinstance(value, dict):
        return {nfc(key): composed(item) for key, item in value.items()}
    return value
