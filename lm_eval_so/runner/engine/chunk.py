"""Chunks of a run, asked by the ordinary engine, each into a part of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Listener
from lm_eval_so.errors import DatasetError, UsageError
from lm_eval_so.runner.conversation.open_simulator import open_simulator
from lm_eval_so.runner.engine.assignment import Assignment, Chunk
from lm_eval_so.runner.live_executor import LiveExecutor
from lm_eval_so.runner.plan.jobs import plan_rows, request_settings
from lm_eval_so.runner.store.fingerprint import unlike_here
from lm_eval_so.runner.store.worker_rows import open_part

AskChunk = Callable[[Chunk, Listener], Awaitable[None]]
"""Asks the rows of a claim, with a listener for it, or raises the error that ended it early."""


@asynccontextmanager
async def open_chunks(
    assignment: Assignment, config: Config, resources: Resources
) -> AsyncIterator[AskChunk]:
    """Open chatbot and simulated users, and yield the function that asks a chunk.

    It raises an `InputError` if this machine has another dataset than the leader.

    Args:
        assignment: All that the worker is told.
        config: The config, as this machine has it.
        resources: Environment, stop event, endpoints and budget.

    Raises:
        InputError: If this machine would ask another chatbot than the leader.
        BackendError: If a backend cannot get ready.
    """
    assert config.backend is not None  # noqa: S101 - the leader has looked
    head = assignment.head
    dataset = Dataset(file=assignment.dataset, ref=head.dataset)
    async with (
        open_asker(config.backend, config=config, resources=resources) as asker,
        open_simulator(config, resources, is_needed=bool(head.simulator)) as simulator,
    ):
        if unlike := unlike_here(head, config, asker.backend, resources):
            what = f"this machine would ask another chatbot ({', '.join(unlike)})"
            raise UsageError(what, hint="give all machines the same config and variables")
        if assignment.has_answers:
            asker.proof.goes_on(head.planned)
        settings = request_settings(config, asker.backend)

        async def ask(chunk: Chunk, listener: Listener) -> None:
            own = replace(resources, listener=listener)
            samples = tuple(dataset.some(chunk.at, chunk.samples))
            plan = plan_rows(samples, settings, skips=asker.backend.skips)
            wanted, there = set(chunk.keys), set(plan.keys)
            if not wanted <= there:
                what = f"{dataset.file} is not the dataset that the run began with"
                hint = "let all machines see the same file, and leave it as it is"
                raise DatasetError(what, hint=hint)
            part = open_part(assignment.folder, chunk.part, head, asker=asker, resources=own)
            with closing(part.run_dir):
                executor = LiveExecutor(part, simulator, limits=config.run)
                failure = await executor.ask_all(plan.todo(there - wanted), resources.stop)
                part.end(part.info("complete" if failure is None else "stopped"))
            if failure is not None:
                raise failure

        yield ask
