"""Code of the user's own that a config names: plugin files, classes, functions, programs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.build import program_of
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.metrics.base import metrics

_CLASS = re.compile(r"[\w.]+:\w+")
_NAMING = frozenset({"name", "metric"})
"""Keys of a metric's parameters that may name a metric inside of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCode:
    """Code that is not built in."""

    what: str
    """Path, class, function or program, as the config writes it."""
    where: Where


def find_own_code(config: Config) -> Iterator[OwnCode]:
    """Yield the code that a config names; nothing of it is imported or run for that.

    Classes that a plugin file defines are known by that file.
    """
    for number, file in enumerate(config.plugins):
        yield OwnCode(what=str(file), where=config.where("plugins", number))
    for at, section in config.backend_sections():
        where = config.where(*at, "name")
        if backends.is_own_code(section.name):
            yield OwnCode(what=section.name, where=where)
        elif backends.is_builtin(section.name):
            try:
                program = program_of(section, config=config, where_path=at)
            except InputError:  # its own check tells that
                continue
            if program:
                yield OwnCode(what=f"{section.name} {program}", where=where)
    for number, metric in enumerate(config.metrics):
        if metrics.is_own_code(metric.name):
            yield OwnCode(what=metric.name, where=config.where("metrics", number, "name"))
        at = ("metrics", number, "params")
        yield from _inner(metric.params, at, config)


def _inner(value: Any, path: Path_, config: Config) -> Iterator[OwnCode]:
    """Yield the classes that parameters name, as those of a metric over turns."""
    if isinstance(value, str):
        is_name = path[-1] in _NAMING and _CLASS.fullmatch(value)
        if is_name and metrics.is_own_code(value):
            yield OwnCode(what=value, where=config.where(*path))
    elif isinstance(value, Mapping | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in inner:
            yield from _inner(each, (*path, key), config)
