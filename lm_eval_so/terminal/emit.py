"""Results to stdout: the paths that were written, a line each, or one JSON object."""

import json
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
        stdout.write(json.dumps(result or {}, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        stdout.writelines(f"{path}\n" for path in paths)
    stdout.flush()
