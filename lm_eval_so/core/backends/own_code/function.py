"""Functions of the user's own, found by module:function or path.py:function."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from lm_eval_so.core.hashing import digest_bytes, digest_text
from lm_eval_so.core.registry import import_file, refuse_own_code
from lm_eval_so.errors import Problem, Where, nearest

_FORM = "write module:function, or path.py:function"
_MOST_NAMED = 10
_KIND = inspect.Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Function that is wanted."""

    key: str
    """Key of the config that names it."""
    first: str
    """Name of the first argument."""
    form: str
    """Arguments, as people write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function that was found."""

    function: Callable[..., Any]
    file: Path | None
    """The file that it stands in; None if there is none."""
    is_async: bool
    named: frozenset[str] | None
    """Arguments that it takes by name; None: any."""
    needs: frozenset[str]
    """Named arguments without a default."""

    def takes(self, name: str) -> bool:
        """Return whether an argument may be given to it."""
        return self.named is None or name in self.named


def find_target(target: str, folder: Path, wanted: Wanted) -> Target | Problem:
    """Import a function.

    Args:
        target: Name of the function.
        folder: Searched before everything else, but only while the module is imported.
        wanted: Arguments of the function, for problems.

    Returns:
        Function, or the problem with it.

    Raises:
        ConfigError: If no code of the user's own may run.
    """
    found = _found(target, folder, wanted)
    if isinstance(found, Problem):
        return replace(found, where=Where(key=wanted.key))
    return found


def _found(target: str, folder: Path, wanted: Wanted) -> Target | Problem:
    module_name, colon, name = target.rpartition(":")
    if not (colon and module_name and name):
        return Problem(what=f'"{target}" names no function', hint=_FORM)
    refuse_own_code(target)
    try:
        with _searched(folder):
            module = _import(module_name, folder)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code raises
        return _import_problem(module_name, error, folder)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        return _no_function(name, module, _file(module) or module_name)
    if inspect.isclass(found):
        hint = "name a function, which may call an object that the module makes"
        return Problem(what=f"{target} is a class", hint=hint)
    return _described(found, module, wanted)


def _no_function(name: str, module: ModuleType, place: object) -> Problem:
    there = [
        each
        for each, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    near, names = nearest(name, there), ", ".join(there[:_MOST_NAMED])
    meant = f' (did you mean "{near}"?)' if near else ""
    hint = f"functions there: {names}" if names else _FORM
    return Problem(what=f"no function {name} in {place}{meant}", hint=hint)


def _import(name: str, folder: Path) -> ModuleType:
    if not name.endswith(".py"):
        return _same(importlib.import_module(name), folder)
    path = (folder / name).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    # a name of its own: two configs may each have a bot.py, and one may change in a notebook
    text = digest_bytes(path.read_bytes())
    alias = f"_lm_eval_so_target_{path.stem}_{digest_text(f'{path}{text}')[:8]}"
    return sys.modules.get(alias) or import_file(path, alias)


def _same(module: ModuleType, folder: Path) -> ModuleType:
    """Return a module, unless another one of its name was loaded before that of the folder."""
    top, _, rest = module.__name__.partition(".")
    places = [folder / f"{top}.py", folder / top / "__init__.py"]
    own = next((place.resolve() for place in places if place.is_file()), None)
    loaded = _file(sys.modules[top])
    if own is not None and loaded is not None and loaded.resolve() != own:
        hint = "" if rest else f"; name it as {top}.py:…"
        raise ImportError(f"another {top} is loaded already, from {loaded}{hint}")
    return module


@contextmanager
def _searched(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    importlib.invalidate_caches()
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _described(
    function: Callable[..., Any], module: ModuleType, wanted: Wanted
) -> Target | Problem:
    call = function if inspect.isroutine(function) else type(function).__call__
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some builtins do not tell
        parameters = [_KIND(wanted.first, _KIND.POSITIONAL_ONLY)]
    if not parameters or parameters[0].kind in {_KIND.KEYWORD_ONLY, _KIND.VAR_KEYWORD}:
        name = getattr(function, "__name__", type(function).__name__)
        return Problem(what=f"{name} takes no {wanted.first}", hint=f"take {wanted.form}")
    by_name = [p for p in parameters[1:] if p.kind not in {_KIND.VAR_POSITIONAL, _KIND.VAR_KEYWORD}]
    takes_any = any(p.kind is _KIND.VAR_KEYWORD for p in parameters)
    return Target(
        function=function,
        file=_source(function) or _file(module),
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call),
        named=None if takes_any else frozenset(p.name for p in by_name),
        needs=frozenset(p.name for p in by_name if p.default is inspect.Parameter.empty),
    )


def _source(function: Callable[..., Any]) -> Path | None:
    """Return the file of a function, below its decorators."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # an object that can be called, a builtin
        return None
    return Path(file) if file else None


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _import_problem(name: str, error: BaseException, folder: Path) -> Problem:
    what = f"{name} cannot be imported: {type(error).__name__}: {error}"
    hint = f"run python -c 'import …' in {folder} to see why"
    if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
        hint = f"it is searched in {folder}, and where Python finds modules"
    return Problem(what=f"{what}{_line_of(error)}", hint=hint)


def _line_of(error: BaseException) -> str:
    """Return the line of the user's code that failed, as " (bot.py:3)"; "" if none did."""
    if isinstance(error, SyntaxError):
        return ""  # tells its line itself
    frame, place = error.__traceback__, ""
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            place = f" ({Path(file).name}:{frame.tb_lineno})"
        frame = frame.tb_next
    return place
