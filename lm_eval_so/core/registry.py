"""Plugins: classes found by name in a registry, and files of the user's own (`--plugin FILE.py`)."""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cached_property
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Generic, TypeVar

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.errors import (
    ConfigError,
    InputError,
    LMEvalError,
    Problem,
    UnknownName,
    Where,
    nearest,
    refuse,
)

T = TypeVar("T")

PLUGIN_MODULES = "lm_eval_so_plugin_"
"""Prefix of the module names of `--plugin` files."""
_OURS = "lm_eval_so."

_CLOSED: ContextVar[str | None] = ContextVar("closed", default=None)
"""Advice about code that may not run; None: all code may."""


@contextmanager
def without_own_code(hint: str) -> Iterator[None]:
    """Refuse to run code that is not built in, wherever it is named: in a config, in a dataset.

    Plugin files, entry points, `module:Class`, functions and programs are refused alike.

    Args:
        hint: Advice for people.
    """
    before = _CLOSED.set(hint)
    try:
        yield
    finally:
        _CLOSED.reset(before)


def refuse_own_code(what: str, where: Where | None = None) -> None:
    """Raise an error if code that is not built in may not run here; called right before it runs.

    Args:
        what: The code, as it is named.
        where: The place that names it.

    Raises:
        ConfigError: Inside of `without_own_code`.
    """
    if (hint := _CLOSED.get()) is not None:
        raise ConfigError(f"{what} is code of your own, which may not run", where=where, hint=hint)


class Registry(Generic[T]):
    """Finds a plugin class by name.

    Looks, in this order, at classes registered in this process (decorator, `--plugin` file), the
    built-in table, the entry points of `lm_eval_so.<kind>s`, and `package.module:Class`.

    Args:
        kind: Kind of plugin, for messages: "backend", "metric".
        base: Base class of every plugin.
        builtin: Name to "module:Class"; nothing is imported to list the names.
    """

    def __init__(self, kind: str, base: type[T], builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._base = base
        self._builtin = dict(builtin)
        self._registered: dict[str, type[T]] = {}

    def names(self) -> tuple[str, ...]:
        """Return all known names, without importing anything."""
        return tuple(sorted({*self._builtin, *self._registered, *self._entry_points}))

    def is_builtin(self, name: str) -> bool:
        """Return whether a name is of the built-in table, so that it stands for no foreign code."""
        return name in self._builtin

    def is_own_code(self, name: str) -> bool:
        """Return whether a name stands for code that is not built in; nothing is imported for that.

        A name that a plugin file defines is unknown until the file has run.
        """
        return not self.is_builtin(name) and (":" in name or name in self.names())

    def builtin_with(self, has: Callable[[type[T]], bool]) -> list[str]:
        """Return the names of the built-in plugins that have a property, in the table's order.

        All of them are imported: for error texts, not for what runs often.
        """
        return [name for name in self._builtin if has(self.resolve(name))]

    def register(self, name: str, plugin: type[T]) -> None:
        """Register a class under a name.

        Raises:
            ConfigError: If the name is taken by another class, or attributes are misspelt.
        """
        refuse([*self._misspelt(plugin)])
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
        """Return the class of a name or `module:Class`.

        Raises:
            UnknownName: If there is none; suggests the nearest known name.
            ConfigError: If the module cannot be imported, or the class is no such plugin.
        """
        if ref in self._registered:
            return self._registered[ref]
        target = self._builtin.get(ref) or self._entry_points.get(ref)
        if target is None and ":" not in ref:
            unknown = UnknownName(self.kind, ref, self.names(), where=where)
            unknown.problems = tuple(replace(each, about="name") for each in unknown.problems)
            raise unknown
        if ref not in self._builtin:
            refuse_own_code(ref, where)
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
        refuse([*self._misspelt(found)])
        return found

    def _misspelt(self, plugin: type[T]) -> Iterator[Problem]:
        """Find attributes of a class that nobody reads and that are named much like one that counts.

        Private names, methods and classes are the plugin's own, and so is any other name; also one like
        `ranges` where `range` is set, too.
        """
        bases = [each for each in plugin.__mro__ if each.__module__.startswith(_OURS)]
        names = {name for each in bases for name in (*inspect.get_annotations(each), *vars(each))}
        known = sorted(name for name in names if _is_value(getattr(plugin, name, None)))
        owns = [
            each for each in plugin.__mro__ if each not in bases and issubclass(each, self._base)
        ]
        is_set = {name for own in owns for name in vars(own)}
        for own in owns:
            for name, value in vars(own).items():
                if name in names or name.startswith("_") or not _is_value(value):
                    continue
                near = nearest(name, known)
                if near is not None and near not in is_set:
                    what = f'unknown {self.kind} attribute "{name}" (did you mean "{near}"?)'
                    hint = f"if it is an attribute of your own, call it _{name}"
                    yield Problem(what=what, where=_place_of(own, name), hint=hint)


def _is_value(found: object) -> bool:
    """Return whether an attribute of a class is a value: no method, property or class."""
    return not callable(found) and not hasattr(type(found), "__get__")


def _place_of(owner: type, name: str) -> Where | None:
    """Return the place where a class sets an attribute; None if there is no source."""
    try:
        file, (lines, first) = inspect.getfile(owner), inspect.getsourcelines(owner)
    except (OSError, TypeError):  # made at a prompt
        return None
    sets = re.compile(rf"\s+{re.escape(name)}\s*[:=]")
    line = next((at for at, text in enumerate(lines, first) if sets.match(text)), first)
    return Where(file=file, line=line)


def load_plugins(files: Sequence[Path]) -> None:
    """Run each plugin file once, so that its classes are found by name.

    Raises:
        ConfigError: With every file that is missing or fails, and the line of the failure.
    """
    refuse(plugin_problems((file, None) for file in files))


def plugin_problems(files: Iterable[tuple[Path, Where | None]]) -> list[Problem]:
    """Run each plugin file once, and return the problems of files that are missing or fail.

    Args:
        files: Files, each with the place that names it.
    """
    problems: list[Problem] = []
    for file, named in files:
        try:
            _load(file)
        except InputError as error:
            problems += [replace(each, where=each.where or named) for each in error.problems]
    return problems


class FreshSource(SourceFileLoader):
    """Loader that compiles a file anew.

    Python itself reuses bytecode if size and modification second are the same.
    """

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as Python calls it
        """Return the code of the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(path: Path, name: str) -> ModuleType:
    """Run a Python file as a module of a name; the module is removed if it fails.

    Raises:
        BaseException: Any exception of the file.
        ConfigError: If no code of the user's own may run.
    """
    refuse_own_code(path.name)
    loader = FreshSource(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError(f"no Python file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load(file: Path) -> None:
    path = file.resolve()
    name = f"{PLUGIN_MODULES}{path.stem}_{digest_text(str(path))[:8]}"
    if name in sys.modules:
        return
    if not path.is_file():
        raise ConfigError(f"no such plugin file: {file}", hint="give a .py file by --plugin")
    try:
        import_file(path, name)
    except LMEvalError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code raises
        what = f"the plugin {file} fails: {type(error).__name__}: {error}"
        where = Where(file=str(file), line=_line_in(error, path))
        raise ConfigError(what, where=where, hint="run it with python to see why") from None


def _line_in(error: BaseException, path: Path) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    line, traceback = None, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
