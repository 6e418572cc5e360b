"""JSON lines: read with line numbers, appended whole."""

import errno
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lm_eval_so.core.files import cannot_read, cannot_write

FileMark = tuple[int, int, int]
"""What tells a file from any other (device and inode), and its size in bytes."""


def mark_of(path: Path) -> FileMark | None:
    """Return the mark of the file that a path names now; None if there is none."""
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
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                data = data.strip(b"\r\n \t")
                if data:
                    yield number, data
    except OSError as error:
        raise cannot_read(path, error) from None


class Appender:
    """Appends lines to a file, each by one write: ordered, never interleaved, in the kernel at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync")
        self._syncing: Future[None] | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, 0o644)
            self._size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise cannot_write(path, error) from None

    def append(self, line: str) -> int:
        """Write one line, and give the byte offset at which it stands.

        Raises:
            InputError: If the disk is full or the write came short.
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
        return offset

    def mark(self) -> FileMark:
        """Give what tells the file from any other, and its size as far as it was written by this."""
        found = os.fstat(self._descriptor)
        return found.st_dev, found.st_ino, self._size

    def copy_to(self, path: Path) -> None:
        """Add what stands in the file, which may have no name any more, to another one.

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
        """Wait until the disk has what was written; errors as in `append`."""
        try:
            if self._syncing is not None:
                self._syncing.result()
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def sync_soon(self) -> None:
        """Let a thread wait for the disk, so that a slow one holds nobody up.

        Raises:
            InputError: If that failed the last time.
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
