"""The folder of a run: `run_results.jsonl`, `run.json`, and what keeps them whole."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from lm_eval_so.core.files import cannot_read, cannot_write, write_atomic
from lm_eval_so.core.jsonl import Appender
from lm_eval_so.core.records.codec import dump_document, dump_row, load_row, loads, to_json
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.errors import InputError, Where
from lm_eval_so.runner.lock import LOCK_FILE, FolderLock
from lm_eval_so.runner.plan import row_key

RESULTS_FILE = "run_results.jsonl"
INFO_FILE = "run.json"
TORN_FILE = "run_results.torn"
NEW_FILE = "run_results.new"
BATCH_FILES = ("batch.json", "batch.ids")
"""What `batch_log` keeps beside them."""
RUN_FILES = (RESULTS_FILE, TORN_FILE, INFO_FILE, *BATCH_FILES)

_SYNC_EVERY_S = 1.0


class RunDir:
    """One run's folder, held by one process.

    Rows are appended as they come, each by one write, so that a killed process loses none that it
    had; they are not kept in memory.
    """

    def __init__(self, path: Path, lock: FolderLock) -> None:
        self.path = path
        self._lock = lock
        self._results = path / RESULTS_FILE
        self._log: Appender | None = None
        self._synced_at = time.monotonic()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Hold a folder and mend what a killed process left.

        Raises:
            InputError: If another process writes there, it cannot be written to, or a file in it
                is a link.
        """
        _refuse_links(path)
        run_dir = cls(path, FolderLock(path))
        try:
            _heal(run_dir._results, path / TORN_FILE)
        except BaseException:
            run_dir.close()
            raise
        return run_dir

    def append(self, row: RunResult) -> int:
        """Add a row; it survives the end of the process at once, that of the machine in a second.

        Returns:
            Its byte offset.

        Raises:
            InputError: If the disk is full.
        """
        if self._log is None:
            self._log = Appender(self._results)
        offset = self._log.append(dump_row(row))
        now = time.monotonic()
        if now - self._synced_at >= _SYNC_EVERY_S:
            self._synced_at = now
            self._log.sync_soon()
        return offset

    def sync(self) -> None:
        """Wait until the disk has every row."""
        if self._log is not None:
            self._log.sync()

    def move_aside(self) -> Path:
        """Move an earlier run's files to <folder>.1, <folder>.2, …, after all that are there.

        Raises:
            InputError: If they cannot be moved.
        """
        number = max((number for number, _ in self.asides()), default=0) + 1
        folder = self._named()
        aside = folder.with_name(f"{folder.name}.{number}")
        try:
            aside.mkdir()
            for name in RUN_FILES:
                if (self.path / name).exists():
                    (self.path / name).rename(aside / name)
        except OSError as error:
            raise cannot_write(aside, error) from None
        return aside

    def asides(self) -> Iterator[tuple[int, Path]]:
        """Yield the number and path of everything that is named like a run put aside."""
        folder = self._named()
        for path in folder.parent.iterdir():
            stem, _, number = path.name.rpartition(".")
            if stem == folder.name and number.isdecimal() and number.isascii():
                yield int(number), path

    def rewrite(self, offsets: Iterable[int]) -> None:
        """Write the log anew with the rows at these byte offsets, in this order."""
        self._close_log()
        beside = self.path / NEW_FILE
        try:
            self._results.touch()  # a run may have no rows at all
            with self._results.open("rb") as rows, beside.open("wb") as file:
                for offset in offsets:
                    rows.seek(offset)
                    file.write(rows.readline())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._results)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise cannot_write(self._results, error) from None

    def write_info(self, info: RunInfo) -> None:
        """Replace run.json."""
        write_atomic(self.path / INFO_FILE, dump_document(to_json(info)))

    def close(self) -> None:
        """Sync and let go of the folder."""
        try:
            self._close_log()
        finally:
            self._lock.release()

    def _named(self) -> Path:
        # "." and ".." have no name of their own
        return self.path if self.path.name not in {"", ".."} else self.path.resolve()

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            log.close()


def read_info(folder: Path) -> RunInfo | None:
    """Read the run.json of a folder; None if there is none.

    Raises:
        RecordError: If it cannot be read.
    """
    file = folder / INFO_FILE
    if not file.is_file():
        return None
    try:
        return loads(file.read_bytes(), RunInfo, where=Where(file=str(file)))
    except OSError as error:
        raise cannot_read(file, error) from None


def read_rows(folder: Path, fingerprint: str) -> Iterator[tuple[int, int, RunResult]]:
    """Give key, byte offset and row of every whole row with this fingerprint, oldest first.

    Raises:
        RecordError: That names the line which is no row.
    """
    file = folder / RESULTS_FILE
    if not file.is_file():
        return
    offset = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                if line.strip():
                    row = load_row(line)
                    if row is None:
                        row = loads(line, RunResult, where=Where(file=str(file), line=number))
                    if row.fingerprint == fingerprint:
                        yield row_key(row.sample_id, row.sample_hash, row.repeat), offset, row
                offset += len(line)
    except OSError as error:
        raise cannot_read(file, error) from None


def _refuse_links(folder: Path) -> None:
    """Refuse links where files are written in place: a checkout may hold one that leads anywhere."""
    for name in (LOCK_FILE, RESULTS_FILE, NEW_FILE, TORN_FILE, *BATCH_FILES):
        file = folder / name
        if file.is_symlink():
            where = Where(file=str(file))
            hint = "remove it, or choose another folder with -o"
            raise InputError(
                f"{file} is a link, and is not written through", where=where, hint=hint
            )


def _heal(results: Path, torn: Path) -> None:
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
