"""The log of a run: rows appended as they come, found by key, and put in order once all are there."""

import os
import time
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from lm_eval_so.core.files import Appender, FileMark, Piece, cannot_write, mark_of
from lm_eval_so.core.hashing import sorted_u64
from lm_eval_so.core.records.codec import dump_row, load_row, loads
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.errors import CannotMeasure, RecordError
from lm_eval_so.runner.plan.jobs import row_key

_SYNC_EVERY_S = 1.0

KeyedOffset = tuple[int, int]
"""Key of a row and its byte offset."""
Stretch = tuple[int, int]
"""Byte offset and length of a line."""

_ABSENT = -1
_BLOCK = 1 << 16


class ResultsChanged(CannotMeasure):
    """Another program changed the log of a run while it was written."""


class RowLog:
    """Log of one run, which nobody else writes to.

    Args:
        path: The file; it is made with the first row.
        torn: File that keeps lines that are no rows.
        beside: File of a rewritten log, before it takes the place of the old one.

    Raises:
        InputError: If half a last line cannot be cut off.
    """

    def __init__(self, path: Path, torn: Path, beside: Path) -> None:
        self._path = path
        self._torn = torn
        self._beside = beside
        self._file: Appender | None = None
        self._written: Piece | None = None
        """Piece that was appended last; None if nothing was."""
        self._synced_at = time.monotonic()
        _cut_torn(path, torn)
        self._mark: FileMark | None = mark_of(path)
        """Identity and size of the file while it is closed."""

    def append(self, row: RunResult) -> int:
        """Add a row; it survives the end of the process at once, that of the machine in a second.

        Returns:
            Its byte offset.

        Raises:
            InputError: If the disk is full.
            ResultsChanged: If another program changed the log; checked every second.
        """
        now = time.monotonic()
        if self._file is None:
            self.refuse_change()
            self._file = Appender(self._path)
        offset = self._file.append(dump_row(row))
        if now - self._synced_at >= _SYNC_EVERY_S:
            self._synced_at = now
            self.refuse_change()
            self._file.sync_soon()
        return offset

    def refuse_change(self) -> None:
        """Refuse a log that another program changed or replaced.

        Raises:
            ResultsChanged: If it is not.
        """
        if mark_of(self._path) != (self._file.mark() if self._file else self._mark):
            raise self._changed()

    def recover(self) -> None:
        """Accept the log as it is now, and add the rows that went into a file that was renamed or deleted.

        Raises:
            InputError: If it cannot be written.
        """
        if self._file is not None:
            there = mark_of(self._path)
            if there is None or there[:2] != self._file.mark()[:2]:
                self._heal()
                self._file.copy_to(self._path)
            self.close()
            self._written = None  # the piece may be gone, or stand elsewhere
        self._heal()

    def sync(self) -> None:
        """Wait until the disk has every row."""
        if self._file is not None:
            self._file.sync()

    def set_apart(self, damaged: Sequence[Stretch]) -> None:
        """Move lines that are no rows to `run_results.torn`; blanks take their place.

        Raises:
            InputError: If that cannot be written.
        """
        try:
            with self._path.open("r+b") as file, self._torn.open("ab") as kept:
                for offset, length in damaged:
                    kept.write(os.pread(file.fileno(), length, offset))
                kept.flush()
                os.fsync(kept.fileno())
                for offset, length in damaged:
                    file.seek(offset)
                    file.write(b" " * (length - 1) + b"\n")
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def put_in_order(self, rows: Callable[[], Iterable[KeyedOffset]]) -> OSError | None:
        """Rewrite the log with these rows alone, in this order, unless it is so already.

        Args:
            rows: Function that yields the rows, anew with each call.

        Returns:
            The error that kept the log from being rewritten; the old one stays then, and is whole.

        Raises:
            ResultsChanged: If the rows that were appended are not as they were written, or another
                row than the expected one stands somewhere before them.
        """
        self.close()
        try:
            self._path.open("ab").close()  # a run may have no rows at all
            with self._path.open("rb") as log:
                self._refuse_other_bytes(log)
                if self._is_in_order(log, rows()):
                    return None
                with self._beside.open("wb") as file:
                    for key, offset in rows():
                        log.seek(offset)
                        file.write(self._row_at(log, key, offset))
                    file.flush()
                    os.fsync(file.fileno())
            self._beside.replace(self._path)
            self._written = None
        except (OSError, ResultsChanged) as error:
            with suppress(OSError):
                self._beside.unlink()
            if isinstance(error, OSError):
                return error
            raise
        finally:
            self._mark = mark_of(self._path)
        return None

    def close(self) -> None:
        """Sync and close; the next row opens it again."""
        file, self._file = self._file, None
        if file is not None:
            self._mark, self._written = file.mark(), file.appended
            file.close()

    def _heal(self) -> None:
        _cut_torn(self._path, self._torn)
        self._mark = mark_of(self._path)

    def _changed(self) -> ResultsChanged:
        what = f"{self._path} was changed by another program while the run wrote to it"
        return ResultsChanged(what, hint="let nothing else write there, then run again to go on")

    def _refuse_other_bytes(self, log: BinaryIO) -> None:
        """Refuse a log whose last appended piece is another one now, down to the byte."""
        if self._written is None:
            return
        begin, end, wanted = self._written
        log.seek(begin)
        left, checksum = end - begin, 0
        while left and (block := log.read(min(left, _BLOCK))):
            left, checksum = left - len(block), zlib.crc32(block, checksum)
        if left or checksum != wanted:
            raise self._changed()
        log.seek(0)

    def _is_in_order(self, log: BinaryIO, rows: Iterable[KeyedOffset]) -> bool:
        """Return whether these rows are all that stands in the log, in this order."""
        end = 0
        for key, offset in rows:
            if offset != end:
                return False
            end += len(self._row_at(log, key, offset))
        return end == os.fstat(log.fileno()).st_size

    def _row_at(self, log: BinaryIO, key: int, offset: int) -> bytes:
        """Read the next line, which must be the row with this key."""
        line = log.readline()
        # the checksum vouches for what was appended; without that, `read_rows` has just read them all
        if self._written is not None and offset < self._written[0]:
            row = row_of(line)
            if row is None or row_key(row.sample_id, row.sample_hash, row.repeat) != key:
                raise self._changed()
        return line


def row_of(line: bytes) -> RunResult | None:
    """Return the row that a line is; None if it is none."""
    try:
        return load_row(line) or loads(line, RunResult)
    except RecordError:
        return None


def _cut_torn(results: Path, torn: Path) -> None:
    """Cut a last line without an end off, and keep it beside."""
    if not results.is_file():
        return
    try:
        with results.open("r+b") as file:
            end = _end_of_last_line(file.seek(0, os.SEEK_END), file.fileno())
            file.seek(end)
            rest = file.read()
            if rest:
                with torn.open("ab") as kept:
                    kept.write(rest + b"\n")
                file.truncate(end)
    except OSError as error:
        raise cannot_write(results, error) from None


def _end_of_last_line(size: int, descriptor: int, block: int = 65536) -> int:
    while size > 0:
        start = max(0, size - block)
        found = os.pread(descriptor, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0


class RowOffsets:
    """Byte offsets of the planned rows that are there, in 16 bytes a row.

    Args:
        keys: Keys of all rows that the run should have.
    """

    def __init__(self, keys: Iterable[int]) -> None:
        self._keys = sorted_u64(keys)
        self._offsets = array("q", [_ABSENT]) * len(self._keys)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.get(key) is not None

    def get(self, key: int) -> int | None:
        """Return the offset of a row; None if it is not there, or not planned."""
        at = self._position(key)
        return None if at is None or self._offsets[at] == _ABSENT else self._offsets[at]

    def lacks(self, key: int) -> bool:
        """Return whether a row is planned and not there."""
        at = self._position(key)
        return at is not None and self._offsets[at] == _ABSENT

    def put(self, key: int, offset: int) -> None:
        """Note the offset of a row, over an earlier one; rows that are not planned are ignored."""
        at = self._position(key)
        if at is not None:
            self._offsets[at] = offset

    def drop(self, key: int) -> None:
        """Forget a row."""
        self.put(key, _ABSENT)

    def _position(self, key: int) -> int | None:
        at = bisect_left(self._keys, key)
        return at if at < len(self._keys) and self._keys[at] == key else None
