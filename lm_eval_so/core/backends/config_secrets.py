"""The secrets of a whole config: the redactor of all texts, and missing keys."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lm_eval_so.core.backends.base import Secrets, backends
from lm_eval_so.core.backends.build import find_secrets
from lm_eval_so.core.backends.credentials import read_secret
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.secrets import Redactor, make_redactor, sent_secrets, url_secrets
from lm_eval_so.errors import InputError

_LONGEST_LABEL = 60
_NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9._-]")


def config_redactor(config: Config, environ: Mapping[str, str], *, runs_code: bool) -> Redactor:
    """Return the redactor of a config's secrets: in variables, files and options.

    A section with problems is left out; its own check tells them.

    Args:
        config: The config.
        environ: Environment variables.
        runs_code: Whether code that the config names may be imported to know its secrets.
    """
    variables: set[str] = set()
    files: dict[str, str] = {}
    sent: list[tuple[str, str]] = []
    for at, secrets in _secrets(config, runs_code=runs_code):
        variables.update(secrets.variables)
        held = {name: read_secret(config.folder / name) for name in secrets.files}
        files |= {name: text for name, text in held.items() if text}
        for key, text in secrets.sent.items():
            path = (*at, "options", *key)
            sent += sent_secrets(str(key[1]), text, _variables(config, path), label=_label(path))
    for at, section in config.backend_sections():
        for path, text in _texts(section.options, (*at, "options")):
            sent += url_secrets(text, _variables(config, path), label=_label(path))
    shown = set(_shown_values(config))
    known = [(name, value) for name, value in sent if value not in shown]
    return make_redactor(environ, variables, files=files, sent=known)


def missing_variables(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that backends need and that hold nothing, sorted.

    Models that write tests do not count: nothing but `generate` asks them.

    No code is run for that: a backend of the config's own, which is not loaded yet, counts as one
    that needs none.
    """
    needed = {
        source.name
        for at, secrets in _secrets(config, runs_code=False)
        if at[0] != "generator"
        for source in secrets.sources
        if source.is_needed and not source.is_file
    }
    return tuple(sorted(name for name in needed if not environ.get(name, "").strip()))


def _secrets(config: Config, *, runs_code: bool) -> Iterator[tuple[Path_, Secrets]]:
    known = backends.names()
    for at, section in config.backend_sections():
        if section.name not in known and not runs_code:
            continue
        try:
            yield at, find_secrets(section, config=config, where_path=at)
        except InputError:
            continue


def _variables(config: Config, path: Path_) -> Mapping[str, str]:
    written = config.located.written.get(path)
    return written.variables if written else {}


def _texts(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in inner:
            yield from _texts(each, (*path, key))


def _shown_values(config: Config) -> Iterator[str]:
    """Yield values of variables at places that are shown, so that they are no secret elsewhere."""
    for path, written in config.located.written.items():
        if path == ("suite",) or path[-1] == "label" or _is_sent_parameter(path):
            yield from written.variables.values()


def _is_sent_parameter(path: Path_) -> bool:
    is_of_metric = path[0] == "metrics" and path[2:3] == ("params",)
    return "params" in path and "options" not in path and not is_of_metric


def _label(path: Path_) -> str:
    """Return one word for a place of the config."""
    return _NOT_IN_LABEL.sub("-", ".".join(map(str, path)))[-_LONGEST_LABEL:]
