"""JSON lines: read with line numbers, appended whole."""

import os
from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.files import cannot_write


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give (line number, bytes without line end and BOM) of each line that is not blank.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            data = data.strip(b"\r\n \t")
            if data:
                yield number, data


class Appender:
    """Appends lines to a file, each by one write: ordered, never interleaved, in the kernel at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise cannot_write(path, error) from None

    def append(self, line: str) -> None:
        """Write one line.

        Raises:
            InputError: If the disk is full or the write came short.
        """
        data = line.encode() + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise cannot_write(self._path, error) from None
        if written < len(data):
            raise cannot_write(self._path, OSError(28, "no space left on device"))

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        os.close(self._descriptor)
