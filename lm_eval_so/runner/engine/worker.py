"""A worker of a run: claims chunks and asks them, under a lease that it renews each half second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.shared_limits import LEASE_S, Allowance, SharedBudget, shared_endpoints
from lm_eval_so.core.clock import wait_for
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.core.secrets import Redactor, clean_exception
from lm_eval_so.errors import LMEvalError
from lm_eval_so.runner.engine.assignment import Assignment, here, open_config
from lm_eval_so.runner.engine.chunk import AskChunk, open_chunks
from lm_eval_so.runner.engine.coordinator import AT_ONCE, Chunk, Lease, Report

Call = Callable[..., Awaitable[Any]]
"""Calls a method of the coordinator: its name and arguments → its result."""
_WAIT_S = 0.2
_PATIENCE_S = 10.0
"""Time after which a coordinator that does not answer counts as lost."""


class Worker:
    """One worker, in a process of its own.

    Args:
        name: Name of it.
        assignment: All that it is told.
        call: Calls the coordinator.
    """

    def __init__(self, name: str, assignment: Assignment, call: Call) -> None:
        self._name, self._assignment, self._transport = name, assignment, call
        self._allowance = Allowance()
        self._budget = SharedBudget(partial(self._call, "slice"))
        self._progress: dict[str, Moved] = {}
        self._events: list[Event] = []
        self._pause_s = 0.0
        self._stop, self._has_news = asyncio.Event(), asyncio.Event()

    async def work(self) -> None:
        """Work until nothing is left to claim, or the run ends; errors go to the coordinator."""
        renewing, redactor = asyncio.create_task(self._renew()), Redactor()
        try:
            config, redactor = await open_config(self._assignment)
            await self._ask_all(config, redactor)
        except LMEvalError as error:
            clean_exception(error, redactor)
            await self._call("failed", here(error), self._budget.spent)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._lease()

    async def _ask_all(self, config: Config, redactor: Redactor) -> None:
        def refuse(seconds: float) -> None:
            wait_s = min(seconds, config.run.max_retry_after_s)
            self._allowance.pause(wait_s, now=time.monotonic())
            self._pause_s = max(self._pause_s, wait_s)
            self._has_news.set()

        resources = Resources(
            environ=dict(os.environ),
            listener=self._listen,
            stop=self._stop,
            redactor=redactor,
            endpoints=shared_endpoints(self._allowance, refuse),
            refreshes_cache=self._assignment.refreshes_cache,
            budget=self._budget,
        )
        async with open_chunks(self._assignment, config, resources) as ask:
            lanes = (self._ask_some(ask, resources) for _ in range(AT_ONCE))
            for ended in await asyncio.gather(*lanes, return_exceptions=True):
                if ended is not None:
                    raise ended

    async def _ask_some(self, ask: AskChunk, resources: Resources) -> None:
        while (claim := await self._call("claim")) != "end":
            if not isinstance(claim, Chunk):
                await wait_for(_WAIT_S, self._stop)
                continue
            self._has_news.set()
            own = replace(resources, listener=partial(self._listen, part=claim.part))
            try:
                failure = await ask(claim, own)
            except LMEvalError as error:
                failure = error
            self._progress.pop(claim.part, None)
            await self._call("finished", claim.part, failure is None)
            if failure is not None:
                self._stop.set()
                raise failure

    def _listen(self, event: Event, part: str = "") -> None:
        if isinstance(event, Moved):
            self._progress[part] = event
        else:
            self._events.append(event)

    async def _call(self, method: str, *arguments: Any) -> Any:
        return await self._transport(method, self._name, *arguments)

    async def _renew(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._lease()
            except Exception:  # noqa: BLE001 - whatever the transport raises: nobody leads any more
                self._stop.set()
            await wait_for(LEASE_S / 2, self._has_news)
            self._has_news.clear()

    async def _lease(self) -> None:
        """Report, and take the next lease."""
        asked_at = time.monotonic()
        report = Report(
            progress=dict(self._progress),
            events=tuple(self._events),
            accounts=self._budget.account(),
            pause_s=self._pause_s,
        )
        self._events, self._pause_s = [], 0.0
        lease: Lease = await self._call("lease", report)
        self._allowance.take(lease.share, pause_s=lease.pause_s, asked_at=asked_at)
        if lease.is_over:
            self._stop.set()
