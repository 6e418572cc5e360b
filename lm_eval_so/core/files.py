"""Files: written whole or not at all, JSON lines read and appended, the limit of open files."""

import errno
import gc
import os
import resource
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lm_eval_so.errors import BackendError, ErrorKind, InputError, Problem, Where

if TYPE_CHECKING:
    from concurrent.futures import Future

Text = str | Iterable[str]
"""A text, or its pieces in their order."""
FileMark = tuple[int, int, int]
"""Identity of a file (device and inode), and its size in bytes."""
Piece = tuple[int, int, int]
"""Piece of a file: where it begins, where it ends, and its CRC-32."""
_YOUNG = 10_000
"""New objects at which the garbage collector looks through them. Python's 700 let the imports alone trigger
full collections, a tenth of a second in all; a worker of a cluster took a fifth more for each row."""
_ENOUGH = 65_536
"""Limit to ask for: more than the highest concurrency needs. Some child programs go through all numbers
up to the limit, so it must not be unbounded."""
_MACOS_MOST = 10_240
"""Highest limit that macOS accepts if it names none."""
_OPEN_AT_START = 16
"""Assumed number of open files if the system does not list them."""
_SHORT = frozenset({errno.EMFILE, errno.ENFILE})
_OWN = "out_of_files"
"""Key in the details of an error."""
RAISE_IT = "raise the limit of open files (ulimit -n 4096), or lower run.concurrency"
"""Advice if no more files can be opened."""


def write_atomic(path: Path, text: Text) -> None:
    """Write a text beside `path` and rename it there; the folder is made if need be.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as file:
        file.writelines(piece.encode() for piece in ([text] if isinstance(text, str) else text))


def keep_out_of_git(folder: Path) -> None:
    """Write the file that keeps a folder out of git."""
    file = folder / ".gitignore"
    if not file.is_file():
        write_atomic(file, "*\n")


def copy_atomic(source: Path, path: Path) -> None:
    """Copy a file beside `path` and rename it there; otherwise as `write_atomic`."""
    with source.open("rb") as data, replacing(path) as file:
        shutil.copyfileobj(data, file)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that is renamed there in the end; otherwise as `write_atomic`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, made = _new_file(path.parent, f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            made.chmod(0o644)
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from None


def _new_file(folder: Path, prefix: str) -> tuple[int, Path]:
    """Make a file that nobody else has, readable for its owner alone; return its descriptor and path."""
    # not `tempfile`, of which --help would load five modules
    path = folder / f"{prefix}{os.urandom(8).hex()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path


def write_all(texts: Mapping[Path, Text]) -> tuple[Path, ...]:
    """Write several files, each atomically, and return their paths."""
    for path, text in texts.items():
        write_atomic(path, text)
    return tuple(texts)


def cannot_write(path: Path, error: OSError) -> InputError:
    """Return the error of a file that cannot be written, with advice."""
    reason = error.strerror or str(error)
    hint = "choose another folder with -o, or free space" if error.errno else None
    hint = RAISE_IT if is_short(error) else hint
    return InputError(f"cannot write {path}: {reason}", where=Where(file=str(path)), hint=hint)


def folder_problems(folders: Iterable[Path]) -> list[Problem]:
    """Return the problems of folders that cannot be written into, without changing them.

    For a folder that does not exist yet the nearest existing parent is tried.
    """
    problems: list[Problem] = []
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        try:
            # rights alone do not tell: the disk may be mounted read-only
            handle, made = _new_file(there, ".")
            os.close(handle)
            made.unlink()
        except OSError as error:
            hint = "choose another folder, by -o or in the config"
            hint = RAISE_IT if is_short(error) else hint
            problems += [replace(each, hint=hint) for each in cannot_write(folder, error).problems]
    return problems


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether a path, which need not exist, lies outside a folder once links are followed."""
    # not `resolve`, which raises at links that lead to each other
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_text(path: Path) -> str:
    """Read a UTF-8 text, with or without a BOM.

    Raises:
        InputError: If the file is missing, unreadable or not UTF-8.
    """
    return decode_text(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: If it is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None


def decode_text(data: bytes, path: Path) -> str:
    """Decode the content of a UTF-8 file, with or without a BOM.

    Args:
        data: The content.
        path: The file, for the error.

    Raises:
        InputError: If it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        where = Where(file=str(path), line=before.count(b"\n") + 1)
        hint = "save the file as UTF-8"
        raise InputError(f"no UTF-8 at byte {error.start}", where=where, hint=hint) from None


def cannot_read(path: Path, error: OSError) -> InputError:
    """Return the error of a file that cannot be read."""
    is_missing = isinstance(error, FileNotFoundError)
    reason = "no such file" if is_missing else error.strerror or str(error)
    hint = RAISE_IT if is_short(error) else None
    return InputError(f"cannot read {path}: {reason}", where=Where(file=str(path)), hint=hint)


def mark_of(path: Path) -> FileMark | None:
    """Return the mark of the file at a path; None if there is none."""
    try:
        found = path.lstat()  # a link in its place is another file
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, bytes without line end and BOM) of each line that is not blank.

    Raises:
        InputError: If the file cannot be read.
    """
    for number, (_, data) in enumerate(lines_at(path, 0), start=1):
        if data:
            yield number, data


def lines_at(path: Path, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, bytes without line end and BOM) of each line from an offset on.

    Raises:
        InputError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(at)
            for line in file:
                data = line.removeprefix(b"\xef\xbb\xbf") if at == 0 else line
                yield at, data.strip(b"\r\n \t")
                at += len(line)
    except OSError as error:
        raise cannot_read(path, error) from None


class Appender:
    """Appends lines to a file, each by one write, so that lines are ordered and never interleaved."""

    def __init__(self, path: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - not for --help

        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync")
        self._syncing: Future[None] | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, 0o644)
            self._began = self._size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise cannot_write(path, error) from None
        self._checksum = 0

    def append(self, line: str) -> int:
        """Write one line, and return its byte offset.

        Raises:
            InputError: If the disk is full or the write is incomplete.
        """
        data = line.encode() + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise cannot_write(self._path, error) from None
        if written < len(data):
            # half a line would be the start of the next row, should there be room for that one
            os.ftruncate(self._descriptor, self._size)
            raise cannot_write(self._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        offset, self._size = self._size, self._size + written
        self._checksum = zlib.crc32(data, self._checksum)
        return offset

    @property
    def appended(self) -> Piece:
        """The piece of the file that this appender wrote."""
        return self._began, self._size, self._checksum

    def mark(self) -> FileMark:
        """Return the mark of the file, with the size after this appender's last write."""
        found = os.fstat(self._descriptor)
        return found.st_dev, found.st_ino, self._size

    def copy_to(self, path: Path) -> None:
        """Append the content of the file, which may have lost its name, to another file.

        Raises:
            InputError: If it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.dup(self._descriptor), "rb") as rows, path.open("ab") as file:
                rows.seek(0)
                shutil.copyfileobj(rows, file)
        except OSError as error:
            raise cannot_write(path, error) from None

    def sync(self) -> None:
        """Wait until all writes are on the disk; errors as in `append`."""
        try:
            if self._syncing is not None:
                self._syncing.result()
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def sync_soon(self) -> None:
        """Sync in a thread, so that a slow disk blocks nobody.

        Raises:
            InputError: If the last sync failed.
        """
        syncing = self._syncing
        if syncing is not None:
            if not syncing.done():
                return
            if isinstance(failure := syncing.exception(), OSError):
                raise cannot_write(self._path, failure)
        self._syncing = self._thread.submit(os.fsync, self._descriptor)

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            self._thread.shutdown()
            os.close(self._descriptor)


def own_process() -> None:
    """Set what only the owner of a process may: the limit of open files, and rarer garbage collections."""
    raise_limit()
    gc.set_threshold(_YOUNG)


def raise_limit() -> None:
    """Raise the soft limit of open files, often 256 or 1024, as far as the system allows.

    To be called by the owner of the process only, not by a library.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    for wanted in (most, min(most, _MACOS_MOST)):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def open_limit() -> int | None:
    """Return the limit of open files of this process; None without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def free_files() -> int | None:
    """Return how many more files this process may open; None without a limit."""
    limit = open_limit()
    if limit is None:
        return None
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir()) - 1  # one is that of the listing
    except OSError as error:
        used = limit if is_short(error) else _OPEN_AT_START
    return max(0, limit - used)


def is_short(error: BaseException) -> bool:
    """Return whether an error means that no more files can be opened."""
    return isinstance(error, OSError) and error.errno in _SHORT


def are_used_up() -> bool:
    """Return whether no file can be opened now, which a failed look-up of a host does not tell."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return is_short(error)
    return False


def out_of_files(kind: ErrorKind, *, sent: bool = False) -> BackendError:
    """Return the error of an attempt for which no file could be opened.

    Args:
        kind: Kind of the failure.
        sent: Whether the server may have received the request.
    """
    limit = open_limit()
    what = "no more files can be opened"
    what += "" if limit is None else f" (this process may have {limit:,})"
    details = {"sent": sent, _OWN: True}
    return BackendError(kind, what, retryable=True, hint=RAISE_IT, details=details)


def is_out_of_files(error: BackendError) -> bool:
    """Return whether an attempt failed because no file could be opened."""
    return error.details.get(_OWN) is True
