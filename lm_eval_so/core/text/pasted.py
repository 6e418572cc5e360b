"""Command lines for people to paste, without possible secrets."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_DOUBTFUL = re.compile(
    r"auth|bearer|api.?key|(?<![a-z])key(?![a-z])|token(?!s)|secret|pass(?:w|phrase)|pwd|cookie"
    r"|credential|private|signature|header|query|://[^/\s]*@|://\S*\?",
    re.IGNORECASE,
)
"""Keys and values of the config that may hold a secret."""
_NAMES_ONE = re.compile(r"_(?:env|file)[.=]")
"""Key whose value names a variable or a file, and is no secret itself."""
_HIDDEN = "…"


def command_line(
    name: str,
    config: str | Path,
    *,
    options: Mapping[str, object] | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> str:
    """Return a command line to paste, quoted for the shell, without possible secrets.

    Args:
        name: Name of the command, as "baseline update".
        config: Config file, as given.
        options: Other options: None and False are left out; True is a flag, or an argument; a list
            repeats the option.
        overrides: Texts of `--set`; the value of a possible secret is left out.
        plugins: Files of `--plugin`.
    """
    from shlex import join  # noqa: PLC0415 - not for --help

    words = ["lm-eval-so", *name.split(), "-c", str(config)]
    for option, value in (options or {}).items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None and each is not False:
                words += [option] if each is True else [option, str(each)]
    for override in overrides:
        words += ["--set", _shown(override)]
    for plugin in plugins:
        words += ["--plugin", str(plugin)]
    return join(words)


def _shown(override: str) -> str:
    key, equals, _ = override.partition("=")
    if _DOUBTFUL.search(override) and not _NAMES_ONE.search(key + equals):
        return key + equals + _HIDDEN
    return override
