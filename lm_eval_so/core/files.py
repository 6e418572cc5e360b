"""Files that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from lm_eval_so.core.descriptors import RAISE_IT, is_short
from lm_eval_so.errors import InputError, Problem, Where

Text = str | Iterable[str]
"""A text, or its pieces in their order."""


def write_atomic(path: Path, text: Text) -> None:
    """Write a text beside `path` and rename it there; the folder is made if need be.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as file:
        file.writelines(piece.encode() for piece in ([text] if isinstance(text, str) else text))


def copy_atomic(source: Path, path: Path) -> None:
    """Copy a file beside `path` and rename it there; otherwise as `write_atomic`."""
    with source.open("rb") as data, replacing(path) as file:
        shutil.copyfileobj(data, file)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that is renamed there in the end; otherwise as `write_atomic`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from None


def write_all(texts: Mapping[Path, Text]) -> tuple[Path, ...]:
    """Write several files, each atomically, and give their paths."""
    for path, text in texts.items():
        write_atomic(path, text)
    return tuple(texts)


def cannot_write(path: Path, error: OSError) -> InputError:
    """Say why a file cannot be written, and what to do."""
    reason = error.strerror or str(error)
    hint = "choose another folder with -o, or free space" if error.errno else None
    hint = RAISE_IT if is_short(error) else hint
    return InputError(f"cannot write {path}: {reason}", where=Where(file=str(path)), hint=hint)


def folder_problems(folders: Iterable[Path]) -> list[Problem]:
    """Find the folders that nothing can be written into; nothing is made, nothing is left there.

    Of a folder that is not there yet the nearest one above it is tried.
    """
    problems: list[Problem] = []
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        try:
            # rights alone do not tell: the disk may be mounted read-only
            tempfile.TemporaryFile(dir=there).close()
        except OSError as error:
            hint = "choose another folder, by -o or in the config"
            hint = RAISE_IT if is_short(error) else hint
            problems += [replace(each, hint=hint) for each in cannot_write(folder, error).problems]
    return problems


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether a path lies outside a folder once links are followed; it need not be there."""
    # not `resolve`, which raises at links that lead to each other
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_text(path: Path) -> str:
    """Read a UTF-8 text, with or without a BOM.

    Raises:
        InputError: If the file is missing, unreadable or no UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        where = Where(file=str(path), line=before.count(b"\n") + 1)
        hint = "save the file as UTF-8"
        raise InputError(f"no UTF-8 at byte {error.start}", where=where, hint=hint) from None
    except OSError as error:
        raise cannot_read(path, error) from None


def cannot_read(path: Path, error: OSError) -> InputError:
    """Say why a file cannot be read."""
    is_missing = isinstance(error, FileNotFoundError)
    reason = "no such file" if is_missing else error.strerror or str(error)
    hint = RAISE_IT if is_short(error) else None
    return InputError(f"cannot read {path}: {reason}", where=Where(file=str(path)), hint=hint)
