"""The folder of a run: `run_results.jsonl`, `run.json`, and the lock that keeps them whole."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from lm_eval_so.core.asking.batch.batch_log import BATCH_FILES
from lm_eval_so.core.asking.folder_lock import FolderLock, refuse_linked
from lm_eval_so.core.files import cannot_read, cannot_write, write_atomic
from lm_eval_so.core.records.codec import dump_document, load_row, loads, to_json
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.errors import RecordError, Where
from lm_eval_so.runner.plan.jobs import row_key
from lm_eval_so.runner.store.row_log import RowLog, Stretch, row_of
from lm_eval_so.runner.store.sign_of_life import refuse_other_leader

LOCK_FILE = "run.lock"
RESULTS_FILE = "run_results.jsonl"
INFO_FILE = "run.json"
TORN_FILE = "run_results.torn"
NEW_FILE = "run_results.new"
PARTS_FOLDER = "parts"
"""Rows that workers wrote and that are not in the log yet."""
RUN_FILES = (RESULTS_FILE, TORN_FILE, INFO_FILE, *BATCH_FILES, PARTS_FOLDER)
"""Files of a run, which are moved aside together."""


class RunDir:
    """Folder of one run, locked by one process.

    Rows are appended to its log as they come, each by one write, so that a killed process loses
    none that it had; they are not kept in memory.
    """

    log: RowLog

    def __init__(self, path: Path, lock: FolderLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Lock a folder and mend its log after a killed process.

        Raises:
            InputError: If another process writes there, it cannot be written to, or a file in it
                is a link.
        """
        refuse_links(path)
        hint = "wait for it to end, or choose another folder with -o"
        run_dir = cls(path, FolderLock(path / LOCK_FILE, hint=hint))
        try:
            refuse_other_leader(path)
            run_dir._open_log()
        except BaseException:
            run_dir._lock.release()
            raise
        return run_dir

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
        self._open_log()
        return aside

    def asides(self) -> Iterator[tuple[int, Path]]:
        """Yield the number and path of everything that is named like a run put aside."""
        folder = self._named()
        for path in folder.parent.iterdir():
            stem, _, number = path.name.rpartition(".")
            if stem == folder.name and number.isdecimal() and number.isascii():
                yield int(number), path

    def write_info(self, info: RunInfo) -> None:
        """Replace run.json."""
        write_atomic(self.path / INFO_FILE, dump_document(to_json(info)))

    def close(self) -> None:
        """Sync and release the folder."""
        try:
            self.log.close()
        finally:
            self._lock.release()

    def _named(self) -> Path:
        # "." and ".." have no name of their own
        return self.path if self.path.name not in {"", ".."} else self.path.resolve()

    def _open_log(self) -> None:
        names = (RESULTS_FILE, TORN_FILE, NEW_FILE)
        self.log = RowLog(*(self.path / name for name in names))


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
    except RecordError as error:
        hint = "put a copy of it back, or run again: a new run begins, and this one is kept aside"
        raise _with_hint(error, hint) from None
    except OSError as error:
        raise cannot_read(file, error) from None


def read_rows(
    folder: Path,
    fingerprint: str,
    *,
    damaged: list[Stretch] | None = None,
    again: str = "lm-eval-so run",
) -> Iterator[tuple[int, int, RunResult]]:
    """Yield key, byte offset and row of every whole row with this fingerprint, oldest first.

    Args:
        folder: Folder of the run.
        fingerprint: Fingerprint of the run.
        damaged: List that gets the lines that are no rows; None if they are an error.
        again: Command that resumes the run, for people.

    Raises:
        RecordError: If a line is no row; names the line.
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
                at, offset = offset, offset + len(line)
                if not line.strip():
                    continue
                row = load_row(line)
                if row is None and damaged is not None and (row := row_of(line)) is None:
                    damaged.append((at, len(line)))
                    continue
                if row is None:
                    row = _sure_row(line, Where(file=str(file), line=number), again)
                if row.fingerprint == fingerprint:
                    yield row_key(row.sample_id, row.sample_hash, row.repeat), at, row
    except OSError as error:
        raise cannot_read(file, error) from None


def refuse_links(folder: Path) -> None:
    """Refuse links among the files of a run: a link in a checkout may lead anywhere."""
    hint = "remove it, or choose another folder with -o"
    names = (LOCK_FILE, RESULTS_FILE, NEW_FILE, TORN_FILE, *BATCH_FILES, PARTS_FOLDER)
    refuse_linked(folder, names, hint=hint)


def _sure_row(line: bytes, where: Where, again: str) -> RunResult:
    try:
        return loads(line, RunResult, where=where)
    except RecordError as error:
        folder = shlex.quote(str(Path(where.file or "").parent))
        hint = f"{again} -o {folder} keeps the line apart and asks its row again"
        raise _with_hint(error, hint) from None


def _with_hint(error: RecordError, hint: str) -> RecordError:
    return RecordError.of([replace(problem, hint=hint) for problem in error.problems])
