"""Going on with an earlier run: what of it holds, and what is put aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.runner.for_verdict import ForVerdict, has_content, put_aside, why_anew
from lm_eval_so.runner.identity import differences
from lm_eval_so.runner.places import Places
from lm_eval_so.runner.plan import LEFT_OUT
from lm_eval_so.runner.recorder import STAGE
from lm_eval_so.runner.store import INFO_FILE, RESULTS_FILE, RunDir, read_info, read_rows
from lm_eval_so.runner.tally import Tally


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
            listener(Warned(stage=STAGE, text=f"{folder} {why}; it is kept as {aside}"))
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

    Raises:
        RecordError: If the run cannot be read.
    """
    earlier = read_info(folder)
    if earlier is None:
        return f"has answers but no {INFO_FILE}"
    if unlike := differences(earlier, start):
        return f"was made with another configuration ({', '.join(unlike)})"
    return why_anew(folder, start, verdict) if verdict else None


def find_done(
    folder: Path, fingerprint: str, keys: Sequence[int], *, keep_errors: bool
) -> tuple[Places, Tally]:
    """Give the places of rows that need not be asked again, and their sums; the last row counts."""
    done, tally = Places(key for key in keys if key != LEFT_OUT), Tally()
    is_twice = False
    for key, offset, row in read_rows(folder, fingerprint):
        is_twice = is_twice or key in done
        done.put(key, offset)
        if not (row.status.is_final or keep_errors):
            done.drop(key)
        elif key in done:
            tally.add(row)
    if is_twice:  # rare enough to read them once more
        tally = Tally()
        for key, offset, row in read_rows(folder, fingerprint):
            if done.get(key) == offset:
                tally.add(row)
    return done, tally


def in_order(keys: Sequence[int], places: Places) -> Iterator[int]:
    """Give the places of rows in the order of the dataset."""
    offsets = (places.get(key) for key in keys if key != LEFT_OUT)
    return (offset for offset in offsets if offset is not None)
