"""Parts of a run: rows that workers wrote, each in a folder of its own, before they join the log.

The process that leads the run alone writes its log, so a row counts once, by its key: whoever asked
it, and however often. A part is gone once its rows stand there.
"""

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.words import counted
from lm_eval_so.errors import RecordError
from lm_eval_so.runner.store.recorder import Done, Recorder
from lm_eval_so.runner.store.run_dir import (
    INFO_FILE,
    LOCK_FILE,
    NEW_FILE,
    PARTS_FOLDER,
    RESULTS_FILE,
    RUN_FILES,
    RunDir,
    read_info,
    read_rows,
)

_OWN_FILES = {*RUN_FILES, LOCK_FILE, NEW_FILE} - {PARTS_FOLDER}
_QUIET_S = 2.0
"""Time without a new row after which nobody writes to a part any more."""
_MOST_LOOKS = 15


async def take_up(recorder: Recorder, *, keep_errors: bool) -> None:
    """Add the rows of parts that an earlier invocation left, once nobody writes to them any more.

    Args:
        recorder: Recorder of the run, with the rows that hold.
        keep_errors: Whether rows that failed hold.

    Raises:
        InputError: If a part cannot be read, or the log not be written.
    """
    folder = recorder.run_dir.path / PARTS_FOLDER
    if not folder.is_dir():
        return
    await _until_quiet(folder)
    names = [part.name for part in _parts(folder)]
    if found := add_parts(recorder, names, keep_errors=keep_errors):
        recorder.notice(f"{counted(found, 'row')} of workers that have ended are taken up")
    with suppress(OSError):
        folder.rmdir()


def open_part(
    folder: Path, name: str, head: RunInfo, *, asker: LiveAsker, resources: Resources
) -> Recorder:
    """Open a new part, and return its recorder; its `run_dir` must be closed.

    Args:
        folder: Folder of the run.
        name: Name of the part.
        head: Head of the run.
        asker: Asks the chatbot.
        resources: Environment, listener and budget.

    Raises:
        InputError: If the folder cannot be written to.
    """
    part = RunDir.open(folder / PARTS_FOLDER / name)
    return Recorder(part, head, Done.none_of(()), asker=asker, resources=resources)


def add_parts(recorder: Recorder, names: Iterable[str], *, keep_errors: bool = True) -> int:
    """Add the rows of parts that the run lacks, delete the parts, and return the number of rows.

    Args:
        recorder: Recorder of the run.
        names: Names of the parts.
        keep_errors: Whether rows that failed are added, too.

    Raises:
        InputError: If a part cannot be read, or the log not be written.
        ResultsChanged: If another program changed the log.
    """
    before = recorder.tally.rows
    parts = [recorder.run_dir.path / PARTS_FOLDER / name for name in names]
    for key, row in _rows(parts, recorder.head):
        if recorder.done.offsets.lacks(key) and (keep_errors or row.status.is_final):
            recorder.take(key, row)
    _take_notes(recorder, parts)
    recorder.run_dir.log.sync()
    _remove(parts)
    return recorder.tally.rows - before


def add_left_parts(folder: Path) -> int:
    """Add the rows of parts to a run whose leader was killed, and return their number.

    For want of a plan every row counts that has no answer in the log.

    Args:
        folder: Folder of a run.

    Raises:
        InputError: If a file cannot be read or written, or the run is being asked.
    """
    parts = _parts(folder / PARTS_FOLDER)
    if not parts or (info := read_info(folder)) is None:
        return 0
    with closing(RunDir.open(folder)) as run_dir:
        keys, log, added = {key for key, _ in _rows(parts, info)}, _rows([folder], info), 0
        answered = {key for key, row in log if key in keys and row.status.is_final}
        for key, row in _rows(parts, info):
            if key not in answered:
                run_dir.log.append(row)
                answered |= {key} if row.status.is_final else set()
                added += 1
        run_dir.log.sync()
    _remove(parts)
    with suppress(OSError):
        (folder / PARTS_FOLDER).rmdir()
    return added


def _parts(folder: Path) -> list[Path]:
    """Return the parts in a folder: what holds anything but a run's files is somebody else's, and stays.

    A user may have a folder of this name where a run is written. A worker that was killed may have
    left half a `run.json`, beside the place that it was meant for.
    """
    if not folder.is_dir():
        return []
    folders = (each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink())
    return [each for each in folders if all(_is_own(file.name) for file in each.iterdir())]


def _is_own(name: str) -> bool:
    """Return whether a file of this name is one that a worker writes."""
    return name in _OWN_FILES or name.startswith(f".{INFO_FILE}.")


def _rows(folders: Iterable[Path], head: RunInfo) -> Iterator[tuple[int, RunResult]]:
    """Yield key and row of every whole row of a run in some folders."""
    for folder in folders:
        for key, _, row in read_rows(folder, head.fingerprint, damaged=[]):
            yield key, row


def _remove(parts: Iterable[Path]) -> None:
    for part in parts:  # what cannot be deleted is read again, and its keys are there
        shutil.rmtree(part, ignore_errors=True)


def _take_notes(recorder: Recorder, parts: Iterable[Path]) -> None:
    """Take over what workers have found out about the endpoint."""
    asker = recorder.asker
    for part in parts:
        with suppress(RecordError):
            if (info := read_info(part)) is not None:
                asker.adaptations = list(dict.fromkeys([*asker.adaptations, *info.adaptations]))
                asker.notes = list(dict.fromkeys([*asker.notes, *info.notes]))


async def _until_quiet(folder: Path) -> None:
    """Wait for workers whose leader was killed: they end by themselves, soon after it."""
    sizes: list[int] = []
    for _ in range(_MOST_LOOKS):
        before, sizes = sizes, _sizes(folder)
        if sizes == before:
            return
        await asyncio.sleep(_QUIET_S)


def _sizes(folder: Path) -> list[int]:
    return sorted(file.stat().st_size for file in folder.glob(f"*/{RESULTS_FILE}"))
