"""Going on with an earlier run: what of it holds, and what is put aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import RecordError
from lm_eval_so.runner.for_verdict import ForVerdict, has_content, put_aside, why_anew
from lm_eval_so.runner.plan.jobs import LEFT_OUT
from lm_eval_so.runner.store.fingerprint import differences
from lm_eval_so.runner.store.places import Places
from lm_eval_so.runner.store.recorder import STAGE, Recorder
from lm_eval_so.runner.store.row_log import KeyedOffset, Stretch
from lm_eval_so.runner.store.run_dir import (
    INFO_FILE,
    RESULTS_FILE,
    TORN_FILE,
    RunDir,
    read_info,
    read_rows,
    refuse_links,
)
from lm_eval_so.runner.store.totals import Tally


def open_run(
    folder: Path,
    start: RunInfo,
    *,
    fresh: bool,
    listener: Listener,
    verdict: ForVerdict | None = None,
) -> RunDir:
    """Hold a run's folder; put an earlier run aside that is not the same, or not wanted.

    Args:
        folder: The folder.
        start: The run as it would begin now.
        fresh: Whether an earlier run is not wanted in any case.
        listener: Is told what is put aside, and why.
        verdict: What the answers are for, if `ci` asks.

    Raises:
        InputError: If another process writes there, or it cannot be written to.
    """
    run_dir = RunDir.open(folder)
    try:
        if not any((folder / name).is_file() for name in (INFO_FILE, RESULTS_FILE)):
            return run_dir
        why = None if fresh else why_aside(folder, start, verdict)
        if why is None and not fresh:
            return run_dir
        if verdict is not None and not has_content(folder):
            (folder / INFO_FILE).unlink(missing_ok=True)
            return run_dir
        aside = put_aside(run_dir, start.started_at) if verdict else run_dir.move_aside()
        if why is not None and verdict is not None:
            text = f"{folder} {why}, so all is asked anew; it is kept as {aside}"
            listener(Noticed(stage=STAGE, text=text))
        elif why is not None:
            listener(_kept_aside(folder, why, aside))
    except BaseException:
        run_dir.close()
        raise
    return run_dir


def why_aside(folder: Path, start: RunInfo, verdict: ForVerdict | None) -> str | None:
    """Say why the run that a folder holds is not gone on with; None if it is.

    Args:
        folder: It has a `run.json`, or answers.
        start: The run as it would begin now.
        verdict: What the answers are for, if `ci` asks.
    """
    try:
        earlier = read_info(folder)
    except RecordError as error:
        return f"has a {INFO_FILE} that cannot be read ({error})"
    if earlier is None:
        return f"has answers but no {INFO_FILE}"
    if unlike := differences(earlier, start):
        return f"was made with another configuration ({', '.join(unlike)})"
    return why_anew(folder, start, verdict) if verdict else None


def _kept_aside(folder: Path, why: str, aside: Path) -> Warned:
    hint = None
    if readable_info(aside) is None:
        hint = (
            f"to go on with its answers, put a copy of {INFO_FILE} there, and run with -o {aside}"
        )
    return Warned(stage=STAGE, text=f"{folder} {why}; it is kept as {aside}", hint=hint)


def readable_info(folder: Path) -> RunInfo | None:
    """Read the run.json of a folder; None if there is none, or it cannot be read."""
    try:
        return read_info(folder)
    except RecordError:
        return None


def find_done(
    folder: Path,
    fingerprint: str,
    keys: Sequence[int],
    *,
    keep_errors: bool,
    damaged: list[Stretch],
) -> tuple[Places, Tally]:
    """Return the places of rows that need not be asked again, and their sums; the last row counts.

    Args:
        folder: Folder of the run.
        fingerprint: That of the run.
        keys: Keys of all rows that the run should have.
        keep_errors: Whether rows that failed count as done.
        damaged: Takes the lines that are no rows; what stood there is not done.
    """
    done, tally = Places(key for key in keys if key != LEFT_OUT), Tally()
    is_twice = False
    for key, offset, row in read_rows(folder, fingerprint, damaged=damaged):
        is_twice = is_twice or key in done
        done.put(key, offset)
        if not (row.status.is_final or keep_errors):
            done.drop(key)
        elif key in done:
            tally.add(row)
    if is_twice:  # rare enough to read them once more
        tally = Tally()
        for key, offset, row in read_rows(folder, fingerprint, damaged=[]):
            if done.get(key) == offset:
                tally.add(row)
    return done, tally


def mend(run_dir: RunDir, damaged: Sequence[Stretch], listener: Listener) -> None:
    """Set lines of the log apart that are no rows, and tell it."""
    if not damaged:
        return
    run_dir.log.set_apart(damaged)
    file, n = run_dir.path / RESULTS_FILE, len(damaged)
    text = f"a line of {file} is no row; it is kept in {TORN_FILE}, and its row asked again"
    if n > 1:
        text = f"{n:,} lines of {file} are no rows; "
        text += f"they are kept in {TORN_FILE}, and their rows asked again"
    listener(Warned(stage=STAGE, text=text))


def take_stock(run_dir: RunDir, recorder: Recorder, keys: Sequence[int], fingerprint: str) -> int:
    """Take a log that another program changed as it is, and give how many rows are lost.

    Raises:
        InputError: If a link stands in its place, or it cannot be written to.
    """
    before, damaged = recorder.places, list[Stretch]()
    refuse_links(run_dir.path)
    run_dir.log.recover()
    recorder.places, recorder.tally = find_done(
        *(run_dir.path, fingerprint, keys), keep_errors=True, damaged=damaged
    )
    mend(run_dir, damaged, recorder.tell)
    return sum(key in before and key not in recorder.places for key in keys)


def in_order(keys: Sequence[int], places: Places) -> Iterator[KeyedOffset]:
    """Return the rows that are there in the order of the dataset."""
    found = ((key, places.get(key)) for key in keys if key != LEFT_OUT)
    return ((key, offset) for key, offset in found if offset is not None)
