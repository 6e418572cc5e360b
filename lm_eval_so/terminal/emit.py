"""Results to stdout: the paths that were written, a line each, or one JSON object."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO


def emit(
    stdout: TextIO,
    *,
    paths: Iterable[Path] = (),
    result: Mapping[str, Any] | None = None,
    as_json: bool = False,
) -> None:
    """Write a command's result.

    Args:
        stdout: Where to.
        paths: Files that were written.
        result: What `--json` shows.
        as_json: One JSON object instead of the paths.
    """
    if as_json:
        emit_text(stdout, json.dumps(result or {}, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        emit_text(stdout, "".join(f"{path}\n" for path in paths))


def emit_text(stdout: TextIO, text: str) -> None:
    """Write a text as a command's result, if anybody still reads it: the exit code tells it, too."""
    try:
        stdout.write(text)
        stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
