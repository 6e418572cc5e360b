"""A config before it is loaded: the workflow's address put in, or read although it cannot be used."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.build import with_path
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config.load import load_config, make_config, override_value
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import fill_in, known_text
from lm_eval_so.core.config.yaml_lines import Located, Path_, parse_parts, read_yaml
from lm_eval_so.core.files import read_text
from lm_eval_so.core.http.hosts import AllowedHosts
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.registry import load_plugins
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.errors import ConfigError, InputError, LMEvalError, Problem, UsageError, Where

_BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """Everything that a config is read from."""

    file: Path
    environ: Mapping[str, str] = field(repr=False)
    """Environment for `${NAME}`."""
    overrides: Sequence[str] = ()
    """`--set` texts, over the file."""
    rewritten: Sequence[str] = ()
    """Texts put over the file that derive from it, as the workflow's address."""
    plugins: Sequence[Path] = ()
    """Plugin files of the command line."""
    hosts: AllowedHosts | None = None
    """Hosts that may be asked; null: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Known facts of a config, whether or not it can be used."""

    suite: str | None
    language: Language
    redactor: Redactor


def target_override(target: str, source: ConfigSource, *, runs_code: bool = True) -> str | None:
    """Return the override that puts an address into the backend's option for it.

    An origin alone keeps the path that the config has behind its origin: a preview deployment has
    another host and the same paths.

    Args:
        target: The address.
        source: The config; the address in it need not be whole.
        runs_code: Whether code that the config names may be run to know its backend.

    Returns:
        The text, for `rewritten` of `read_config`; None if the config names no known backend, or
        one that only its code knows. Loading the config tells of an unknown one.

    Raises:
        UsageError: If the backend has no address.
    """
    file, environ = source.file, source.environ
    values: Any = None
    with suppress(InputError):  # told where the config is read
        values = parse_parts(read_text(file), file=str(file))[0].values
        for text in source.overrides if isinstance(values, dict) else ():
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
            load_plugins([*(file.parent / each for each in named if each), *source.plugins])
    try:
        option = backends.resolve(name).address_option
    except InputError:
        return None
    if not option:
        what = f"input target_url: the backend {name} has no address"
        *some, last = backends.builtin_with(lambda each: bool(each.address_option))
        others = f"{', '.join(some)} or {last}"
        hint = f"leave target_url out of the workflow, or ask through {others}"
        raise UsageError(what, where=Where(key="target_url"), hint=hint)
    options = section.get("options")
    address = options.get(option) if isinstance(options, dict) else None
    written = address if isinstance(address, str) else ""
    # what variables put behind an origin that is written out is filled in with the rest of the file
    known = written if _BEGINNING.match(written) else known_text(written, environ)
    at = with_path(target, known)
    return f"backend.options.{option}={json.dumps(at, ensure_ascii=False)}"


def known_of(source: ConfigSource) -> Known:
    """Return the known facts of a config: of a bad file those that can be read."""
    try:
        config = load_config(source.file, overrides=source.overrides, environ=source.environ)
    except LMEvalError:
        return _readable(source)
    redactor = config_redactor(config, source.environ, runs_code=False)
    return Known(suite=config.suite, language=config.language, redactor=redactor)


def _readable(source: ConfigSource) -> Known:
    """Read the suite and the language of a config that cannot be used, as far as possible."""
    environ = source.environ
    located = Located(values={})
    with suppress(LMEvalError):
        located = read_yaml(source.file)
    values = located.values if isinstance(located.values, dict) else {}
    given: set[Path_] = set()
    for override in source.overrides:
        with suppress(LMEvalError):
            values, at = override_value(values, override)
            given.add(at)
    located = Located(values=values, overridden=frozenset(given))
    suite, language = (_valid(key, located, environ) for key in ("suite", "language"))
    return Known(
        suite=suite.suite if suite else None,
        language=language.language if language else Language.EN,
        redactor=make_redactor(environ),
    )


def _valid(key: str, located: Located, environ: Mapping[str, str]) -> Config | None:
    """Return a config that has this value and else the least, if it may have it."""
    least = {"version": 1, "suite": "x", "dataset": {"path": "x"}}
    problems: list[Problem] = []
    given = {key: located.values.get(key)}
    filled = fill_in(replace(located, values=given), environ, problems)
    try:
        return None if problems else make_config({**least, **filled.values})
    except ConfigError:
        return None
