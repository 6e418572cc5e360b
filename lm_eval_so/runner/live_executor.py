"""The live executor: all rows asked, many at once, until done or stopped."""

import asyncio
from collections.abc import Iterator
from typing import Protocol

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.config.model import Config, RunSection
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.workers import drain, until_stopped
from lm_eval_so.errors import Interrupted, LMEvalError
from lm_eval_so.runner.conversation.play import Parties, play
from lm_eval_so.runner.conversation.simulated_user import Simulator
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder

_FORGETTING_S = 5.0
_AT_A_TIME, _MOST_CHARACTERS = 64, 100_000
"""Most jobs to read ahead, and most characters of all their messages, so that memory stays small."""


class Engine(Protocol):
    """Another way to ask rows than by this process."""

    async def begin(self, config: Config, options: RunOptions) -> None:
        """Refuse what it cannot ask, before the folder of the run is locked."""
        ...

    async def ask_all(
        self, config: Config, selection: Selection, new: NewRun, recorder: Recorder
    ) -> LMEvalError | None:
        """Ask all rows that the recorder lacks, and return the error that ended it early, if any."""
        ...


class LiveExecutor:
    """One pass over the jobs.

    An error that must end the run (refused credentials, a used-up quota, a full disk) stops new
    requests, but requests under way come back: they are paid for. A conversation that is cut off
    is no row.

    Args:
        recorder: Writes the rows of its asker.
        simulator: Simulated users, if the dataset needs them.
        limits: Concurrency and deadlines.
    """

    def __init__(
        self, recorder: Recorder, simulator: Simulator | None, *, limits: RunSection
    ) -> None:
        self._asker = recorder.asker
        self._recorder = recorder
        self._limits = limits
        self._parties = Parties(
            ask=self._say,
            simulator=simulator,
            max_tool_rounds=limits.max_tool_rounds,
            row_deadline_s=limits.row_deadline_s,
        )
        self._halt = asyncio.Event()
        self._failure: LMEvalError | None = None
        self._has_told = False

    async def ask_all(self, jobs: Iterator[Job], stop: asyncio.Event) -> LMEvalError | None:
        """Ask all rows, and return the error that ended it early, if any."""
        work = self._ask_all(jobs, stop)
        await until_stopped(work, stop, self._halt, grace_s=self._limits.drain_s)
        return self._failure

    async def _ask_all(self, jobs: Iterator[Job], stop: asyncio.Event) -> None:
        try:
            await drain(
                self._until(jobs, stop),
                self._ask,
                workers=self._limits.concurrency,
                needs_more=self._asker.limiter.has_lent,
            )
        except LMEvalError as error:
            self._fail(error)

    async def _ask(self, job: Job) -> None:
        try:
            played = await play(job, self._parties)
            self._recorder.record(job, played)
        except LMEvalError as error:
            self._fail(error)
        finally:
            if self._asker.backend.keeps_sessions:
                await self._forget(job.request.session)

    async def _say(self, request: ChatRequest) -> Answer:
        if self._halt.is_set():
            raise Interrupted("the run is ending")
        return await self._asker.ask(request)

    async def _forget(self, session: str) -> None:
        """Tell the backend to forget a conversation; an error of it spoils no row."""
        try:
            async with asyncio.timeout(_FORGETTING_S):
                await self._asker.backend.end_session(session)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._tell_once(f"the backend cannot forget conversations: {type(error).__name__}")

    def _tell_once(self, text: str) -> None:
        if not self._has_told:
            self._has_told = True
            self._recorder.warn(text)

    def _until(self, jobs: Iterator[Job], stop: asyncio.Event) -> Iterator[Job]:
        for job in _read_ahead(jobs):
            if stop.is_set() or self._halt.is_set():
                return
            yield job

    def _fail(self, error: LMEvalError) -> None:
        self._failure = self._failure or error
        self._halt.set()


def _read_ahead(jobs: Iterator[Job]) -> Iterator[Job]:
    """Read ahead in blocks: reading one job at a time takes twice as long, due to processor caches."""
    some: list[Job] = []
    size = 0
    for job in jobs:
        some.append(job)
        size += sum(len(message.content) for message in job.request.messages)
        if len(some) >= _AT_A_TIME or size >= _MOST_CHARACTERS:
            yield from some
            some, size = [], 0
    yield from some
