"""Asking all that is planned: the first alone, then many at once, until done or stopped."""

import asyncio
from collections.abc import Iterator

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.drain import drain, until_stopped
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import ask_first
from lm_eval_so.errors import LMEvalError
from lm_eval_so.runner.plan import Job
from lm_eval_so.runner.recorder import Recorder


class Questioning:
    """One pass over the jobs.

    What must end the run (refused credentials, a used-up quota, a full disk) sends nothing new,
    but lets what is under way come back: it is paid for.
    """

    def __init__(
        self, asker: LiveAsker, recorder: Recorder, *, workers: int, drain_s: float
    ) -> None:
        self._asker = asker
        self._recorder = recorder
        self._workers = workers
        self._drain_s = drain_s
        self._halt = asyncio.Event()
        self._failure: LMEvalError | None = None

    async def ask_all(self, jobs: Iterator[Job], stop: asyncio.Event) -> LMEvalError | None:
        """Ask, and give what ended it early, if anything but `stop` did."""
        work = self._ask_all(jobs, stop)
        await until_stopped(work, stop, self._halt, grace_s=self._drain_s)
        return self._failure

    async def _ask_all(self, jobs: Iterator[Job], stop: asyncio.Event) -> None:
        try:
            first = next(jobs, None)
            if first is None:
                return
            self._recorder.record(first, await ask_first(self._asker, first.request))
            await drain(self._until(jobs, stop), self._ask, workers=self._workers)
        except LMEvalError as error:
            self._fail(error)

    async def _ask(self, job: Job) -> None:
        try:
            answer: Answer = await self._asker.ask(job.request)
            self._recorder.record(job, answer)
        except LMEvalError as error:
            self._fail(error)

    def _until(self, jobs: Iterator[Job], stop: asyncio.Event) -> Iterator[Job]:
        for job in jobs:
            if stop.is_set() or self._halt.is_set():
                return
            yield job

    def _fail(self, error: LMEvalError) -> None:
        self._failure = self._failure or error
        self._halt.set()
