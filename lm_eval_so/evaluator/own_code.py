"""Code of the user's own that a config names: plugin files, classes, functions, programs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.build import program_of
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.metrics.base import metrics

_CLASS = re.compile(r"[\w.]+:\w+")
_NAMING = frozenset({"name", "metric"})
"""Keys of a metric's parameters that may name a metric inside of it."""
_PYTHON = "python "


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
        named = {"name": metric.name, "params": metric.params}
        for what, path in _inner(named, ("metrics", number)):
            if path[2:] != ("name",):
                yield OwnCode(what=what, where=config.where(*path))


def functions_of(metric: MetricSection) -> Iterator[str]:
    """Yield the functions of `python` metrics, of this one or inside of it, as the config writes them."""
    for what, _ in _inner({"name": metric.name, "params": metric.params}, ()):
        if what.startswith(_PYTHON):
            yield what.removeprefix(_PYTHON)


def _inner(value: Any, path: Path_) -> Iterator[tuple[str, Path_]]:
    """Yield the classes and functions that parameters name, as those of a metric over turns."""
    if isinstance(value, str):
        is_name = path[-1] in _NAMING and _CLASS.fullmatch(value)
        if is_name and metrics.is_own_code(value):
            yield value, path
    elif isinstance(value, Mapping | list):
        if isinstance(value, Mapping) and any(value.get(key) == "python" for key in _NAMING):
            params = value.get("params")
            target = params.get("target") if isinstance(params, Mapping) else None
            yield f"{_PYTHON}{target}", (*path, "params", "target")
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in inner:
            yield from _inner(each, (*path, key))
