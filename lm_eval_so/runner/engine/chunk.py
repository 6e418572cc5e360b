"""One chunk of a run, asked by the ordinary engine into a part of its own."""

import zlib
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.errors import DatasetError, LMEvalError
from lm_eval_so.runner.conversation.simulated_user import Simulator
from lm_eval_so.runner.engine.assignment import Assignment
from lm_eval_so.runner.engine.coordinator import Claim
from lm_eval_so.runner.live_executor import LiveExecutor
from lm_eval_so.runner.plan.jobs import plan_rows, request_settings
from lm_eval_so.runner.store.run_dir import PARTS_FOLDER
from lm_eval_so.runner.store.worker_rows import open_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A worker that is ready to ask."""

    assignment: Assignment
    config: Config
    asker: LiveAsker
    simulator: Simulator | None


async def ask_chunk(claim: Claim, by: Opened, resources: Resources) -> LMEvalError | None:
    """Ask the rows of a claim, and return the error that ended it early, if any.

    Args:
        claim: Rows, and the name of the part that gets them.
        by: Worker, ready to ask.
        resources: Listener, stop event and budget.

    Raises:
        InputError: If this machine has another dataset than the leader.
    """
    assignment, chunk, asker = by.assignment, claim.chunk, by.asker
    dataset = Dataset(file=assignment.dataset, ref=assignment.head.dataset)
    samples = tuple(dataset.some(chunk.at, chunk.samples))
    settings = request_settings(by.config, asker.backend)
    plan = plan_rows(samples, settings, skips=asker.backend.skips)
    if keys_digest(plan.keys) != chunk.keys_digest:
        what = f"{assignment.dataset} is not the dataset that the run began with"
        raise DatasetError(what, hint="let all machines see the same file, and leave it as it is")
    done = {key for key, skips in zip(plan.keys, chunk.skips, strict=False) if skips}
    part = assignment.folder / PARTS_FOLDER / claim.part
    recorder = open_part(part, assignment.head, plan.keys, asker=asker, resources=resources)
    with closing(recorder.run_dir):
        executor = LiveExecutor(recorder, by.simulator, limits=by.config.run)
        failure = await executor.ask_all(plan.todo(done), resources.stop)
        recorder.end(recorder.info("complete" if failure is None else "stopped"))
    return failure


def keys_digest(keys: Sequence[int]) -> int:
    """Return the checksum by which two machines see whether they mean the same rows."""
    return zlib.crc32(array("Q", keys).tobytes())
