"""Zip archives of office programs, of a size that is known before they are unpacked."""

import zipfile
from pathlib import Path
from typing import Final

from lm_eval_so.generator.sources.base import BadFileError, Reason

_MOST_UNPACKED: Final = 1_000_000_000
_MOST_RATIO: Final = 200
_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""Beginning of the files of old Office, and of new ones with a password."""
_DRM: Final = (b"DRMONE", b"SCDSA", b"NASCA DRM")
"""Beginnings of files that are locked by document security of Korean companies."""


def open_archive(path: Path, kind: str) -> zipfile.ZipFile:
    """Open a zip archive whose content is known to be of a sane size.

    Args:
        path: The file.
        kind: Format that the file should have, for people: `DOCX`.

    Raises:
        BadFileError: If it is no archive, is encrypted, or unpacks to more than 1 GB or 200 times its size.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise _no_archive(path, kind) from None
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    problem = None
    if unpacked > _MOST_UNPACKED or unpacked > _MOST_RATIO * max(path.stat().st_size, 1):
        what = f"it unpacks to {unpacked:,} bytes, far more than its size"
        problem = BadFileError(Reason.TOO_LARGE, what, "save it anew, or split it")
    elif any(entry.flag_bits & 1 for entry in entries):
        problem = BadFileError(
            Reason.ENCRYPTED, "a password protects it", "save it without a password"
        )
    if problem is not None:
        archive.close()
        raise problem
    return archive


def _no_archive(path: Path, kind: str) -> BadFileError:
    with path.open("rb") as data:
        head = data.read(4096)
    if any(mark in head[:64] for mark in _DRM):
        hint = "release it in the program that locked it, then save it anew"
        return BadFileError(Reason.ENCRYPTED, "document security (DRM) locks it", hint)
    if head.startswith(_COMPOUND):
        what = f"it is no {kind}, but a file with a password or of an old program"
        return BadFileError(Reason.ENCRYPTED, what, f"save it as {kind} without a password")
    return BadFileError(Reason.UNREADABLE, f"it is no {kind}", f"save it anew as {kind}")
