"""The files of a source: found by paths and globs, opened with digest, encoding and reader."""

import codecs
import glob
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from errno import EINVAL
from pathlib import Path, PurePath
from typing import Final

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.config.variables import as_written
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import Problem, nearest
from lm_eval_so.generator.sources.base import (
    BadFileError,
    Item,
    Reason,
    SourceFile,
    unreadable,
)
from lm_eval_so.generator.sources.encoding import HEAD_BYTES, detect_encoding
from lm_eval_so.generator.sources.reader_table import ENDINGS, READERS, SHEETS
from lm_eval_so.generator.sources.structure import recognised

REMEDIES: Final[Mapping[str, tuple[str, ...]]] = {
    ".hwp": ("HWPX", "DOCX", "PDF"),
    ".doc": ("DOCX", "PDF"),
    ".rtf": ("DOCX", "PDF"),
    ".odt": ("DOCX", "PDF"),
    ".ppt": ("PDF",),
    ".pptx": ("PDF",),
    ".xlsb": ("XLSX",),
}
"""Formats to save files of others as, which are not read, by their endings."""
_SETTINGS: Final = (".yaml", ".yml")
"""Endings of files that hold settings of anything, so a folder's are left out, but for those of promptfoo."""
_PROMPTFOO: Final = "promptfooconfig"
_NEVER_SOURCES: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
"""Folders that are left out of a folder; hidden ones are, too."""
Items = Iterator[Item]


def licensed(config: Config, number: int) -> SourceSection:
    """Return a source of the config with its license as it is written there, variables unfilled."""
    source, at = config.sources[number], ("generator", "sources", number, "license")
    license_ = as_written(source.license, config.located.written_below(*at))
    return source.model_copy(update={"license": license_})


def locate(config: Config, number: int) -> Iterator[tuple[str, Path] | Problem]:
    """Yield (name to show, path) of each file of a source, or the problem of a pattern.

    Args:
        config: The config.
        number: Position of the source in it.

    Yields:
        Files in the order of the config, those of a glob or a folder sorted by code point; each once. Of a
        folder, with all below it, these are the files of `ENDINGS` and `REMEDIES` that the config does not
        itself name as dataset, run, report or baseline.
    """
    paths = config.sources[number].path
    seen: set[Path] = set()
    for position, pattern in enumerate([paths] if isinstance(paths, str) else paths):
        found = _matches(pattern, config)
        if not found:
            steps = ("path",) if isinstance(paths, str) else ("path", position)
            where = config.where("generator", "sources", number, *steps)
            yield Problem(what=f"no file at {pattern}", where=where, hint=_hint(pattern, config))
        for name, path in found:
            if path not in seen:
                seen.add(path)
                yield name, path


def _matches(pattern: str, config: Config) -> list[tuple[str, Path]]:
    folder = config.folder
    path = _existing(folder / pattern)
    if path is not None and path.is_dir():
        written = (config.dataset.path, config.run.out, config.report.out, config.baseline.path)
        own = [config.resolve(each) for each in written if each is not None]
        below = [each for each in files_below(path) if not any(map(each.is_relative_to, own))]
        return sorted(
            (_shown(f"{PurePath(pattern, each.relative_to(path))}", folder), each) for each in below
        )
    if path is not None:
        return [(_shown(pattern, folder), path)]
    # unlike Path.glob, it leaves hidden files out and takes absolute patterns
    names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    found = [(_shown(name, folder), folder / name) for name in names]
    return sorted((name, path) for name, path in found if path.is_file())


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be sources, by their endings, in no order."""
    for root, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each[0] != "." and each not in _NEVER_SOURCES]
        for name in names:
            is_known = PurePath(name).suffix.lower() in ENDINGS.keys() | REMEDIES.keys()
            is_other = name.lower().endswith(_SETTINGS) and not name.startswith(_PROMPTFOO)
            if is_known and not is_other and not name.startswith((".", "~$")):  # ~$: open in Office
                yield Path(root, name)


def _existing(path: Path) -> Path | None:
    """Return an existing path, with its last part in any Unicode form (macOS has NFD)."""
    if path.exists() or not path.parent.is_dir():
        return path if path.exists() else None
    return next((p for p in sorted(path.parent.iterdir()) if nfc(p.name) == nfc(path.name)), None)


def _shown(name: str, folder: Path) -> str:
    """Return a path for records: never absolute, which would name a machine."""
    path = PurePath(name)
    if path.is_absolute():
        here = folder.absolute()
        path = path.relative_to(here) if path.is_relative_to(here) else PurePath(path.name)
    return nfc(path.as_posix())


def _hint(pattern: str, config: Config) -> str:
    path = config.folder / pattern
    if path.is_dir():
        return "nothing below this folder can be read"
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, sorted(beside))
    return f'did you mean "{close}"?' if close else "paths are relative to the config file"


def format_of(name: str, options: SourceSection | None = None) -> str | None:
    """Return the format that the config names, else the format of the file's ending."""
    given = options.format if options else None
    return given or ENDINGS.get(PurePath(name).suffix.lower())


def open_file(
    name: str, path: Path, source: SourceSection, *, beside: Sequence[Path] = ()
) -> tuple[SourceFile, Items]:
    """Return a file and its records; for an unreadable file its error.

    Args:
        name: Name of the file, for people.
        path: Path of the file.
        source: Source of the file.
        beside: Other files of that source.
    """
    try:
        if path.exists() and not path.is_file():  # a device would be read for ever
            raise OSError(EINVAL, "it is no file")  # noqa: TRY301 - the same end
        with path.open("rb") as data:
            head = data.read(HEAD_BYTES)
            data.seek(0)
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
            size = data.tell()
    except OSError as error:
        file = SourceFile(source=source.id, name=name, path=path, sha256="", size=0)
        return file, iter([unreadable(error).of(file)])
    declared = codecs.lookup(source.encoding).name if source.encoding else None
    is_text = format_of(name, source) not in SHEETS
    file = SourceFile(
        source=source.id,
        name=name,
        path=path,
        sha256=sha256,
        size=size,
        encoding=(declared or detect_encoding(head)) if is_text else None,
        license=source.license,
        beside=tuple(beside),
    )
    return file, _items(file, source)


def _items(file: SourceFile, source: SourceSection) -> Items:
    kind = format_of(file.name, source)
    reader = READERS.get(kind or "")
    try:
        if reader is None:
            what = f'the ending "{file.path.suffix}" tells no format'
            hint = f"name it by format: one of {', '.join(READERS)}"
            raise BadFileError(Reason.UNKNOWN_FORMAT, what, hint)  # noqa: TRY301 - the same end
        if file.encoding is None and kind not in SHEETS:
            what = f"the encoding cannot be told; no UTF-8 at byte {_first_foreign(file.path)}"
            hint = "name it by encoding: or save the file as UTF-8"
            raise BadFileError(Reason.UNREADABLE, what, hint)  # noqa: TRY301
        yield from recognised(reader(file, source), file, source)
    except BadFileError as error:
        yield error.of(file)
    except UnicodeError as error:  # UTF-16 torn in the middle of a unit, or not that at all
        what = f"no {file.encoding}: {getattr(error, 'reason', error)}"
        yield BadFileError(Reason.UNREADABLE, what).of(file)
    except OSError as error:  # it was there a moment ago
        yield unreadable(error).of(file)


def _first_foreign(path: Path) -> int:
    """Return the place of the first byte that is no UTF-8."""
    data = path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(data)
