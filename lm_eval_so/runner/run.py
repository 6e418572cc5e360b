"""The stage `run`: asks the chatbot every sample, and goes on with what was begun."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.secrets import command_line
from lm_eval_so.errors import CannotMeasure, LMEvalError
from lm_eval_so.runner.ask import Questioning
from lm_eval_so.runner.batch.executor import ask_by_batch, refuse_to_forget
from lm_eval_so.runner.check import check
from lm_eval_so.runner.conversation.simulated_user import open_simulator
from lm_eval_so.runner.dry_run import RunPlan, plan_run
from lm_eval_so.runner.finish import Ending, end_run
from lm_eval_so.runner.for_verdict import ForVerdict
from lm_eval_so.runner.outline import Outline, outline_run
from lm_eval_so.runner.plan.selection import FurtherAnswers, backend_section, run_folder, select
from lm_eval_so.runner.plan.shards import Shard
from lm_eval_so.runner.resume import find_done, in_order, mend, open_run, take_stock
from lm_eval_so.runner.store.recorder import STAGE, Recorder
from lm_eval_so.runner.store.row_log import ResultsChanged, Stretch
from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE, RunDir, read_info

__all__ = [
    "INFO_FILE",
    "RESULTS_FILE",
    "RunPlan",
    "Shard",
    "check",
    "plan_run",
    "run",
    "run_folder",
]


async def run(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: Shard | None = None,
    only: FurtherAnswers | None = None,
    verdict: ForVerdict | None = None,
) -> RunInfo:
    """Ask every sample that has no answer yet.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        out: Folder of the run; default: that of the config.
        fresh: Put an earlier run in that folder aside, and ask past the cache.
        keep_errors: Do not ask again what failed in an earlier run.
        shard: The part of the dataset to ask; default: the whole.
        only: Ask nothing but further answers to some samples; `run.repeats` counts all answers.
        verdict: What the answers are for, if `ci` asks: then the chatbot is asked past the cache,
            and an earlier run is gone on with only if it began for the same verdict.

    Raises:
        InputError: If config, dataset or folder cannot be used.
        BackendError: If the chatbot cannot be reached, refuses the credentials, or is gone.
        CannotMeasure: If the quota is used up, it only refuses, or over a fifth of the rows has
            no answer; all rows are written by then.
        BudgetSpent: If the budget was spent before four fifths of the rows had an answer.
        Interrupted: If `resources.stop` was set; what came back is written.
    """
    resources = replace(resources, refreshes_cache=resources.refreshes_cache or fresh)
    asked = resources if verdict is None else replace(resources, refreshes_cache=True)
    section = backend_section(config)
    selection = select(config, out=out, shard=shard)
    folder = selection.folder
    async with AsyncExitStack() as stack:
        opening = open_asker(section, config=config, resources=asked)
        asker = await stack.enter_async_context(opening)
        outline = outline_run(config, asker.backend, selection, resources, only=only)
        if verdict is not None:
            start = replace(outline.start, checkout=verdict.checkout)
            outline = replace(outline, start=start)
        playing = open_simulator(config, resources, is_needed=outline.plan.simulates)
        simulator = await stack.enter_async_context(playing)
        run_dir = open_run(
            folder, outline.start, fresh=fresh, listener=resources.listener, verdict=verdict
        )
        stack.callback(run_dir.close)
        if config.run.executor == "live":
            refuse_to_forget(folder)
        recorder = _take_up(run_dir, outline, asker, resources, keep_errors=keep_errors)
        recorder.begin()
        again = verdict.command if verdict else _command(config, out, shard)
        again = resources.redactor.redact(resources.again or again)
        todo, failure = partial(outline.todo, recorder.places), None
        if config.run.executor == "batch":
            failure = await ask_by_batch(
                *(asker, recorder, run_dir, resources), run=config.run, again=again, todo=todo
            )
        if failure is None:
            if recorder.tally.has_answers:
                asker.proof.goes_on(outline.start.planned)
            questioning = Questioning(asker, recorder, simulator, limits=config.run)
            failure = await questioning.ask_all(todo(), resources.stop)
        is_stopped = resources.stop.is_set()
        if not is_stopped:
            failure = failure or asker.ending
        failure = _close_log(run_dir, recorder, outline, failure, is_stopped=is_stopped)
        ending = Ending(
            planned=outline.start.planned,
            folder=folder,
            again=again,
            budget=resources.budget,
            is_judged=verdict is not None,
        )
        return end_run(recorder, failure, ending)


def _take_up(
    run_dir: RunDir,
    outline: Outline,
    asker: LiveAsker,
    resources: Resources,
    *,
    keep_errors: bool,
) -> Recorder:
    """Return what records the rows, with what is there of an earlier run."""
    start, folder, damaged = outline.start, run_dir.path, list[Stretch]()
    done, tally = find_done(
        *(folder, start.fingerprint, outline.plan.keys), keep_errors=keep_errors, damaged=damaged
    )
    mend(run_dir, damaged, resources.listener)
    resources.budget.add(tally.spent_usd)  # a budget is the run's, however often it is begun
    if (begun := read_info(folder)) is not None:
        # what goes on keeps the time at which it began
        start = replace(start, started_at=begun.started_at, resumed_at=start.started_at)
    return Recorder(run_dir, start, tally, done, asker=asker, resources=resources)


def _close_log(
    run_dir: RunDir,
    recorder: Recorder,
    outline: Outline,
    failure: LMEvalError | None,
    *,
    is_stopped: bool,
) -> LMEvalError | None:
    """Put the rows in order once all are there, and give what ended the run.

    That is a change of the log by another program, if there was one, unless something worse did.
    """
    keys, start = outline.plan.keys, outline.start
    try:
        if isinstance(failure, ResultsChanged):
            raise failure
        run_dir.log.refuse_change()
        if recorder.tally.rows == start.planned:
            _put_in_order(run_dir, recorder, keys)
        return failure
    except ResultsChanged as changed:
        held = recorder.tally.rows
        lost = take_stock(run_dir, recorder, keys, start.fingerprint)
        text = f"{changed}: {f'{lost:,} of {held:,} rows are' if lost else 'no row is'} lost"
        if not is_stopped and (failure is None or isinstance(failure, CannotMeasure)):
            return ResultsChanged(text, hint=changed.problems[0].hint)
        recorder.tell(Warned(stage=STAGE, text=text))
        return failure


def _put_in_order(run_dir: RunDir, recorder: Recorder, keys: Sequence[int]) -> None:
    error = run_dir.log.put_in_order(partial(in_order, keys, recorder.places))
    if error is not None:
        text = f"the rows stay in the order in which they came: {error.strerror or error}"
        hint = "nothing is lost; with free space the same command puts them in order"
        recorder.tell(Warned(stage=STAGE, text=text, hint=hint))


def _command(config: Config, out: Path | None, shard: Shard | None) -> str:
    """Return the command line that goes on with a run that no command line began."""
    file = config.located.file or CONFIG_FILE.name
    return command_line("run", file, options={"-o": out, "--shard": shard})
