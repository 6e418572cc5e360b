"""The stage `run`: asks the chatbot every sample, and resumes an earlier run."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.runner.batch.executor import ask_by_batch, refuse_to_forget
from lm_eval_so.runner.conversation.open_simulator import open_simulator
from lm_eval_so.runner.finish import end_run
from lm_eval_so.runner.live_executor import LiveExecutor
from lm_eval_so.runner.plan.selection import (
    AS_CONFIGURED,
    FurtherAnswers,
    RunOptions,
    Shard,
    backend_section,
    run_folder,
    select,
    share_problems,
    tell_share,
)
from lm_eval_so.runner.store.fingerprint import new_run
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.resume import close_log, open_run, resume

__all__ = ["FurtherAnswers", "RunOptions", "Shard", "run", "run_folder", "share_problems"]


async def run(
    config: Config,
    resources: Resources,
    options: RunOptions = AS_CONFIGURED,
    *,
    only: FurtherAnswers | None = None,
    verdict: ForVerdict | None = None,
) -> RunInfo:
    """Ask every sample that has no answer yet.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        options: Folder, shard, and the use of an earlier run.
        only: Ask nothing but further answers to some samples; `run.repeats` counts all answers.
        verdict: Purpose of the answers, if `ci` asks: then the chatbot is asked past the cache,
            and an earlier run is resumed only if it began for the same verdict.

    Raises:
        InputError: If config, dataset or folder cannot be used.
        BackendError: If the chatbot cannot be reached, refuses the credentials, or is gone.
        CannotMeasure: If the quota is used up, it only refuses, or over a fifth of the rows has
            no answer; all rows are written by then.
        BudgetSpent: If the budget was spent before four fifths of the rows had an answer.
        Interrupted: If `resources.stop` was set; answers that came back are written.
    """
    again = resources.again or (verdict.command if verdict else options.command(config))
    resources = replace(
        resources,
        again=resources.redactor.redact(again),
        refreshes_cache=resources.refreshes_cache or options.fresh,
    )
    asked = resources if verdict is None else replace(resources, refreshes_cache=True)
    if options.engine is not None:
        await options.engine.begin(config, options)
    selection = select(config, options)
    within = selection.within
    async with AsyncExitStack() as stack:
        section, is_here = backend_section(config), options.engine is None
        opening = open_asker(section, config=within, resources=asked, asks=is_here)
        asker = await stack.enter_async_context(opening)
        new = new_run(config, asker.backend, selection, resources, only=only)
        if verdict is not None:
            new = replace(new, head=replace(new.head, checkout=verdict.checkout))
        plays = new.plan.simulates and is_here
        playing = open_simulator(within, resources, is_needed=plays)
        simulator = await stack.enter_async_context(playing)
        run_dir = open_run(
            selection.folder,
            new.head,
            fresh=options.fresh,
            listener=resources.listener,
            verdict=verdict,
        )
        stack.callback(run_dir.close)
        if config.run.executor == "live":
            refuse_to_forget(selection.folder)
        recorder = await resume(run_dir, new, asker, resources, options)
        recorder.begin()
        if recorder.tally.rows < new.head.planned:
            tell_share(new.head, resources.listener)
        failure, todo = None, partial(new.plan.todo, recorder.done.offsets)
        if config.run.executor == "batch":
            failure = await ask_by_batch(recorder, config.run, todo)
        if options.engine is not None:
            failure = await options.engine.ask_all(config, selection, new, recorder)
        elif failure is None:
            if recorder.tally.has_answers or only is not None:
                asker.proof.goes_on(new.head.planned)
            executor = LiveExecutor(recorder, simulator, limits=config.run)
            failure = await executor.ask_all(todo(), resources.stop)
        is_stopped = resources.stop.is_set()
        if not is_stopped:
            failure = failure or asker.ending
        failure = close_log(
            *(recorder, new.plan.keys, failure), is_stopped=is_stopped, is_whole=only is None
        )
        return end_run(recorder, failure, is_judged=verdict is not None)
