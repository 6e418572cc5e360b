"""The files of a source: paths and globs, found relative to the config file."""

import glob
from collections.abc import Iterator
from pathlib import Path, PurePath

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import Problem, nearest


def locate(config: Config, number: int) -> Iterator[tuple[str, Path] | Problem]:
    """Yield (name to show, path) of each file of a source, or what is wrong with a pattern.

    Args:
        config: The config.
        number: Position of the source in it.

    Yields:
        Files in the order of the config, those of a glob sorted by code point; each once.
    """
    paths = config.sources[number].path
    seen: set[Path] = set()
    for position, pattern in enumerate([paths] if isinstance(paths, str) else paths):
        found = _matches(pattern, config.folder)
        if not found:
            steps = ("path",) if isinstance(paths, str) else ("path", position)
            where = config.where("generator", "sources", number, *steps)
            yield Problem(what=f"no file at {pattern}", where=where, hint=_hint(pattern, config))
        for name, path in found:
            if path not in seen:
                seen.add(path)
                yield name, path


def _matches(pattern: str, folder: Path) -> list[tuple[str, Path]]:
    path = _existing(folder / pattern)
    if path is not None:
        return [(_shown(pattern, folder), path)] if path.is_file() else []
    # unlike Path.glob, it leaves hidden files out and takes absolute patterns
    names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    found = [(_shown(name, folder), folder / name) for name in names]
    return sorted((name, path) for name, path in found if path.is_file())


def _existing(path: Path) -> Path | None:
    """Return a path that exists, its last part perhaps in another Unicode form (macOS has NFD)."""
    if path.exists() or not path.parent.is_dir():
        return path if path.exists() else None
    return next((p for p in sorted(path.parent.iterdir()) if nfc(p.name) == nfc(path.name)), None)


def _shown(name: str, folder: Path) -> str:
    """Return the path as it is written down: never an absolute one, which names a machine."""
    path = PurePath(name)
    if path.is_absolute():
        here = folder.absolute()
        path = path.relative_to(here) if path.is_relative_to(here) else PurePath(path.name)
    return nfc(path.as_posix())


def _hint(pattern: str, config: Config) -> str:
    path = config.folder / pattern
    if path.is_dir():
        return f"it is a folder; write {pattern.rstrip('/')}/*.csv"
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, sorted(beside))
    return f'did you mean "{close}"?' if close else "paths are relative to the config file"
