"""The engine `ray`: workers and their coordinator as actors of Ray. Nothing else imports Ray."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.errors import LMEvalError, UsageError
from lm_eval_so.runner.engine.assignment import Assignment, Origin
from lm_eval_so.runner.engine.coordinator import Coordinator
from lm_eval_so.runner.engine.lead import Lead, WorkerLost
from lm_eval_so.runner.engine.worker import Worker
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.sign_of_life import Leader, take_over
from lm_eval_so.runner.store.worker_rows import take_up

LOCAL = "local"
_CHUNK, _CHUNKS_A_WORKER = 5_000, 8
_CONNECTED_S, _PLACED_S = 5.0, 30.0


class _WorkerActor:
    """A worker in a process of Ray."""

    async def begin(self) -> None:
        """Take over the process; whoever waits for it learns that it is there."""
        Worker.own_process()

    async def work(self, name: str, assignment: Assignment, coordinator: Any) -> None:
        """Work until nothing is left."""

        async def call(method: str, *arguments: Any) -> Any:
            return await getattr(coordinator, method).remote(*arguments)

        await Worker(name, assignment, call).work()


@dataclass(frozen=True, slots=True, kw_only=True)
class _RayCrew:
    """The workers and their coordinator on a cluster."""

    coordinator: Any
    assignment: Assignment
    recorder: Recorder
    concurrency: int
    workers: int

    async def call(self, method: str, *arguments: Any) -> Any:
        try:
            return await getattr(self.coordinator, method).remote(*arguments)
        except RayActorError as error:
            raise WorkerLost(_first_line(error)) from None

    async def employ(self, name: str, slot: int, *, has_answers: bool) -> None:
        each, more = divmod(self.concurrency, self.workers)
        assignment = replace(
            self.assignment,
            concurrency=each + (slot < more),
            has_answers=has_answers,
            left_s=self.recorder.resources.budget.left_s(),
        )
        # no restart and no retry of Ray's: what is asked again is decided here
        kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_WorkerActor)
        actor = kind.remote()
        try:
            began = asyncio.ensure_future(_result(actor.begin.remote()))
            await asyncio.wait({began}, timeout=_PLACED_S)
            if not began.done():
                free = ray.available_resources().get("CPU", 0)
                text = f"worker {slot + 1} waits for a processor; the cluster has {free:g} free"
                self.recorder.warn(text, "give the cluster more, or lower --workers")
            await began
            await actor.work.remote(name, assignment, self.coordinator)
        except RayActorError as error:
            raise WorkerLost(_first_line(error)) from None
        finally:
            ray.kill(actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Asks a run by workers of a Ray cluster."""

    origin: Origin
    address: str = LOCAL
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
            raise UsageError(
                "--shard and --engine divide a run, each in its way", hint="leave one out"
            )
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
        self._refuse_secrets(recorder)
        leader = Leader(selection.folder)
        try:
            async with self._cluster() as processors:
                samples, most = new.head.dataset.n, config.run.concurrency
                workers = max(1, min(self.workers or processors, most, samples))
                size = self.chunk_size or min(_CHUNK, -(-samples // (workers * _CHUNKS_A_WORKER)))
                lead = Lead(recorder, new.plan, dataset, run=config.run, size=size)
                crew = _RayCrew(
                    coordinator=_coordinator(lead),
                    assignment=self._assignment(leader, dataset, new, recorder),
                    recorder=recorder,
                    concurrency=most,
                    workers=workers,
                )
                failure = await lead.ask_all(crew, workers, leader)
        finally:
            leader.resign()
        await take_up(recorder, keep_errors=True)
        return failure

    def _refuse_secrets(self, recorder: Recorder) -> None:
        redactor = recorder.resources.redactor
        if any(redactor.redact(text) != text for text in self.origin.overrides):
            hint = "put it into a variable that each machine has, and name that in the config"
            raise UsageError("--set holds a secret, which would be sent to the workers", hint=hint)

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[int]:
        """Join the cluster, or start one on this machine; yield the number of its processors."""
        if self.address == LOCAL:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing here sends telemetry
            processors = self.workers or os.cpu_count() or 1
            own: dict[str, Any] = {"num_cpus": processors, "include_dashboard": False}
        elif self.address.startswith("ray://"):
            hint = "start it on a machine of the cluster, with --ray-address auto"
            raise UsageError("Ray Client (ray://) is not supported", hint=hint)
        else:
            own = {}
        join = partial(ray.init, address=self.address, log_to_driver=False, **own)
        try:
            if ":" in self.address:  # Ray itself would try for more than a minute
                async with asyncio.timeout(_CONNECTED_S):
                    _, writer = await asyncio.open_connection(*self.address.rsplit(":", 1))
                    writer.close()
            # in a thread it takes no signals, which are ours
            await asyncio.to_thread(join, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            what = f"no Ray cluster at {self.address}: {_first_line(error)}"
            raise UsageError(what, hint="ray status tells of it; RAY_ADDRESS may name it") from None
        try:
            yield int(ray.cluster_resources().get("CPU", 0))
        finally:
            await asyncio.to_thread(ray.shutdown)

    def _assignment(
        self, leader: Leader, dataset: Dataset, new: NewRun, recorder: Recorder
    ) -> Assignment:
        return Assignment(
            origin=self.origin,
            folder=recorder.run_dir.path.absolute(),
            leader=leader.id,
            cwd=Path.cwd(),
            head=new.head,
            dataset=dataset.file.absolute(),
            refreshes_cache=recorder.resources.refreshes_cache,
            simulates=new.plan.simulates,
        )


def _coordinator(lead: Lead) -> Any:
    """Start the coordinator on this machine, and return its handle."""
    here = ray.get_runtime_context().get_node_id()
    place = NodeAffinitySchedulingStrategy(node_id=here, soft=False)
    kind = ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy=place)(Coordinator)
    return kind.remote(lead.chunks, lead.budget())


async def _result(reference: Any) -> Any:
    return await reference


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
