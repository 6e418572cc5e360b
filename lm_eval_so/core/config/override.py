"""`--set key.path=value`: one value of the command line over those of the file."""

import re
from collections.abc import Sequence
from typing import Any

from lm_eval_so.core.yaml_lines import Path_, parse_yaml
from lm_eval_so.errors import ConfigError, UsageError

_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d{1,9}\])*")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d{1,9})\]")


def override_value(values: dict[str, Any], text: str) -> tuple[dict[str, Any], Path_]:
    """Put one value over those of a config.

    Args:
        values: The values of the file.
        text: `key.path=value`; the value is YAML.

    Returns:
        The values with it, and the path where it stands.

    Raises:
        UsageError: If the text has another form, or names an item that is not there.
    """
    path, equals, raw = text.partition("=")
    bad_form = f'--set takes key.path=value, found "{path}{"=…" if equals else ""}"'
    if not equals or not _PATH.fullmatch(path.strip()):
        raise UsageError(bad_form)
    try:
        value = parse_yaml(raw, file="--set").values
    except ConfigError as error:
        raise UsageError(f"--set {path}: {error}") from None
    steps: list[str | int] = [m[1] or int(m[2]) for m in _STEP.finditer(path.strip())]
    changed: dict[str, Any] = _with(values, steps, value, path)
    return changed, tuple(steps)


def _with(container: Any, steps: Sequence[str | int], value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(container, list) or step >= len(container):
            raise UsageError(f"--set {path}: there is no item {step}")
        return [_with(v, rest, value, path) if i == step else v for i, v in enumerate(container)]
    # a text is the short form of a metric
    inner = {"name": container} if isinstance(container, str) else container
    inner = inner if isinstance(inner, dict) else {}
    return {**inner, step: _with(inner.get(step), rest, value, path)}
