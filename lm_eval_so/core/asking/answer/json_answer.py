"""JSON in answers: read without guessing, and asked for once more if it cannot be used."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.enums import RunStatus

_MOST_OBJECTS = 100
_TOKEN_LIMITS = ("max_tokens", "max_completion_tokens")
_THOUGHT = re.compile(r"\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"[^{]*?</think(?:ing)?>", re.IGNORECASE)
"""End of thoughts whose beginning stands in the prompt, as some chat templates put it there."""

Ask = Callable[[ChatRequest], Awaitable[Answer]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Reason that an output cannot be used: the key of a text, and its figures."""

    code: str
    figures: Mapping[str, str] = field(default_factory=dict)


async def ask_for_json(
    ask: Ask,
    request: ChatRequest,
    *,
    read: Callable[[str], T | Unusable],
    repair: Callable[[Unusable], str],
) -> tuple[T | Unusable | Answer, tuple[Answer, ...]]:
    """Ask, and once more if the output cannot be used.

    Args:
        ask: Function that asks the model.
        request: Request to send.
        read: Function that reads an output.
        repair: Function that words, for the model, why an output cannot be used.

    Returns:
        The value that was read, or the reason that there is none, or the answer without an
        output; and all answers.
    """
    first = await ask(request)
    found = _read(first, read)
    if not isinstance(found, Unusable):
        return found, (first,)
    second = await ask(_once_more(request, first, found, repair(found)))
    return _read(second, read), (first, second)


def find_objects(output: str, key: str) -> list[dict[str, Any]]:
    """Return the JSON objects that have a key; prose and fences around them do not matter.

    Lines may break inside of a string. An object with a key twice, its values different, is
    returned twice, once with each value, so that a reader sees that the output contradicts itself.
    """
    objects: list[dict[str, Any]] = []
    position, tried = output.find("{"), 0
    while position >= 0 and tried < _MOST_OBJECTS:
        tried += 1
        try:
            found, end = _LAST.raw_decode(output, position)
            first, _ = _FIRST.raw_decode(output, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            readings = [found] if first == found else [first, found]
            objects += [each for each in readings if isinstance(each, dict) and key in each]
        position = output.find("{", end)
    return objects


def _with_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


_LAST = json.JSONDecoder(strict=False)
_FIRST = json.JSONDecoder(strict=False, object_pairs_hook=_with_first)
"""Decoder that takes the first value of a key that stands twice; the other takes the last."""


def without_thoughts(output: str) -> str:
    """Return an output without the thoughts before it: what they quote or try is no result."""
    for pattern in (_THOUGHT, _THOUGHT_END):
        if thought := pattern.match(output):
            return output[thought.end() :]
    return output


def writable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _read(answer: Answer, read: Callable[[str], T | Unusable]) -> T | Unusable | Answer:
    """Read an answer; an answer itself means that there is nothing to read in it."""
    if answer.status is RunStatus.TRUNCATED:
        return Unusable(code="cut")
    if answer.status not in {RunStatus.OK, RunStatus.EMPTY} or answer.response is None:
        return answer
    return read(without_thoughts(answer.response.text))


def _once_more(request: ChatRequest, answer: Answer, why: Unusable, told: str) -> ChatRequest:
    said = answer.response.text if answer.response else ""
    params = dict(request.params)
    if why.code == "cut":
        for key in _TOKEN_LIMITS:
            limit = params.get(key)
            params |= {key: limit * 2} if isinstance(limit, int) else {}
    turns = [Message(role="assistant", content=said)] if said.strip() else []
    messages = (*request.messages, *turns, Message(role="user", content=told))
    return replace(request, messages=messages, params=params, turn=request.turn + 1)
