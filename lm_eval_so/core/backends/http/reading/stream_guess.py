"""A streamed answer that came as one text: which of its events hold the answer, where, and how it ends."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.backends.http.reading.paths import compile_path, likely_path
from lm_eval_so.core.http.sse import Event, read_events

_BEGINNINGS: Final = ("data:", "event:", "id:", ":")
_END_NAMES: Final = ("finish_reason", "finishReason", "stop_reason", "done_reason")
_FEWEST: Final = 3
"""Fewest texts that tell pieces of an answer from all of it so far."""
_DELTAS: Final = ("delta", "token", "chunk", "answer")
"""Keys of a new piece of an answer that are usual in streams, beside those of whole answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A stream as it can be read."""

    options: dict[str, JsonValue]
    """The options `stream` and, if they tell its end, `response`."""
    answer: str


def looks_streamed(text: str) -> bool:
    """Return whether a body is server-sent events, or JSON values a line each."""
    lines = [line for line in text.splitlines() if line.strip()]
    if text.lstrip().startswith(_BEGINNINGS):
        return True
    return len(lines) > 1 and all(isinstance(json_or_none(line), dict) for line in lines)


async def guess_stream(text: str) -> Streamed | None:
    """Return how a stream is read; None if no piece of an answer or no end is found in it."""
    if text.lstrip().startswith(_BEGINNINGS):
        events = [event async for event in read_events(_chunks(f"{text}\n\n"))]
        format_ = "sse"
    else:
        events = [Event("message", line) for line in text.splitlines() if line.strip()]
        format_ = "ndjson"
    found = [(each, json_or_none(each.data)) for each in events]
    kind, path = _pieces(found)
    if path is None:
        return None
    find = compile_path(path)
    texts = [
        piece
        for event, values in found
        if event.event == kind and isinstance(piece := find(values), str) and piece
    ]
    stream: dict[str, JsonValue] = {"format": format_}
    if kind != "message":
        stream["event"] = kind
    stream["delta"] = path
    is_whole = len(texts) >= _FEWEST and all(
        later.startswith(earlier) for earlier, later in pairwise(texts)
    )
    if is_whole:
        stream["cumulative"] = True
    end = _end(events, found, kind)
    if end is None or not "".join(texts).strip():
        return None
    options: dict[str, JsonValue] = {"stream": stream | end[0]}
    if end[1]:
        options["response"] = {"finish_reason": end[1]}
    return Streamed(options=options, answer=texts[-1] if is_whole else "".join(texts))


async def _chunks(text: str) -> AsyncIterator[bytes]:
    yield text.encode("utf-8", "replace")


def _pieces(found: Sequence[tuple[Event, JsonValue]]) -> tuple[str, str | None]:
    """Return the type of the events that hold the answer, and the path in them: the most frequent."""
    seen: dict[tuple[str, str], int] = {}
    for event, values in found:
        path = _path(values)
        if path is not None:
            seen[event.event, path] = seen.get((event.event, path), 0) + 1
    if not seen:
        return "message", None
    return max(seen, key=lambda each: seen[each])


def _path(values: JsonValue) -> str | None:
    if isinstance(values, dict):
        for name in _DELTAS:
            if isinstance(values.get(name), str):
                return name
    return likely_path(values, "answer")


def _end(
    events: Sequence[Event], found: Sequence[tuple[Event, JsonValue]], kind: str
) -> tuple[dict[str, JsonValue], str | None] | None:
    """Return the key `done`, or the path of the reason for which the answer ended; None if nothing ends it."""
    last = events[-1]
    if json_or_none(last.data) is None and last.data.strip() and last.event == "message":
        return {"done": last.data}, None
    if last.event not in {"message", kind}:
        return {"done": last.event}, None
    values = found[-1][1]
    if isinstance(values, dict) and values.get("done") is True:
        return {"done": "done"}, None
    for path, value in _leaves(values):
        if path.rpartition(".")[2] in _END_NAMES and isinstance(value, str):
            return {}, path
    return None


def _leaves(values: JsonValue, path: str = "") -> list[tuple[str, JsonValue]]:
    """Return the paths of plain keys, and the first items of lists, with their values."""
    if isinstance(values, dict):
        inner = [(f"{path}.{name}".lstrip("."), each) for name, each in values.items()]
    elif isinstance(values, list) and values:
        inner = [(f"{path}[0]", values[0])]
    else:
        return [(path, values)]
    return [leaf for at, each in inner for leaf in _leaves(each, at)]


def json_or_none(text: str) -> JsonValue:
    """Return what a text holds as JSON; None if it is none, or nested too deep."""
    try:
        values: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values
