"""Registries: names to classes, and the building of what a config names."""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from lm_eval_so.errors import ConfigError, UnknownName, Where

T = TypeVar("T")

PLUGIN_MODULES = "lm_eval_so_plugin_"
"""How the module names of `--plugin` files begin."""


class Registry(Generic[T]):
    """Finds a plugin class by name.

    It looks at, in this order: what was registered in this process (decorator, `--plugin` file),
    the built-in table, the entry points of `lm_eval_so.<kind>s`, and `package.module:Class`.

    Args:
        kind: What it holds, for messages: "backend", "metric".
        base: Class that every plugin derives from.
        builtin: Name to "module:Class"; nothing is imported to list the names.
    """

    def __init__(self, kind: str, base: type[T], builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._base = base
        self._builtin = dict(builtin)
        self._registered: dict[str, type[T]] = {}

    def names(self) -> tuple[str, ...]:
        """Return all names that are known without importing anything."""
        return tuple(sorted({*self._builtin, *self._registered, *self._entry_points}))

    def register(self, name: str, plugin: type[T]) -> None:
        """Add a class of this process under a name.

        Raises:
            ConfigError: If the name is taken by another class.
        """
        here = f"{plugin.__module__}:{plugin.__qualname__}"
        taken = self._registered.get(name)
        origin = self._builtin.get(name)
        if taken is not None and taken is not plugin:
            origin = f"{taken.__module__}:{taken.__qualname__}"
        if origin is not None and origin != here:
            hint = f"rename the {self.kind} in {here}"
            raise ConfigError(
                f'{self.kind} "{name}" is defined twice: {origin} and {here}', hint=hint
            )
        self._registered[name] = plugin

    def resolve(self, ref: str, *, where: Where | None = None) -> type[T]:
        """Return the class that a name or `module:Class` stands for.

        Raises:
            UnknownName: If there is none; names the nearest known one.
            ConfigError: If the module cannot be imported or holds something else.
        """
        if ref in self._registered:
            return self._registered[ref]
        target = self._builtin.get(ref) or self._entry_points.get(ref)
        if target is None and ":" not in ref:
            unknown = UnknownName(self.kind, ref, self.names(), where=where)
            unknown.problems = tuple(replace(each, about="name") for each in unknown.problems)
            raise unknown
        return self._load(target or ref, where)

    @cached_property
    def _entry_points(self) -> dict[str, str]:  # finding them takes milliseconds
        return {e.name: e.value for e in entry_points(group=f"lm_eval_so.{self.kind}s")}

    def _load(self, target: str, where: Where | None) -> type[T]:
        module_name, _, class_name = target.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            hint = "is the module on PYTHONPATH? A file is given by --plugin FILE.py"
            raise ConfigError(f"cannot import {target}: {error}", where=where, hint=hint) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code raises
            what = f"cannot import {target}: {type(error).__name__}: {error}"
            raise ConfigError(what, where=where, hint="import it with python to see why") from None
        if not (isinstance(found, type) and issubclass(found, self._base)):
            what = f"{target} is no {self.kind}: it does not derive from {self._base.__name__}"
            raise ConfigError(what, where=where)
        return found
