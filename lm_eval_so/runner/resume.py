"""Going on with an earlier run: what of it holds, and what is put aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.runner.identity import differences
from lm_eval_so.runner.places import Places
from lm_eval_so.runner.plan import LEFT_OUT
from lm_eval_so.runner.recorder import STAGE
from lm_eval_so.runner.store import INFO_FILE, RESULTS_FILE, RunDir, read_info, read_rows
from lm_eval_so.runner.tally import Tally


def open_run(folder: Path, start: RunInfo, *, fresh: bool, listener: Listener) -> RunDir:
    """Hold a run's folder; put an earlier run aside that is not the same, or not wanted.

    Raises:
        InputError: If another process writes there, or it cannot be written to.
    """
    run_dir = RunDir.open(folder)
    try:
        if fresh:
            if any((folder / name).is_file() for name in (INFO_FILE, RESULTS_FILE)):
                run_dir.move_aside()
            return run_dir
        earlier = read_info(folder)
        unlike = differences(earlier, start) if earlier else ()
        why = None
        if unlike:
            why = f"was made with another configuration ({', '.join(unlike)})"
        elif earlier is None and (folder / RESULTS_FILE).is_file():
            why = f"has answers but no {INFO_FILE}"
        if why:
            text = f"{folder} {why}; it is kept as {run_dir.move_aside()}"
            listener(Warned(stage=STAGE, text=text))
    except BaseException:
        run_dir.close()
        raise
    return run_dir


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
