"""The leader of a run: has workers ask its chunks, replaces lost ones, and tells how far it is."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from lm_eval_so.core.asking.shared_limits import MONEY, REQUESTS, Limit, limits_of
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.words import counted
from lm_eval_so.errors import CannotMeasure, LMEvalError
from lm_eval_so.runner.engine.assignment import Assignment, Call, Failure, Origin
from lm_eval_so.runner.engine.claims import Claims
from lm_eval_so.runner.engine.coordinator import News
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.sign_of_life import Leader
from lm_eval_so.runner.store.worker_rows import take_up

_AT_ONCE = 2
"""Chunks that a worker has at once, so that the slow end of one leaves no gap."""
_LOOK_S = 0.25
_LAST_WORDS_S = 3.0
_MOST_LOSSES = 5
_LONGEST_WAIT_S = 60.0


class WorkerLost(Exception):  # noqa: N818 - what happened, not what is wrong
    """A process of the cluster has ended, or its machine."""


class Crew(Protocol):
    """The workers and their coordinator, wherever they are."""

    def start(self, budget: dict[Limit, Decimal]) -> None:
        """Start the coordinator."""

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the coordinator, or raise `WorkerLost`."""

    def employ(self, name: str, assignment: Assignment) -> AbstractAsyncContextManager[Call]:
        """Employ a worker, and yield what calls its methods, or raises `WorkerLost`."""


class Lead:
    """Leads one run.

    Args:
        recorder: Recorder of the run, in whose log all rows go.
        new: Head and rows of the run.
        dataset: Samples of the rows.
        run: Limits of the run.
        crew: Workers and coordinator.
    """

    def __init__(
        self, recorder: Recorder, new: NewRun, dataset: Dataset, *, run: RunSection, crew: Crew
    ) -> None:
        self._recorder, self._new, self._dataset = recorder, new, dataset
        self._run, self._crew = run, crew
        self._told: set[str] = set()
        self._lost: set[str] = set()
        self._has_ended = asyncio.Event()
        self._failure: LMEvalError | None = None

    async def ask_all(self, origin: Origin, *, workers: int, size: int) -> LMEvalError | None:
        """Have workers ask all rows that are not there, and return the error that ended it early.

        Args:
            origin: Command line of the run.
            workers: Number of workers.
            size: Samples a chunk.
        """
        recorder, before = self._recorder, self._recorder.tally.attempts
        leader = Leader(recorder.run_dir.path)
        assignment = Assignment(
            origin=origin,
            folder=recorder.run_dir.path.absolute(),
            leader=leader.id,
            cwd=Path.cwd(),
            head=self._new.head,
            dataset=self._dataset.file.absolute(),
            refreshes_cache=recorder.resources.refreshes_cache,
        )
        self._claims = Claims(recorder, self._new.plan, self._dataset, size=size)
        self._crew.start(self._budget())
        each, more = divmod(self._run.concurrency, workers)
        places = [replace(assignment, concurrency=each + (i < more)) for i in range(workers)]
        employed = [asyncio.create_task(self._employ(i, at)) for i, at in enumerate(places)]
        try:
            await self._until_over(leader, employed)
        except WorkerLost as lost:  # the workers notice it, too, and finish what is under way
            what = f"the workers' coordinator is lost: {lost}"
            self._failure = CannotMeasure(what, hint="run again to go on")
            await asyncio.wait(employed, timeout=self._run.drain_s)
        except LMEvalError as error:
            self._failure = error
        finally:
            for task in employed:
                task.cancel()
            await asyncio.gather(*employed, return_exceptions=True)
            leader.resign()
        recorder.asker.requests = recorder.tally.attempts - before
        await take_up(recorder, keep_errors=True)
        return self._failure

    @property
    def _is_over(self) -> bool:
        """Whether it ends before all rows are there."""
        return self._failure is not None or self._recorder.resources.stop.is_set()

    def _budget(self) -> dict[Limit, Decimal]:
        """Return what is left to spend, of the limits that are set."""
        tally = self._recorder.tally
        spent = {MONEY: Decimal(str(tally.spent_usd or 0)), REQUESTS: Decimal(tally.attempts)}
        return {name: most - spent[name] for name, most in limits_of(self._run).items()}

    async def _until_over(self, leader: Leader, employed: list[asyncio.Task[None]]) -> None:
        while self._claims.under_way or (self._claims and not self._is_over):
            leader.beat()
            if (budget := self._recorder.resources.budget).left_s() <= 0:
                self._failure = self._failure or budget.out_of_time()
            await self._take_news()
            done, _ = await asyncio.wait(employed, timeout=_LOOK_S)
            for task in done:
                task.result()
        self._has_ended.set()
        await asyncio.wait(employed, timeout=_LAST_WORDS_S)
        await self._take_news()

    async def _take_news(self) -> None:
        """Tell what workers tell, and how far the run is."""
        recorder = self._recorder
        news: News = await self._crew.call("news", self._is_over)
        for event in news.events:
            if (text := str(event)) not in self._told:
                self._told.add(text)
                recorder.tell(event)
        parts = self._claims.under_way.keys() & news.progress
        note = f"{counted(news.workers, 'worker')}, {counted(len(self._claims), 'chunk')} left"
        recorder.tell_with([news.progress[part] for part in parts], note)

    async def _employ(self, place: int, assignment: Assignment) -> None:
        """Keep one place for a worker filled."""
        recorder, resources = self._recorder, self._recorder.resources
        losses, before = 0, 0
        for number in count():
            name = f"{assignment.leader}-{place}.{number}"
            told = replace(assignment, has_answers=recorder.tally.has_answers)
            try:
                async with self._crew.employ(name, told) as worker:
                    await self._keep_busy(name, worker)
                return
            except WorkerLost as lost:
                recorder.warn(f"worker {place + 1} is lost, and replaced: {lost}")
            finally:
                await self._crew.call("left", name)
            if self._claims.came[name] or not losses:  # others may go on while this place is bad
                losses, before = 0, recorder.tally.rows
            losses += 1
            if losses >= _MOST_LOSSES and recorder.tally.rows == before:
                what = f"{losses} workers in a row were lost, and no row came in between"
                hint = "look at the memory of the machines, and at Ray's logs"
                self._failure = self._failure or CannotMeasure(what, hint=hint)
            await resources.wait(min(2.0 ** (losses - 1) - 1, _LONGEST_WAIT_S), self._has_ended)
            if self._is_over or self._has_ended.is_set():
                return

    async def _keep_busy(self, name: str, worker: Call) -> None:
        """Have a worker ask chunks until nothing is left, or the run is over."""
        self._fail(await worker("begin"))
        await asyncio.gather(*(self._ask_some(name, worker) for _ in range(_AT_ONCE)))
        await worker("end")

    async def _ask_some(self, name: str, worker: Call) -> None:
        """Have a worker claim chunks one after another."""
        resources = self._recorder.resources
        while self._claims and not self._is_over and name not in self._lost:
            if (chunk := self._claims.claim(name)) is None:
                await resources.wait(_LOOK_S, self._has_ended)
                continue
            try:
                failure = await worker("ask", chunk)
            except WorkerLost:
                self._lost.add(name)
                self._claims.give_back(chunk)
                raise
            has_all = self._claims.settle(chunk)
            self._fail(failure)
            if not (has_all or self._is_over):
                what = f"rows of workers do not come to {self._recorder.run_dir.path}"
                hint = "put it on a file system that all machines mount at the same place"
                self._failure = CannotMeasure(what, hint=hint)

    def _fail(self, failure: Failure | None) -> None:
        """Take note of the first error that ends the run, and of the limit that was reached."""
        if failure is None or self._failure is not None:
            return
        self._failure, spent = failure
        if spent is not None:
            at = self._recorder.tally.spent_usd if spent.by == MONEY else None
            self._recorder.resources.budget.end(replace(spent, at=spent.at if at is None else at))
