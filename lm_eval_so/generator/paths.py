"""Dotted paths into JSON values: `$.data`, `groups[*].items`, `answers[0].text`."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue

EVERY: Final = "*"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\*|[0-9]+)\]")

JsonPath = tuple[str | int, ...]


def parse_path(text: str) -> JsonPath | None:
    """Return the steps of a path, `EVERY` for `[*]`; None if it is no path.

    A leading `$` stands for the whole.
    """
    rest, position, steps = text.removeprefix("$"), 0, []
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            return None
        name, index = match.groups()
        steps.append(name if name is not None else EVERY if index == EVERY else int(index))
        position = match.end()
    return tuple(steps)


def walk(
    value: JsonValue, steps: Sequence[str | int], at: str = "$"
) -> Iterator[tuple[str, JsonValue]]:
    """Yield (path, value) of everything that a path leads to; nothing where it does not lead."""
    if not steps:
        yield at, value
        return
    step, rest = steps[0], steps[1:]
    if step == EVERY and isinstance(value, list):
        for position, item in enumerate(value):
            yield from walk(item, rest, f"{at}[{position}]")
    elif isinstance(step, int) and isinstance(value, list) and step < len(value):
        yield from walk(value[step], rest, f"{at}[{step}]")
    elif isinstance(step, str) and isinstance(value, dict) and step in value:
        yield from walk(value[step], rest, f"{at}.{step}")
