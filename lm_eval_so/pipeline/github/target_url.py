"""The address of the chatbot under test that a workflow gives, over that of the config."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.config.load import override_value
from lm_eval_so.core.config.variables import known_text
from lm_eval_so.core.config.yaml_lines import parse_sound
from lm_eval_so.core.files import read_text
from lm_eval_so.core.registry import load_plugins
from lm_eval_so.errors import InputError, UsageError, Where

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_WITH_AN_ADDRESS = "openai, azure or http"


def target_override(
    target: str,
    file: Path,
    *,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    environ: Mapping[str, str],
    runs_code: bool = True,
) -> str | None:
    """Give the text, as `--set` has it, that puts an address into the option which the backend keeps it in.

    An origin alone keeps what stands behind the origin in the config: a preview deployment has
    another host and the same paths.

    Args:
        target: The address.
        file: The config file, not loaded yet: the address that stands there need not be whole.
        overrides: Other `--set` texts.
        plugins: Plugin files of the command line, which may define the backend.
        environ: Environment for `${NAME}`.
        runs_code: Whether code that the config names may be run to know its backend.

    Returns:
        The text, for `rewritten` of `read_config`; None if the config names no backend that is
        known, which loading it tells, or one that only its code knows.

    Raises:
        UsageError: If the backend has no address.
    """
    values: Any = None
    with suppress(InputError):  # told where the config is read
        values = parse_sound(read_text(file), file=str(file))[0].values
        for text in overrides if isinstance(values, dict) else ():
            values, _ = override_value(values, text)
    if not isinstance(values, dict):
        return None
    section: Any = values.get("backend")
    name = known_text(section.get("name"), environ) if isinstance(section, dict) else ""
    if not name or (name not in backends.names() and not runs_code):
        return None
    if name not in backends.names() and ":" not in name:
        named = (known_text(each, environ) for each in values.get("plugins") or ())
        with suppress(InputError):  # told where all plugins are loaded
            load_plugins([*(file.parent / each for each in named if each), *plugins])
    try:
        option = backends.resolve(name).address_option
    except InputError:
        return None
    if not option:
        what = f"input target_url: the backend {name} has no address"
        hint = f"leave target_url out of the workflow, or ask through {_WITH_AN_ADDRESS}"
        raise UsageError(what, where=Where(key="target_url"), hint=hint)
    options = section.get("options")
    address = options.get(option) if isinstance(options, dict) else None
    written = address if isinstance(address, str) else ""
    # what variables put behind an origin that is written out is filled in with the rest of the file
    behind = _ORIGIN.sub("", written if _ORIGIN.match(written) else known_text(written, environ), 1)
    if _ORIGIN.fullmatch(target) and behind.startswith(("/", "?")):
        target += behind
    return f"backend.options.{option}={json.dumps(target, ensure_ascii=False)}"
