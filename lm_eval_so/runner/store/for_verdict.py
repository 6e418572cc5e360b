"""Runs of `ci`: the rule by which one is resumed, and the number of others that are kept."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from lm_eval_so.core.asking.batch.batch_log import going
from lm_eval_so.core.clock import RECENT, parse_time
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.run import Checkout, RunInfo, RunResult
from lm_eval_so.errors import InputError
from lm_eval_so.runner.store.run_dir import (
    INFO_FILE,
    LOCK_FILE,
    RESULTS_FILE,
    RUN_FILES,
    RunDir,
    read_info,
    read_rows,
)

_KEPT = 3
_OWN_FILES = frozenset({*RUN_FILES, LOCK_FILE})
_DIGITS = 7
_NOT_BY_CI = "was not asked by ci: its answers may come from the cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForVerdict:
    """Purpose of answers: the verdict of `ci` on this checkout."""

    checkout: Checkout
    command: str = "lm-eval-so ci"
    """Command line that resumes asking, for people."""
    beside: Path | None = None
    """Folder with further answers that belong to the same verdict."""


def why_anew(folder: Path, start: RunInfo, verdict: ForVerdict) -> str | None:
    """Return the reason why `ci` does not resume the run in a folder; None if it does.

    Args:
        folder: Folder with a `run.json`.
        start: The run as it would begin now.
        verdict: Purpose of the answers.

    Raises:
        RecordError: If the run cannot be read.
    """
    return next(_reasons(folder, start, verdict), None)


def _reasons(folder: Path, start: RunInfo, verdict: ForVerdict) -> Iterator[str]:
    earlier = read_info(folder)
    if earlier is None or earlier.checkout is None:
        yield _NOT_BY_CI
        return
    if earlier.judged_at is not None:
        yield "has its verdict already"
    if earlier.config_digest != start.config_digest:
        yield "was asked with another config"
    if earlier.dataset.digest != start.dataset.digest:
        yield "asked another dataset"
    yield from why_other_checkout(earlier, verdict.checkout)
    if not (going(folder) or is_recent(folder, start, verdict.beside)):
        yield "has no answer of the last hour"


def why_other_checkout(earlier: RunInfo, now: Checkout) -> Iterator[str]:
    """Yield the reasons why answers are not those of a checkout.

    Args:
        earlier: `run.json` of the answers.
        now: The checkout as it is now.
    """
    was = earlier.checkout
    if was is None:
        yield _NOT_BY_CI
        return
    if was.commit != now.commit:
        yield f"was asked at another commit ({_short(was.commit)} → {_short(now.commit)})"
    if was.changes != now.changes:
        yield "was asked before tracked files changed"
    if now.commit is not None and now.changes is None:
        yield "was asked where git does not say whether tracked files changed"


def has_content(folder: Path) -> bool:
    """Return whether a folder holds answers, or batches that were handed over."""
    files = (folder / name for name in RUN_FILES if name != INFO_FILE)
    return any(file.is_file() and file.stat().st_size for file in files)


def put_aside(run_dir: RunDir, at: str) -> Path:
    """Put the run of a folder aside, and keep the three newest of such runs.

    Args:
        run_dir: The folder.
        at: Time of it.

    Raises:
        InputError: If it cannot be moved.
    """
    aside = run_dir.move_aside()
    with suppress(InputError):  # what cannot be read stays as it is
        if (info := read_info(aside)) is not None:
            write_atomic(aside / INFO_FILE, dump_document(to_json(replace(info, put_aside_at=at))))
    for _, old in sorted(_put_aside(run_dir))[:-_KEPT]:
        _remove(old)
    return aside


def note_verdict(folder: Path, at: str, *, broken: int) -> None:
    """Note in a run of `ci` that the verdict on it is made; without effect if there is none.

    Args:
        folder: The folder of the run.
        at: Time of the verdict.
        broken: Cases that broke for good.

    Raises:
        InputError: If another process writes there, or it cannot be written to.
    """
    if not (folder / INFO_FILE).is_file():
        return
    with closing(RunDir.open(folder)) as run_dir:
        info = read_info(folder)
        if info is not None and info.checkout is not None and info.judged_at is None:
            run_dir.write_info(replace(info, judged_at=at, broken=broken))


def is_recent(folder: Path, start: RunInfo, beside: Path | None = None) -> bool:
    """Return whether the last answer of a run is under an hour old.

    Args:
        folder: Folder of the run.
        start: The run as it would begin now.
        beside: Folder with further answers.

    Raises:
        RecordError: If a line of a file is no row.
    """
    now, folders = parse_time(start.started_at), [folder, *([beside] if beside else [])]
    # SOURCE_DATE_EPOCH may have stopped the clock of the rows, but not that of the disk
    files = (each / RESULTS_FILE for each in folders)
    written = max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)
    # a damaged line is mended by the run that goes on
    rows = (row for each in folders for _, _, row in read_rows(each, start.fingerprint, damaged=[]))
    times = (_answered_at(row) for row in rows if row.status.is_answer)
    last = max((at for at in times if at is not None), default=None)
    if now is None or last is None or time.time() - written >= RECENT.total_seconds():
        return False
    return abs(now - last) < RECENT


def begun_late(runs: Iterable[RunInfo]) -> RunInfo | None:
    """Return a run that began over an hour after all before it had ended; None if there is none.

    Args:
        runs: Runs that are taken for one; the chatbot may have changed in such a pause.
    """
    begun = [(start, run) for run in runs if (start := parse_time(run.started_at))]
    until: datetime | None = None
    for start, run in sorted(begun, key=lambda each: each[0]):
        if until is not None and start - until >= RECENT:
            return run
        until = max(until or start, parse_time(run.finished_at) or start)
    return None


def _answered_at(row: RunResult) -> datetime | None:
    begun = parse_time(row.started_at)
    # of a batch only the whole time is known, which may be a day
    took_ms = row.total_ms if row.latency_ms is None else row.latency_ms
    return begun and begun + timedelta(milliseconds=took_ms or 0)


def _put_aside(run_dir: RunDir) -> Iterator[tuple[int, Path]]:
    """Yield number and folder of the runs that `ci` put aside, if they hold nothing else."""
    for number, folder in run_dir.asides():
        if folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(InputError, OSError):
            info = read_info(folder)
            is_ours = _OWN_FILES.issuperset(file.name for file in folder.iterdir())
            if is_ours and info is not None and info.put_aside_at is not None:
                yield number, folder


def _remove(folder: Path) -> None:
    with suppress(OSError):  # it is in nobody's way
        for name in _OWN_FILES:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _short(commit: str | None) -> str:
    return commit[:_DIGITS] if commit else "none"
