"""Results to stdout: the paths that were written, a line each, or one JSON object."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from lm_eval_so.core.text import width
from lm_eval_so.terminal.lines import visible


def emit(
    stdout: TextIO,
    *,
    paths: Iterable[Path] = (),
    result: Mapping[str, Any] | None = None,
    as_json: bool = False,
) -> None:
    """Write a command's result.

    Args:
        stdout: The stream.
        paths: Files that were written.
        result: The object that `--json` shows.
        as_json: One JSON object instead of the paths.
    """
    if as_json:
        emit_text(stdout, json.dumps(result or {}, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        emit_text(stdout, "".join(f"{path}\n" for path in paths))


def emit_facts(stdout: TextIO, facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Write the facts that a command found: a line each, with nested values below their name.

    Args:
        stdout: The stream.
        facts: The facts by name; None if not known.
        as_json: One JSON object instead.
    """
    if as_json:
        emit(stdout, result=facts, as_json=True)
        return
    names = {name: name.replace("_", " ") for name in facts}
    broad = max((width(name) for name in names.values()), default=0)
    lines = (_fact(names[name], broad, value) for name, value in facts.items())
    emit_text(stdout, "".join(f"{line}\n" for line in lines))


def _fact(name: str, broad: int, value: Any) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        parts = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
        return "\n".join([name, *(f"  {visible(part)}" for part in parts)])
    shown = value if isinstance(value, str) else _plain(value)
    return f"{name}{' ' * (broad - width(name))}  {visible(shown)}"


def _plain(value: Any) -> str:
    if value is None or value in ([], {}, ()):
        return "–"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if is_number else json.dumps(value, ensure_ascii=False)


def emit_text(stdout: TextIO, text: str) -> None:
    """Write a text as a command's result; a reader that has gone is no error."""
    try:
        stdout.write(text)
        stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
