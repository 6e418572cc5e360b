"""JSON values of sources: strict parsing, findings for people, dotted paths as `$.data` or `answers[0].text`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pydantic import JsonValue

from lm_eval_so.core.records.codec import dump_line, parse_json
from lm_eval_so.errors import RecordError
from lm_eval_so.generator.sources.base import BadFileError, Reason, excerpt

_MOST_DEPTH = 100
_SAID = {
    "Expecting property name enclosed in double quotes": "expected a property name",
    "Expecting value": "expected a value",
    "Expecting ',' delimiter": "expected a comma",
    "Expecting ':' delimiter": "expected a colon",
    "Extra data": "expected nothing more",
    "Unterminated string starting at": "the text is not closed",
    "Invalid control character at": "a control character must be escaped",
    "Illegal trailing comma before end of object": "expected a property name",
    "Illegal trailing comma before end of array": "expected a value",
}
EVERY: Final = "*"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\*|[0-9]+)\]")
JsonPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The value of a JSON or YAML file."""

    value: JsonValue
    lines: Mapping[JsonPath, int] = field(default_factory=dict)
    """Lines of its parts, by path; empty if not known."""

    def at(self, path: str) -> dict[str, JsonValue]:
        """Return the place of the part at a path: its line, or the path."""
        line = self.lines.get(parse_path(path) or ())
        return {"path": path} if line is None else {"line": line}


class BadJsonError(BadFileError):
    """Error of a text that is no JSON, or of a value that cannot be written again.

    Args:
        what: Text for people.
        line: Line in the text, from 1; None if not known.
        column: Column in that line, from 1.
    """

    def __init__(self, what: str, *, line: int | None = None, column: int | None = None) -> None:
        at: dict[str, JsonValue] = {"line": line, "column": column} if line else {}
        super().__init__(Reason.BAD_JSON, what, at=at)


def parse_strict(text: str) -> JsonValue:
    """Parse JSON, without duplicate keys and NaN.

    Raises:
        BadJsonError: With the place.
    """
    try:
        return cast("JsonValue", parse_json(text))
    except RecordError as error:
        problem = error.problems[0]
    said = excerpt(problem.what.removeprefix("no JSON: "))
    line = problem.where.line if problem.where else None
    column = problem.where.column if problem.where else None
    if said.startswith("Illegal trailing comma") and line and column:
        # newer Pythons point at the comma, older ones at what follows: always the latter here
        line, column = _after_comma(text, line, column)
    raise BadJsonError(_in_our_words(said), line=line, column=column)


def _in_our_words(said: str) -> str:
    if said.startswith("Exceeds the limit"):
        return "a number has too many digits"
    return _SAID.get(said, said.replace("Invalid", "invalid", 1))


def refuse_unwritable(value: JsonValue) -> None:
    """Refuse a record that cannot be written again: half a surrogate pair, 1e999, deep nesting.

    Raises:
        BadJsonError: If the record is refused.
    """
    if _depth(value) > _MOST_DEPTH:
        raise BadJsonError(f"nested deeper than {_MOST_DEPTH} levels")
    try:
        dump_line(value).encode()
    except UnicodeEncodeError:
        raise BadJsonError("half of a surrogate pair") from None
    except ValueError:
        raise BadJsonError("a number is too large") from None


def _depth(value: JsonValue) -> int:
    deepest, level = 0, [value]
    while level := [outer for outer in level if isinstance(outer, dict | list)]:
        deepest += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return deepest


def _inside(value: JsonValue) -> Iterable[JsonValue]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _after_comma(text: str, line: int, column: int) -> tuple[int, int]:
    start = sum(len(row) for row in text.splitlines(keepends=True)[: line - 1]) + column
    following = start + len(text[start:]) - len(text[start:].lstrip())
    return text.count("\n", 0, following) + 1, following - text.rfind("\n", 0, following)


def parse_path(text: str) -> JsonPath | None:
    """Return the steps of a path, `EVERY` for `[*]`; None if the text is no path.

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
    """Yield (path, value) of all values at a path."""
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


def kind_of(value: object) -> str:
    """Return the kind of a JSON value, for people."""
    kinds = {dict: "an object", list: "an array", str: "a text", bool: "a truth value"}
    return "null" if value is None else kinds.get(type(value), "a number")
