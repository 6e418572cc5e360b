"""The leader of a run: divides the rows, takes the workers' rows into the log, replaces lost workers."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from lm_eval_so.core.asking.shared_limits import MONEY, REQUESTS, Limit
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.errors import CannotMeasure, LMEvalError
from lm_eval_so.runner.engine.chunk import keys_digest
from lm_eval_so.runner.engine.coordinator import Chunk, Claim, News
from lm_eval_so.runner.plan.jobs import LEFT_OUT, Plan, jobs
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.run_dir import PARTS_FOLDER
from lm_eval_so.runner.store.sign_of_life import Leader
from lm_eval_so.runner.store.worker_rows import add_parts

_LOOK_S = 0.25
_LAST_WORDS_S = 3.0
_BACK_OFF_S = (0.0, 0.0, 1.0, 5.0, 15.0)
"""Waits before a lost worker is replaced, by the number of losses since a chunk was finished."""
_MOST_LOSSES, _WITHIN_S = 5, 60.0
_MOST_ABSENT = 3


class WorkerLost(Exception):  # noqa: N818 - what happened, not what is wrong
    """A process of the cluster has ended, or its machine."""


class Crew(Protocol):
    """The workers and their coordinator, wherever they are."""

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the coordinator, or raise `WorkerLost`."""
        ...

    async def employ(self, name: str, slot: int, *, has_answers: bool) -> None:
        """Employ a worker until it ends by itself, or raise `WorkerLost`."""
        ...


class Lead:
    """Leads one run.

    Args:
        recorder: Recorder of the run, in whose log all rows go.
        plan: All rows.
        dataset: Samples of the rows.
        run: Limits of the run.
        size: Samples a chunk.
    """

    def __init__(
        self, recorder: Recorder, plan: Plan, dataset: Dataset, *, run: RunSection, size: int
    ) -> None:
        self._recorder, self._plan, self._dataset = recorder, plan, dataset
        self._run, self._size = run, size
        self.chunks = list(self._divide())
        """Chunks with rows that are still to be asked."""
        self._total, self._attempts = len(self.chunks), recorder.tally.attempts
        self._losses: deque[float] = deque()
        self._absent = 0
        self._told: set[str] = set()
        self._failure: LMEvalError | None = None

    def budget(self) -> dict[Limit, Decimal]:
        """Return what is left to spend, of the limits that are set."""
        tally = self._recorder.tally
        spent = {MONEY: Decimal(str(tally.spent_usd or 0)), REQUESTS: Decimal(tally.attempts)}
        most = {MONEY: self._run.max_cost_usd, REQUESTS: self._run.max_requests}
        return {name: Decimal(str(of)) - spent[name] for name, of in most.items() if of is not None}

    async def ask_all(self, crew: Crew, workers: int, leader: Leader) -> LMEvalError | None:
        """Have workers ask all chunks, and return the error that ended it early, if any."""
        recorder = self._recorder
        try:
            news = await self._ask_all(crew, workers, leader)
        except WorkerLost as lost:
            hint = "run again to go on"
            return CannotMeasure(f"the workers' coordinator is lost: {lost}", hint=hint)
        except LMEvalError as error:
            return error
        recorder.asker.requests = recorder.tally.attempts - self._attempts
        if (spent := news.spent) is not None:
            usd = recorder.tally.spent_usd
            known = replace(spent, at=usd) if spent.by == MONEY and usd is not None else spent
            recorder.resources.budget.end(known)
        return self._failure or news.failure

    async def _ask_all(self, crew: Crew, workers: int, leader: Leader) -> News:
        employed = [
            asyncio.create_task(self._employ(crew, slot, leader.id)) for slot in range(workers)
        ]
        try:
            await self._until_over(crew, leader, employed)
            await asyncio.wait(employed, timeout=_LAST_WORDS_S)
            news: News = await crew.call("news")
            await self._take(news, crew, is_over=True)
            return news
        except WorkerLost:  # the workers notice it, too, and finish what is under way
            await asyncio.wait(employed, timeout=self._run.drain_s)
            raise
        finally:
            for task in employed:
                task.cancel()
            await asyncio.gather(*employed, return_exceptions=True)

    async def _until_over(
        self, crew: Crew, leader: Leader, employed: list[asyncio.Task[None]]
    ) -> None:
        stop, is_told = self._recorder.resources.stop, False
        while True:
            is_over = stop.is_set() or self._failure is not None
            if is_over and not is_told:
                is_told = True
                await crew.call("stop")
            news: News = await crew.call("news")
            is_over = is_over or news.is_over
            await self._take(news, crew, is_over=is_over)
            gone = [task for task in employed if task.done()]
            for task in gone:
                task.result()
            if len(gone) == len(employed) or not (news.open or is_over):
                return
            leader.beat()
            await asyncio.wait(set(employed) - set(gone), timeout=_LOOK_S)

    async def _take(self, news: News, crew: Crew, *, is_over: bool) -> None:
        """Take the rows of finished claims, and tell how far the run is."""
        recorder = self._recorder
        self._add(news.finished)
        again: list[Chunk] = []
        for claim in news.finished if not is_over else ():
            if rest := self._rest(claim.chunk):
                self._absent += 1
                again.append(rest)
            else:
                self._losses.clear()
        if self._absent >= _MOST_ABSENT:
            what = f"rows of workers do not come to {recorder.run_dir.path}"
            hint = "put it on a file system that all machines mount at the same place"
            self._failure = CannotMeasure(what, hint=hint)
        if news.finished:
            await crew.call("settled", len(news.finished), again)
        for event in news.events:
            if (text := str(event)) not in self._told:
                self._told.add(text)
                recorder.tell(event)
        done = self._total - news.open
        workers = f"{news.workers} worker" + ("s" if news.workers != 1 else "")
        recorder.tell_with(news.progress, f"{workers}, {done:,} of {self._total:,} chunks")

    async def _employ(self, crew: Crew, slot: int, leader: str) -> None:
        """Keep one place for a worker filled."""
        resources, number = self._recorder.resources, 0
        while True:
            name = f"{leader}-{slot}.{number}"
            try:
                await crew.employ(name, slot, has_answers=self._recorder.tally.has_answers)
                return
            except WorkerLost as lost:
                self._recorder.warn(f"worker {slot + 1} is lost, and replaced: {lost}")
                self._losses.append(resources.clock())
            finally:
                await self._lost(await crew.call("left", name), crew)
            recent = [at for at in self._losses if at > resources.clock() - _WITHIN_S]
            if len(recent) >= _MOST_LOSSES:
                what = f"{len(recent)} workers were lost in a minute, and none finished anything"
                hint = "look at the memory of the machines, and at Ray's logs"
                self._failure = self._failure or CannotMeasure(what, hint=hint)
            if self._failure is None:
                back_off_s = _BACK_OFF_S[min(len(recent), len(_BACK_OFF_S) - 1)]
                await resources.wait(back_off_s, resources.stop)
            if self._failure is not None or resources.stop.is_set():
                return
            number += 1

    async def _lost(self, claims: tuple[Claim, ...], crew: Crew) -> None:
        """Take what a lost worker wrote, and open the rest of its chunks again."""
        self._add(claims)
        rests = [rest for claim in claims if (rest := self._rest(claim.chunk))]
        chunks = [chunk for rest in rests for chunk in self._suspects(rest)]
        self._total += len(chunks) - len(rests)
        if claims:
            await crew.call("settled", len(claims), chunks)

    def _suspects(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield a chunk that a worker was lost with: halved the second time, as one row an error."""
        if not chunk.deaths:
            yield replace(chunk, deaths=1)
            return
        rows = len(self._keys(chunk))
        left = [place for place, skips in enumerate(chunk.skips or bytes(rows)) if not skips]
        if len(left) == 1:
            self._give_up(chunk, left[0])
            return
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            skips = bytearray(b"\1" * rows)
            for place in half:
                skips[place] = 0
            yield replace(chunk, skips=bytes(skips))

    def _give_up(self, chunk: Chunk, place: int) -> None:
        keys, recorder = self._keys(chunk), self._recorder
        samples = self._dataset.some(chunk.at, chunk.samples)
        for job in jobs(samples, keys, recorder.done.offsets, self._plan.settings):
            if job.key == keys[place]:
                recorder.record_killed(job)

    def _add(self, claims: tuple[Claim, ...]) -> None:
        folder = self._recorder.run_dir.path / PARTS_FOLDER
        add_parts(self._recorder, [folder / claim.part for claim in claims])

    def _divide(self) -> Iterator[Chunk]:
        for number, at in enumerate(self._dataset.starts(self._size)):
            chunk = Chunk(number=number, at=at, samples=self._size)
            if rest := self._rest(chunk):
                yield replace(rest, keys_digest=keys_digest(self._keys(chunk)))

    def _rest(self, chunk: Chunk) -> Chunk | None:
        """Return what is still to be asked of a chunk; None if nothing is."""
        keys, offsets = self._keys(chunk), self._recorder.done.offsets
        given = chunk.skips or bytes(len(keys))
        skips = bytes(
            skipped or key == LEFT_OUT or key in offsets
            for key, skipped in zip(keys, given, strict=True)
        )
        return replace(chunk, skips=skips if any(skips) else b"") if not all(skips) else None

    def _keys(self, chunk: Chunk) -> Any:
        rows = self._size * self._plan.settings.repeats
        return self._plan.keys[chunk.number * rows : (chunk.number + 1) * rows]
