"""Resuming an earlier run: rows that hold, runs that are put aside, and the log at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import CannotMeasure, LMEvalError, RecordError
from lm_eval_so.runner.plan.selection import RunOptions
from lm_eval_so.runner.store.fingerprint import NewRun, differences
from lm_eval_so.runner.store.for_verdict import ForVerdict, has_content, put_aside, why_anew
from lm_eval_so.runner.store.recorder import STAGE, Done, Recorder
from lm_eval_so.runner.store.row_log import KeyedOffset, ResultsChanged, RowOffsets, Stretch
from lm_eval_so.runner.store.run_dir import (
    INFO_FILE,
    RESULTS_FILE,
    TORN_FILE,
    RunDir,
    read_info,
    read_rows,
    refuse_links,
)
from lm_eval_so.runner.store.worker_rows import take_up


def open_run(
    folder: Path,
    start: RunInfo,
    *,
    fresh: bool,
    listener: Listener,
    verdict: ForVerdict | None = None,
) -> RunDir:
    """Lock the folder of a run; put an earlier run aside that differs or is not wanted.

    Args:
        folder: The folder.
        start: The run as it would begin now.
        fresh: Whether an earlier run is not wanted in any case.
        listener: Gets a notice of a run that is put aside, with the reason.
        verdict: Purpose of the answers, if `ci` asks.

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
    """Return the reason why the run in a folder is not resumed; None if it is.

    Args:
        folder: Folder with a `run.json` or answers.
        start: The run as it would begin now.
        verdict: Purpose of the answers, if `ci` asks.
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
    """Read the run.json of a folder; None if it is missing or unreadable."""
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
) -> Done:
    """Find the rows that need not be asked again; the last row of a key counts.

    Args:
        folder: Folder of the run.
        fingerprint: Fingerprint of the run.
        keys: Keys of all rows that the run should have.
        keep_errors: Whether rows that failed count as done.
        damaged: List that gets the lines that are no rows; their rows are not done.
    """
    done = Done.none_of(keys)
    offsets, is_twice = done.offsets, False
    for key, offset, row in read_rows(folder, fingerprint, damaged=damaged):
        is_twice = is_twice or key in offsets
        offsets.put(key, offset)
        if not (row.status.is_final or keep_errors):
            offsets.drop(key)
        elif key in offsets:
            done.tally.add(row)
    if is_twice:  # rare enough to read them once more
        done = done.with_no_sums()
        for key, offset, row in read_rows(folder, fingerprint, damaged=[]):
            if offsets.get(key) == offset:
                done.tally.add(row)
    return done


def find_earlier(
    new: NewRun, folder: Path, options: RunOptions, verdict: ForVerdict | None
) -> Done:
    """Find the rows of an earlier run that would hold; nothing is written.

    Args:
        new: The run as it would begin now.
        folder: Folder of the run.
        options: Use of an earlier run.
        verdict: Purpose of the answers, if `ci` asks.
    """
    earlier = None if options.fresh else readable_info(folder)
    if earlier is None or why_aside(folder, new.head, verdict) is not None:
        return Done.none_of(())
    return find_done(
        *(folder, new.head.fingerprint, new.plan.keys),
        keep_errors=options.keep_errors,
        damaged=[],
    )


async def resume(
    run_dir: RunDir, new: NewRun, asker: LiveAsker, resources: Resources, options: RunOptions
) -> Recorder:
    """Take up the run of a folder: mend its log, take up parts, and find the rows that hold.

    Args:
        run_dir: Folder of the run.
        new: The run as it would begin now.
        asker: Asks the chatbot.
        resources: Environment, listener and budget.
        options: Use of an earlier run.

    Returns:
        The recorder of the run, which keeps the time at which it began.
    """
    head, damaged = new.head, list[Stretch]()
    done = find_done(
        *(run_dir.path, head.fingerprint, new.plan.keys),
        keep_errors=options.keep_errors,
        damaged=damaged,
    )
    _mend(run_dir, damaged, resources.listener)
    # a budget is the run's, however often it is begun
    tally, name = done.tally, str(run_dir.path.absolute())
    resources.budget.add(tally.spent_usd, requests=tally.attempts, by=name)
    if (begun := read_info(run_dir.path)) is not None:
        resumed_at = begun.resumed_at if options.goes_on else head.started_at
        head = replace(head, started_at=begun.started_at, resumed_at=resumed_at)
        head = replace(head, requests=begun.requests)
    recorder = Recorder(run_dir, head, done, asker=asker, resources=resources)
    await take_up(recorder, keep_errors=options.keep_errors)
    return recorder


def close_log(
    recorder: Recorder,
    keys: Sequence[int],
    failure: LMEvalError | None,
    *,
    is_stopped: bool,
    is_whole: bool,
) -> LMEvalError | None:
    """Put the rows in order once all are there.

    Args:
        recorder: Recorder of the run.
        keys: Keys of all rows in dataset order.
        failure: The error that ended the run so far.
        is_stopped: Whether the user stopped the run.
        is_whole: Whether the log holds no other rows, so that it may be put in order.

    Returns:
        The error that ended the run: a change of the log by another program, if there was one,
        unless something worse did.
    """
    log, planned = recorder.run_dir.log, recorder.head.planned
    try:
        if isinstance(failure, ResultsChanged):
            raise failure
        log.refuse_change()
        if is_whole and recorder.tally.rows == planned:
            _put_in_order(recorder, keys)
        return failure
    except ResultsChanged as changed:
        rows = recorder.tally.rows
        held = f"{rows:,} {'row is' if rows == 1 else 'rows are'}"
        lost = _take_stock(recorder, keys)
        text = f"{changed}: {f'{lost:,} of {held}' if lost else 'no row is'} lost"
        if not is_stopped and (failure is None or isinstance(failure, CannotMeasure)):
            return ResultsChanged(text, hint=changed.problems[0].hint)
        recorder.warn(text)
        return failure


def _put_in_order(recorder: Recorder, keys: Sequence[int]) -> None:
    rows = partial(_in_order, keys, recorder.done.offsets)
    error = recorder.run_dir.log.put_in_order(rows)
    if error is not None:
        text = f"the rows stay in the order in which they came: {error.strerror or error}"
        hint = "nothing is lost; with free space the same command puts them in order"
        recorder.warn(text, hint)


def _mend(run_dir: RunDir, damaged: Sequence[Stretch], listener: Listener) -> None:
    """Set lines apart that are no rows, and warn of them."""
    if not damaged:
        return
    run_dir.log.set_apart(damaged)
    file, n = run_dir.path / RESULTS_FILE, len(damaged)
    text = f"a line of {file} is no row; it is kept in {TORN_FILE}, and its row asked again"
    if n > 1:
        text = f"{n:,} lines of {file} are no rows; "
        text += f"they are kept in {TORN_FILE}, and their rows asked again"
    listener(Warned(stage=STAGE, text=text))


def _take_stock(recorder: Recorder, keys: Sequence[int]) -> int:
    """Accept a log as another program left it, and return the number of lost rows.

    Raises:
        InputError: If a link stands in its place, or it cannot be written to.
    """
    before, damaged, run_dir = recorder.done.offsets, list[Stretch](), recorder.run_dir
    refuse_links(run_dir.path)
    run_dir.log.recover()
    recorder.done = find_done(
        *(run_dir.path, recorder.head.fingerprint, keys), keep_errors=True, damaged=damaged
    )
    _mend(run_dir, damaged, recorder.tell)
    return sum(key in before and key not in recorder.done.offsets for key in keys)


def _in_order(keys: Sequence[int], offsets: RowOffsets) -> Iterator[KeyedOffset]:
    """Yield the rows that are there in the order of the dataset."""
    found = ((key, offsets.get(key)) for key in keys)
    return ((key, offset) for key, offset in found if offset is not None)
