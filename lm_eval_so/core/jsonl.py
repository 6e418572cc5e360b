"""JSON lines: read with line numbers, appended whole."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.files import cannot_read, cannot_write


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give (line number, bytes without line end and BOM) of each line that is not blank.

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
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
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
            raise cannot_write(self._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        offset, self._size = self._size, self._size + written
        return offset

    def sync(self) -> None:
        """Wait until the disk has what was written; errors as in `append`."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
