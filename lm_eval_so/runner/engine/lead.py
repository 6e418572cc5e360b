"""The leader of a run: divides the rows, takes the workers' rows into the log, replaces lost workers."""

import asyncio
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from lm_eval_so.core.asking.shared_limits import MONEY, REQUESTS, Limit
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.words import counted
from lm_eval_so.errors import CannotMeasure, LMEvalError
from lm_eval_so.runner.engine.assignment import Assignment, Origin
from lm_eval_so.runner.engine.coordinator import Chunk, News
from lm_eval_so.runner.plan.jobs import jobs
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.sign_of_life import Leader
from lm_eval_so.runner.store.worker_rows import add_parts, take_up

_LOOK_S = 0.25
_LAST_WORDS_S = 3.0
_MOST_LOSSES = 5


class WorkerLost(Exception):  # noqa: N818 - what happened, not what is wrong
    """A process of the cluster has ended, or its machine."""


class Crew(Protocol):
    """The workers and their coordinator, wherever they are."""

    def start(self, chunks: list[Chunk], budget: dict[Limit, Decimal]) -> None:
        """Start the coordinator."""

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the coordinator, or raise `WorkerLost`."""

    async def employ(self, name: str, assignment: Assignment) -> None:
        """Employ a worker until it ends by itself, or raise `WorkerLost`."""


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
            simulates=self._new.plan.simulates,
        )
        self._crew.start(list(self._divide(size)), self._budget())
        each, more = divmod(self._run.concurrency, workers)
        places = [replace(assignment, concurrency=each + (i < more)) for i in range(workers)]
        employed = [asyncio.create_task(self._employ(i, at)) for i, at in enumerate(places)]
        try:
            await self._until_over(leader, employed)
        except WorkerLost as lost:  # the workers notice it, too, and finish what is under way
            await asyncio.wait(employed, timeout=self._run.drain_s)
            what = f"the workers' coordinator is lost: {lost}"
            self._failure = CannotMeasure(what, hint="run again to go on")
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

    def _divide(self, size: int) -> Iterator[Chunk]:
        rows = size * self._new.plan.settings.repeats
        for number, at in enumerate(self._dataset.starts(size)):
            keys = self._lacking(self._new.plan.keys[number * rows : (number + 1) * rows])
            if keys:
                yield Chunk(number=number, at=at, samples=size, keys=keys)

    def _lacking(self, keys: Iterable[int]) -> "array[int]":
        return array("Q", filter(self._recorder.done.offsets.lacks, keys))

    def _budget(self) -> dict[Limit, Decimal]:
        """Return what is left to spend, of the limits that are set."""
        tally = self._recorder.tally
        spent = {MONEY: Decimal(str(tally.spent_usd or 0)), REQUESTS: Decimal(tally.attempts)}
        most = {MONEY: self._run.max_cost_usd, REQUESTS: self._run.max_requests}
        return {name: Decimal(str(of)) - spent[name] for name, of in most.items() if of is not None}

    async def _until_over(self, leader: Leader, employed: list[asyncio.Task[None]]) -> None:
        budget, tally = self._recorder.resources.budget, self._recorder.tally
        while True:
            leader.beat()
            if budget.left_s() <= 0:
                self._failure = self._failure or budget.out_of_time()
            if self._recorder.resources.stop.is_set() or self._failure is not None:
                await self._crew.call("stop")
            news = await self._take_news()
            if not (news.workers if news.is_over else news.open):
                break
            done, _ = await asyncio.wait(employed, timeout=_LOOK_S)
            for task in done:
                task.result()
        await asyncio.wait(employed, timeout=_LAST_WORDS_S)
        news = await self._take_news()
        failure, spent = news.failure or (None, None)
        self._failure = self._failure or failure
        if spent is not None:
            at = tally.spent_usd if spent.by == MONEY else None
            budget.end(replace(spent, at=spent.at if at is None else at))

    async def _take_news(self) -> News:
        """Take the rows of finished claims, and tell how far the run is."""
        recorder = self._recorder
        news: News = await self._crew.call("news")
        add_parts(recorder, [chunk.part for chunk in news.finished])
        if not news.is_over and any(self._lacking(chunk.keys) for chunk in news.finished):
            what = f"rows of workers do not come to {recorder.run_dir.path}"
            hint = "put it on a file system that all machines mount at the same place"
            self._failure = self._failure or CannotMeasure(what, hint=hint)
        if news.finished:
            await self._crew.call("settled", len(news.finished))
        for event in news.events:
            if (text := str(event)) not in self._told:
                self._told.add(text)
                recorder.tell(event)
        note = f"{counted(news.workers, 'worker')}, {counted(news.open, 'chunk')} left"
        recorder.tell_with(news.progress, note)
        return news

    async def _employ(self, place: int, assignment: Assignment) -> None:
        """Keep one place for a worker filled."""
        recorder, resources = self._recorder, self._recorder.resources
        losses, rows = 0, -1
        for number in count():
            name = f"{assignment.leader}-{place}.{number}"
            told = replace(assignment, has_answers=recorder.tally.has_answers)
            try:
                await self._crew.employ(name, told)
                return
            except WorkerLost as lost:
                recorder.warn(f"worker {place + 1} is lost, and replaced: {lost}")
            finally:
                await self._take_back(await self._crew.call("left", name))
            losses, rows = losses + 1 if recorder.tally.rows == rows else 1, recorder.tally.rows
            if losses == _MOST_LOSSES:
                what = f"{losses} workers in a row were lost, and no row came in between"
                hint = "look at the memory of the machines, and at Ray's logs"
                self._failure = self._failure or CannotMeasure(what, hint=hint)
            if self._failure is not None or resources.stop.is_set():
                return
            await resources.wait(2.0 ** (losses - 1) - 1, resources.stop)

    async def _take_back(self, claims: tuple[Chunk, ...]) -> None:
        """Take what a lost worker wrote, and open the rest of its chunks again."""
        add_parts(self._recorder, [claim.part for claim in claims])
        again = [chunk for claim in claims for chunk in self._suspects(claim)]
        await self._crew.call("settled", len(claims), again)

    def _suspects(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield what is left of a chunk; the second time in halves, and one row as an error."""
        keys = self._lacking(chunk.keys)
        if chunk.is_suspect and len(keys) == 1:
            self._give_up(replace(chunk, keys=keys))
            return
        half = len(keys) // 2 if chunk.is_suspect else 0
        for some in filter(None, (keys[:half], keys[half:])):
            yield replace(chunk, keys=some, is_suspect=True)

    def _give_up(self, chunk: Chunk) -> None:
        plan = self._new.plan
        rows = chunk.samples * plan.settings.repeats
        keys = plan.keys[chunk.number * rows : (chunk.number + 1) * rows]
        samples = self._dataset.some(chunk.at, chunk.samples)
        for job in jobs(samples, keys, {*keys} - {*chunk.keys}, plan.settings):
            self._recorder.record_killed(job)
