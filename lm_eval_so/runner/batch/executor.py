"""The executor `batch`: its checks, its pass over the rows, and the end of its batches."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lm_eval_so.core.asking.batch.batch_log import going
from lm_eval_so.core.asking.batch.service import cancel
from lm_eval_so.core.asking.open import batch_problems, open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.batches import BatchState
from lm_eval_so.core.config.model import Config, RunSection
from lm_eval_so.core.events import Noticed
from lm_eval_so.errors import LMEvalError, Problem, UsageError, refuse
from lm_eval_so.runner.batch.batch import Batching, Todo
from lm_eval_so.runner.plan.selection import RunOptions, backend_section
from lm_eval_so.runner.store.recorder import STAGE, Recorder


async def ask_by_batch(recorder: Recorder, settings: RunSection, todo: Todo) -> LMEvalError | None:
    """Ask all rows by batch, and return the error that ended it early, if any.

    Rows that the batches did not answer are still to do then.

    Args:
        recorder: Writes the rows; the backend of its asker has a batch service.
        settings: The section `run` of the config.
        todo: Yields the jobs that have no row yet.
    """
    batches = recorder.asker.backend.batches()
    try:
        batching = Batching(recorder, batches, settings)
        return await batching.ask_all(todo)
    except LMEvalError as error:
        return error
    finally:
        await batches.close()


async def cancel_batch(
    config: Config, resources: Resources, options: RunOptions
) -> Sequence[BatchState]:
    """Cancel the batches of a run; the next run reads the answers that they have by then.

    Args:
        config: The config.
        resources: Environment and listener.
        options: Folder and shard of the run.

    Raises:
        InputError: If the config cannot be used, or no batch of the run is under way.
        BackendError: If the service cannot be asked.
    """
    refuse_without_batches(config, resources.environ)
    folder = options.folder(config)
    ids = going(folder)
    if not ids:
        raise UsageError(f"no batch of {folder} goes on", hint="name the run's folder with -o")

    def tell(state: BatchState) -> None:
        text = f"batch {state.id}: {state.status}; the next run reads what it answered"
        resources.listener(Noticed(stage=STAGE, text=text))

    opening = open_asker(backend_section(config), config=config, resources=resources)
    async with opening as asker:
        return await cancel(asker.backend.batches(), ids, tell)


def refuse_to_forget(folder: Path) -> None:
    """Refuse the live executor while a batch of the run is still being answered.

    Raises:
        UsageError: If a batch of the run is not over.
    """
    if ids := going(folder):
        what = f"batch {ids[0]} of {folder} goes on"
        hint = "read it with run.executor: batch (after --cancel-batch, if it is to end now)"
        raise UsageError(what, hint=hint)


def no_batches(config: Config, environ: Mapping[str, str] | None) -> list[Problem]:
    """Find what keeps the chatbot from being asked by batch."""
    if config.backend is None:
        return []
    key = ("run", "executor")
    return batch_problems(config.backend, config=config, environ=environ, key=key)


def refuse_without_batches(config: Config, environ: Mapping[str, str]) -> None:
    """Refuse a chatbot without a batch service.

    Raises:
        ConfigError: If the chatbot cannot be asked by batch.
    """
    refuse(no_batches(config, environ))
