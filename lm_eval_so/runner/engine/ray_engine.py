"""The engine `ray`: workers and their coordinator as actors of Ray. Nothing else imports Ray."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.files import own_process
from lm_eval_so.errors import LMEvalError, UsageError
from lm_eval_so.runner.engine.assignment import Assignment, Call, Origin
from lm_eval_so.runner.engine.coordinator import Coordinator
from lm_eval_so.runner.engine.lead import Lead, WorkerLost
from lm_eval_so.runner.engine.worker import Worker
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.sign_of_life import take_over

_CHUNK, _CHUNKS_A_WORKER = 5_000, 8
_CONNECTED_S = 5.0


class _WorkerActor:
    """A worker in a process of Ray."""

    def __init__(self, name: str, assignment: Assignment, coordinator: Any) -> None:
        own_process()
        self._worker = Worker(name, assignment, partial(_call, coordinator))

    async def work(self, method: str, *arguments: Any) -> Any:
        """Call a method of the worker."""
        return await getattr(self._worker, method)(*arguments)


class _RayCrew:
    """The workers and their coordinator on a cluster."""

    def start(self, *arguments: Any) -> None:
        place = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        kind = ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy=place)(Coordinator)
        self._coordinator: Any = kind.remote(*arguments)

    async def call(self, method: str, *arguments: Any) -> Any:
        return await _call(self._coordinator, method, *arguments)

    @asynccontextmanager
    async def employ(self, name: str, assignment: Assignment) -> AsyncIterator[Call]:
        # no restart and no retry of Ray's: what is asked again is decided here
        kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_WorkerActor)
        actor = kind.remote(name, assignment, self._coordinator)
        try:
            yield partial(_call, actor, "work")
        finally:
            ray.kill(actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Asks a run by workers of a Ray cluster."""

    origin: Origin
    address: str = "local"
    """Address of the cluster; "auto": the one of this machine; "local": a new one on it."""
    workers: int | None = None
    """Number of workers; default: the processors of the cluster."""
    chunk_size: int | None = None
    """Samples a chunk; default: an eighth of a worker's share, at most 5,000."""
    takes_over: bool = False
    """Whether another leader that seems to be alive is told to stop."""

    async def begin(self, config: Config, options: RunOptions) -> None:
        """Refuse what workers cannot ask, and stop another leader if that is wanted.

        Raises:
            UsageError: If the run is asked by batch, or a shard is asked.
        """
        if config.run.executor == "batch":
            what = "a batch service asks by itself, without workers"
            raise UsageError(what, where=config.where("run", "executor"), hint="leave --engine out")
        if options.shard is not None:
            raise UsageError("--shard and --engine both divide a run", hint="leave one out")
        if self.takes_over:
            await take_over(options.folder(config))

    async def ask_all(
        self, config: Config, selection: Selection, new: NewRun, recorder: Recorder
    ) -> LMEvalError | None:
        """Ask all rows that the recorder lacks; see `Engine`.

        Raises:
            UsageError: If the cluster is not there, or a secret would have to be sent to it.
        """
        dataset = selection.samples
        assert isinstance(dataset, Dataset)  # noqa: S101 - but for shards, which `begin` refuses
        if recorder.tally.rows == new.head.planned:
            return None
        redactor = recorder.resources.redactor
        if any(redactor.redact(text) != text for text in self.origin.overrides):
            hint = "put it into a variable that each machine has, and name that in the config"
            raise UsageError("--set holds a secret, which would be sent to the workers", hint=hint)
        async with self._cluster() as processors:
            samples, most = new.head.dataset.n, config.run.concurrency
            workers = max(1, min(self.workers or processors, most, samples))
            if workers > (free := int(ray.available_resources().get("CPU", 0))):
                text = f"processors needed: {workers}, one a worker; free in the cluster: {free}"
                recorder.warn(text, "give the cluster more, or lower --workers")
            size = self.chunk_size or min(_CHUNK, -(-samples // (workers * _CHUNKS_A_WORKER)))
            lead = Lead(recorder, new, dataset, run=config.run, crew=_RayCrew())
            return await lead.ask_all(self.origin, workers=workers, size=size)

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[int]:
        """Join the cluster, or start one on this machine; yield the number of its processors."""
        own: dict[str, Any] = {"address": self.address, "log_to_driver": False}
        if self.address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing here sends telemetry
            own |= {"num_cpus": self.workers or os.cpu_count() or 1, "include_dashboard": False}
        try:
            if ":" in self.address:  # Ray itself would try for more than a minute
                async with asyncio.timeout(_CONNECTED_S):
                    _, writer = await asyncio.open_connection(*self.address.rsplit(":", 1))
                    writer.close()
            # in a thread it takes no signals, which are ours
            await asyncio.to_thread(ray.init, logging_level="ERROR", **own)
        except (OSError, RuntimeError, ValueError) as error:
            what = f"no Ray cluster at {self.address}: {_first_line(error)}"
            raise UsageError(what, hint="ray status tells of it; RAY_ADDRESS may name it") from None
        try:
            yield int(ray.cluster_resources().get("CPU", 0))
        finally:
            await asyncio.to_thread(ray.shutdown)


async def _call(actor: Any, method: str, *arguments: Any) -> Any:
    try:
        return await getattr(actor, method).remote(*arguments)
    except RayActorError as error:
        raise WorkerLost(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
