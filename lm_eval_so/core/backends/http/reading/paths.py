"""JMESPath, compiled once, with advice on paths that are none or find nothing."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from lm_eval_so.core.text import nfc

Path = Callable[[Any], Any]
"""Function from a JSON value to the value at a path; None if there is none."""

_QUOTED_OR_KEY = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|[^\W\d][\w-]*""")
_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ANSWER_KEYS = (
    *("answer", "text", "content", "reply", "response", "message", "output", "result"),
    *("답변", "응답", "텍스트", "내용", "메시지", "답", "본문", "결과"),
)
_NO_ANSWER_KEYS = frozenset(
    {"id", "role", "type", "object", "model", "finish_reason", "status", "code", "index", "created"}
)
_GOES_ON = frozenset(
    {"filter_projection", "flatten", "index_expression", "pipe", "projection", "subexpression"}
)
"""Kinds of paths that look for the rest in what their first part finds."""
_MOST_KEYS = 12
_MOST_OF_KEY = 40
_MOST_LOOKED_AT = 1000
_DEEPEST = 6


def compile_path(path: str) -> Path:
    """Compile a JMESPath.

    Raises:
        ValueError: If it is none. Keys with other letters than those of ASCII must be quoted; if
            that is all that is wrong, the error shows how.
    """
    try:
        parsed = jmespath.compile(path).parsed
    except JMESPathError as error:
        raise ValueError(_why_no_path(path, error)) from None
    steps = _plain_steps(parsed)
    if steps is not None:
        return partial(_walk, steps)
    visit = TreeInterpreter().visit  # made once: `search` makes one a call

    def find(values: Any) -> Any:
        try:
            return visit(parsed, values)
        except JMESPathError:
            return None  # a function met another type than it takes: not what was looked for

    return find


def is_over_empty(path: str, values: Any) -> bool:
    """Return whether the list that a path goes through, or ends at, is there and empty.

    A filter that keeps nothing counts: the texts of the chatbot are then an empty list, too.

    Args:
        path: A valid JMESPath.
        values: A JSON value in which it finds null or an empty list.
    """
    visit = TreeInterpreter().visit
    try:
        return _is_empty(jmespath.compile(path).parsed, values, visit)
    except JMESPathError:
        return False  # a function met another type than it takes


def _is_empty(node: Mapping[str, Any], values: Any, visit: Callable[[Any, Any], Any]) -> bool:
    if node["type"] not in _GOES_ON:
        return bool(visit(node, values) == [])
    before = node["children"][0]
    found = visit(before, values)
    if not found:
        return _is_empty(before, values, visit)
    match node["type"]:
        case "projection":
            return False
        case "filter_projection":
            left, _, condition = node["children"]
            kept = {**node, "children": [left, {"type": "identity", "children": []}, condition]}
            return bool(visit(kept, values) == [])
        case _:
            return bool(visit(node, values) == [])


def _plain_steps(node: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    """Return the keys and positions of a path that is nothing else, as most are; else None."""
    if node["type"] in {"field", "index"}:
        return (node["value"],)
    if node["type"] not in {"subexpression", "index_expression", "identity"}:
        return None
    steps: tuple[str | int, ...] = ()
    for child in node["children"]:
        more = _plain_steps(child)
        if more is None:
            return None
        steps += more
    return steps


def _walk(steps: tuple[str | int, ...], values: Any) -> Any:
    """Return the value at keys and positions, in a fifth of the time of JMESPath."""
    for step in steps:
        if isinstance(step, str):
            values = values.get(step) if isinstance(values, dict) else None
        elif isinstance(values, list) and -len(values) <= step < len(values):
            values = values[step]
        else:
            return None
    return values


def shown_keys(values: dict[str, Any]) -> str:
    """Name the keys of a mapping that a server sent: on one line, not long."""
    names = [_shown(name) for name in list(values)[:_MOST_KEYS]]
    return ", ".join(names) + (", …" if len(values) > _MOST_KEYS else "")


def likely_path(values: Any, missed: str) -> str | None:
    """Guess where the text of a response stands; None if there is no text in it.

    A path that only misses because the response writes Hangul decomposed (or composed) is tried
    first, then keys that are usual for an answer, then the longest text.
    """
    texts = list(_texts(values))
    if not texts:
        return None
    wanted = nfc(missed)
    for path, _ in texts:
        if nfc(path) == wanted:
            return _ascii(path)  # looks the same, so it is shown by its code points
    named = [path for path, _ in texts if _rank(path) < len(_ANSWER_KEYS)]
    near = min(named, key=lambda path: (path.count("["), _rank(path)), default=None)
    others = [each for each in texts if _last_key(each[0]) not in _NO_ANSWER_KEYS]
    return near or (max(others, key=lambda each: len(each[1]))[0] if others else None)


def _texts(values: Any) -> Iterator[tuple[str, str]]:
    """Yield the path and value of every text, the nearest to the top first."""
    level: list[tuple[str, Any]] = [("", values)]
    left = _MOST_LOOKED_AT
    for _ in range(_DEEPEST):
        deeper: list[tuple[str, Any]] = []
        for path, value in level:
            left -= 1
            if left < 0:
                return
            if isinstance(value, str) and path:
                yield path, value
            elif isinstance(value, dict):
                deeper += [(f"{path}.{_key(name)}".lstrip("."), v) for name, v in value.items()]
            elif isinstance(value, list) and value:
                deeper.append((f"{path}[0]", value[0]))
        level = deeper


def _rank(path: str) -> int:
    last = _last_key(path)
    return _ANSWER_KEYS.index(last) if last in _ANSWER_KEYS else len(_ANSWER_KEYS)


def _last_key(path: str) -> str:
    return nfc(path.rpartition(".")[2].strip('"')).lower()


def _key(name: str) -> str:
    return name if _BARE_KEY.match(name) else json.dumps(name, ensure_ascii=False)


def _ascii(path: str) -> str:
    return path.encode("ascii", "backslashreplace").decode("ascii")


def _shown(name: str) -> str:
    """Show a key that a server chose: one line, not long."""
    text = "".join(c if c.isprintable() else "·" for c in name[:_MOST_OF_KEY])
    return text + ("…" if len(name) > _MOST_OF_KEY else "")


def _why_no_path(path: str, error: JMESPathError) -> str:
    quoted = _QUOTED_OR_KEY.sub(lambda m: m[0] if m[1] else _key(m[0]), path)
    if quoted != path:
        try:
            jmespath.compile(quoted)
        except JMESPathError:
            pass
        else:
            return f"keys with - or letters other than a-z are quoted; write '{quoted}'"
    reason = str(error).strip().partition("\n")[0].rstrip(":.")
    return f"no JMESPath: {reason[:1].lower()}{reason[1:]}"
