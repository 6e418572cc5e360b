"""A worker of a run: asks chunks under a lease, which it renews each half second."""

import asyncio
import os
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.shared_limits import LEASE_S, Allowance, SharedBudget, shared_endpoints
from lm_eval_so.core.clock import wait_for
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.core.secrets import Redactor, clean_exception
from lm_eval_so.errors import CannotMeasure, LMEvalError
from lm_eval_so.runner.engine.assignment import Assignment, Call, Chunk, Failure, here, open_config
from lm_eval_so.runner.engine.chunk import open_chunks
from lm_eval_so.runner.engine.coordinator import Lease, Report

_PATIENCE_S = 10.0
"""Time after which a coordinator that does not answer counts as lost."""


class Worker:
    """One worker, in a process of its own.

    Args:
        name: Name of it.
        assignment: All that it is told.
        coordinator: Calls the coordinator.
    """

    def __init__(self, name: str, assignment: Assignment, coordinator: Call) -> None:
        self._name, self._assignment, self._coordinator = name, assignment, coordinator
        self._redactor, self._allowance = Redactor(), Allowance()
        self._budget = SharedBudget(partial(self._call, "slice"))
        self._progress: dict[str, Moved] = {}
        self._events: list[Event] = []
        self._pause_s, self._is_alone = 0.0, False
        self._stop, self._has_news = asyncio.Event(), asyncio.Event()
        self._opened = AsyncExitStack()

    async def begin(self) -> Failure | None:
        """Get ready to ask, and return the error that ends the run, if any."""
        self._renewing = asyncio.create_task(self._renew())
        return await self._try(self._open())

    async def ask(self, chunk: Chunk) -> Failure | None:
        """Ask the rows of a chunk into its part, and return the error that ends the run, if any."""
        self._progress[chunk.part] = Moved(stage="run", done=0)
        self._has_news.set()
        try:
            return await self._try(self._ask(chunk, partial(self._listen, part=chunk.part)))
        finally:
            del self._progress[chunk.part]

    async def end(self) -> None:
        """Close what is open, and report for the last time."""
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        await self._opened.aclose()
        await self._lease()

    async def _open(self) -> None:
        config, self._redactor = await open_config(self._assignment)

        def refuse(seconds: float) -> None:
            wait_s = min(seconds, config.run.max_retry_after_s)
            self._allowance.pause(wait_s, now=time.monotonic())
            self._pause_s = max(self._pause_s, wait_s)
            self._has_news.set()

        resources = Resources(
            environ=dict(os.environ),
            listener=self._listen,
            stop=self._stop,
            redactor=self._redactor,
            endpoints=shared_endpoints(self._allowance, refuse),
            refreshes_cache=self._assignment.refreshes_cache,
            budget=self._budget,
        )
        opening = open_chunks(self._assignment, config, resources)
        self._ask = await self._opened.enter_async_context(opening)

    async def _try(self, work: Awaitable[None]) -> Failure | None:
        try:
            await work
        except LMEvalError as error:
            self._stop.set()
            clean_exception(error, self._redactor)
            return here(error), self._budget.spent
        return (here(_alone()), None) if self._is_alone else None

    def _listen(self, event: Event, part: str = "") -> None:
        if isinstance(event, Moved):
            self._progress[part] = event
        else:
            self._events.append(event)

    async def _call(self, method: str, *arguments: Any) -> Any:
        """Call the coordinator; if it does not answer, nobody leads any more, and the worker stops."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._coordinator(method, self._name, *arguments)
        except Exception:  # noqa: BLE001 - whatever the transport raises
            self._is_alone = True
            self._stop.set()
            raise _alone() from None

    async def _renew(self) -> None:
        while True:
            await self._lease()
            await wait_for(LEASE_S / 2, self._has_news)
            self._has_news.clear()

    async def _lease(self) -> None:
        """Report, and take the next lease, if there is one."""
        asked_at = time.monotonic()
        report = Report(
            progress=dict(self._progress),
            events=tuple(self._events),
            accounts=self._budget.account(),
            pause_s=self._pause_s,
        )
        self._events, self._pause_s = [], 0.0
        with suppress(CannotMeasure):
            lease: Lease = await self._call("lease", report)
            self._allowance.take(lease.share, pause_s=lease.pause_s, asked_at=asked_at)
            if lease.is_over:
                self._stop.set()


def _alone() -> CannotMeasure:
    return CannotMeasure("the workers' coordinator is lost", hint="run again to go on")
