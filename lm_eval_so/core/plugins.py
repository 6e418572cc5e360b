"""`--plugin FILE.py`: code of the user's own, loaded by path."""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.registry import PLUGIN_MODULES
from lm_eval_so.errors import ConfigError, InputError, LMEvalError, Problem, Where, refuse


def load_plugins(files: Sequence[Path]) -> None:
    """Run plugin files once each; what they define is found by name afterwards.

    Raises:
        ConfigError: With every file that is missing or fails; names the line in it.
    """
    refuse(plugin_problems((file, None) for file in files))


def plugin_problems(files: Iterable[tuple[Path, Where | None]]) -> list[Problem]:
    """Run plugin files once each, and find those that are missing or fail.

    Args:
        files: The files, and where each is named.
    """
    problems: list[Problem] = []
    for file, named in files:
        try:
            _load(file)
        except InputError as error:
            problems += [replace(each, where=each.where or named) for each in error.problems]
    return problems


class FreshSource(SourceFileLoader):
    """Compiles a file as it is now.

    Python itself takes what it compiled before if size and second of the change are the same.
    """

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as Python calls it
        """Return the code of the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(path: Path, name: str) -> ModuleType:
    """Run a Python file as the module of this name; if it fails there is no such module.

    Raises:
        BaseException: Whatever the file raises.
    """
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
