"""A command line as people may paste it: quoted for the shell, without what may be a secret."""

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

_DOUBTFUL = re.compile(
    r"auth|bearer|api.?key|(?<![a-z])key(?![a-z])|token(?!s)|secret|pass(?:w|phrase)|pwd|cookie"
    r"|credential|private|signature|header|query|://[^/\s]*@|://\S*\?",
    re.IGNORECASE,
)
"""Keys and values of the config among which a secret may stand."""
_NAMES_ONE = re.compile(r"_(?:env|file)[.=]")
"""In a key: the value names a variable or a file, and is no secret itself."""
_HIDDEN = "…"


def command_line(
    name: str,
    config: str | Path,
    *,
    options: Mapping[str, object] | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> str:
    """Return the command line that does the same as this one.

    Args:
        name: Name of the command.
        config: The config file, as it was named.
        options: Its other options; one that is None or False is left out, one that is True is a flag.
        overrides: The texts of `--set`; of one that may hold a secret the value is left out.
        plugins: The files of `--plugin`.
    """
    words = ["lm-eval-so", name, "-c", str(config)]
    for option, value in (options or {}).items():
        if value is not None and value is not False:
            words += [option] if value is True else [option, str(value)]
    for override in overrides:
        words += ["--set", _shown(override)]
    for plugin in plugins:
        words += ["--plugin", str(plugin)]
    return shlex.join(words)


def _shown(override: str) -> str:
    key, equals, _ = override.partition("=")
    if _DOUBTFUL.search(override) and not _NAMES_ONE.search(key + equals):
        return key + equals + _HIDDEN
    return override
