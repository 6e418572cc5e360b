"""The log of batches: `batch.json` and `batch.ids` in the folder of a run, or of a judge.

Both files are written before and after each step, so that a command that is killed at any point
resumes without paying for a second batch.
"""

import hashlib
import os
import re
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lm_eval_so.core.asking.folder_lock import FolderLock, refuse_linked
from lm_eval_so.core.files import cannot_read, cannot_write, write_atomic
from lm_eval_so.core.hashing import sorted_u64
from lm_eval_so.core.records.codec import dump_document, loads, to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.errors import RecordError, Where

BATCH_FILES = ("batch.json", "batch.ids")
"""Files of the log."""
LOG_FILE, IDS_FILE = BATCH_FILES
_LOCK_FILE = "batch.lock"

ID_LENGTH = 32
"""Digits of a request's digest that a run calls it by."""
_ID = re.compile(r"[0-9a-f]+")


@record
class Chunk:
    """One batch: an input file of requests, and its state."""

    digest: str
    """SHA-256 of its position and of the ids of its requests."""
    requests: int
    file_id: str | None = None
    """The input file, once it is uploaded."""
    batch_id: str | None = None
    """The batch, once it is begun."""
    is_read: bool = False
    """Whether its answers are where the command keeps them: the log of a run, or the cache."""
    is_void: bool = False
    """Whether the service refused its file, so that none of its requests was asked."""


@record
class BatchLog:
    """All batches of a run, or of a judge."""

    schema: Literal["lm-eval-so/batch/1"] = "lm-eval-so/batch/1"
    run: str
    """Random name of this log, which tells its batches from those of others."""
    begun_at: int
    """Seconds since 1970."""
    chunks: tuple[Chunk, ...] = ()


class BatchFiles:
    """The two files, with 8 bytes a request in memory.

    Args:
        folder: Folder of the log.
        id_length: Digits of an id.

    Raises:
        InputError: If a file is there and cannot be read.
    """

    def __init__(self, folder: Path, *, id_length: int = ID_LENGTH) -> None:
        self._folder = folder
        self._id_length = id_length
        self.log = _read_log(folder / LOG_FILE)
        self._in_chunks = sorted_u64(())
        self._sort()

    @property
    def unread(self) -> list[int]:
        """Positions of the chunks whose answers are still to come."""
        chunks = enumerate(self.log.chunks)
        return [i for i, chunk in chunks if not (chunk.is_read or chunk.is_void)]

    @property
    def requests(self) -> int:
        """Number of requests of all chunks that are not void."""
        return len(self._in_chunks)

    def has(self, custom_id: str) -> bool:
        """Return whether a request is part of a chunk."""
        return self.place(custom_id) is not None

    def place(self, custom_id: str) -> int | None:
        """Return the place of a request among all of the chunks, in order; None if it is in none."""
        key = _short(custom_id)
        at = bisect_left(self._in_chunks, key)
        return at if at < len(self._in_chunks) and self._in_chunks[at] == key else None

    def ids(self, position: int) -> list[str]:
        """Return the ids of a chunk's requests, in the order of its file.

        Raises:
            InputError: If they cannot be read.
        """
        start = sum(chunk.requests for chunk in self.log.chunks[:position])
        file = self._folder / IDS_FILE
        try:
            with file.open("rb") as lines:
                lines.seek(start * self._line)
                data = lines.read(self.log.chunks[position].requests * self._line)
        except OSError as error:
            raise cannot_read(file, error) from None
        ids = data.decode("ascii", "replace").split()
        if not all(len(i) == self._id_length and _ID.fullmatch(i) for i in ids):
            what, hint = f"{file} holds no ids of requests", "begin anew with --fresh"
            raise RecordError(what, where=Where(file=str(file)), hint=hint)
        return ids

    def add(self, ids: Sequence[str]) -> int:
        """Note a chunk before anything of it is sent, and return its position.

        Raises:
            InputError: If the disk is full.
        """
        text = "".join(f"{custom_id}\n" for custom_id in ids)
        # with its position: a file that was refused may be sent again as it was
        digest = hashlib.sha256(f"{len(self.log.chunks)}\n{text}".encode()).hexdigest()
        self._append(text.encode())
        chunk = Chunk(digest=digest, requests=len(ids))
        self._save(replace(self.log, chunks=(*self.log.chunks, chunk)))
        self._sort()
        return len(self.log.chunks) - 1

    def change(self, position: int, **values: str | bool) -> Chunk:
        """Note the new state of a chunk."""
        chunks = list(self.log.chunks)
        chunks[position] = replace(chunks[position], **values)  # type: ignore[arg-type]
        self._save(replace(self.log, chunks=tuple(chunks)))
        if chunks[position].is_void:
            self._sort()
        return chunks[position]

    @property
    def _line(self) -> int:
        """Bytes of a line of ids."""
        return self._id_length + 1

    def forget(self) -> None:
        """Remove the log, once nothing is under way and what uses the answers is done."""
        for name in BATCH_FILES:
            (self._folder / name).unlink(missing_ok=True)

    def _append(self, data: bytes) -> None:
        """Write ids after those of the chunks so far, over the rest that a killed process left."""
        file = self._folder / IDS_FILE
        try:
            with file.open("ab") as lines:
                lines.truncate(sum(chunk.requests for chunk in self.log.chunks) * self._line)
                lines.write(data)
                lines.flush()
                os.fsync(lines.fileno())
        except OSError as error:
            raise cannot_write(file, error) from None

    def _save(self, log: BatchLog) -> None:
        write_atomic(self._folder / LOG_FILE, dump_document(to_json(log)))
        self.log = log

    def _sort(self) -> None:
        chunks = enumerate(self.log.chunks)
        wanted = (position for position, chunk in chunks if not chunk.is_void)
        self._in_chunks = sorted_u64(_short(i) for at in wanted for i in self.ids(at))


@contextmanager
def lock_log(folder: Path) -> Iterator[None]:
    """Keep a folder that holds nothing but the log of batches for this process alone.

    Raises:
        InputError: If another process has it, it cannot be written to, or a file in it is a link.
    """
    hint = f"remove {folder}, which holds nothing but the log of batches"
    refuse_linked(folder.parent, ("", folder.name), hint=hint)
    refuse_linked(folder, (*BATCH_FILES, _LOCK_FILE), hint=hint)
    lock = FolderLock(folder / _LOCK_FILE, hint="wait for it to end")
    try:
        yield
    finally:
        lock.release()


def going(folder: Path) -> list[str]:
    """Return the ids of the batches of a log whose answers are still to come.

    Raises:
        InputError: If the log of the batches cannot be read.
    """
    chunks = _read_log(folder / LOG_FILE).chunks
    return [c.batch_id for c in chunks if c.batch_id and not (c.is_read or c.is_void)]


def _short(custom_id: str) -> int:
    return int(custom_id[:16], 16)


def _read_log(file: Path) -> BatchLog:
    if not file.is_file():
        return BatchLog(run=secrets.token_hex(16), begun_at=int(time.time()))
    try:
        return loads(file.read_bytes(), BatchLog, where=Where(file=str(file)))
    except OSError as error:
        raise cannot_read(file, error) from None
