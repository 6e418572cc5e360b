"""A worker of a run: claims chunks and asks them, under a lease that it renews each half second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.shared_limits import LEASE_S, Allowance, SharedBudget, shared_endpoints
from lm_eval_so.core.clock import wait_for
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.core.files import own_process
from lm_eval_so.core.secrets import clean_exception
from lm_eval_so.errors import LMEvalError
from lm_eval_so.runner.conversation.open_simulator import open_simulator
from lm_eval_so.runner.engine.assignment import Assignment, here, open_config, refuse_other_chatbot
from lm_eval_so.runner.engine.chunk import Opened, ask_chunk
from lm_eval_so.runner.engine.coordinator import AT_ONCE, Claim, Lease, Report

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
        self._is_tight = False
        self._stop, self._has_claimed = asyncio.Event(), asyncio.Event()
        self._telling: set[asyncio.Future[Any]] = set()

    @staticmethod
    def own_process() -> None:
        """Set the limits of a process that has nothing else to do."""
        own_process()

    async def work(self) -> None:
        """Work until nothing is left to claim, or the run ends; errors go to the coordinator."""
        environ, renewing = dict(os.environ), asyncio.create_task(self._renew())
        try:
            config, redactor = await open_config(self._assignment, environ)

            def refuse(seconds: float) -> None:
                self._pause(min(seconds, config.run.max_retry_after_s))

            resources = Resources(
                environ=environ,
                listener=self._listen,
                stop=self._stop,
                redactor=redactor,
                endpoints=shared_endpoints(self._allowance, refuse),
                refreshes_cache=self._assignment.refreshes_cache,
                budget=self._budget,
            )
            try:
                async with AsyncExitStack() as stack:
                    assert config.backend is not None  # noqa: S101 - the leader has looked
                    opening = open_asker(config.backend, config=config, resources=resources)
                    asker = await stack.enter_async_context(opening)
                    refuse_other_chatbot(self._assignment, config, asker.backend, resources)
                    if self._assignment.has_answers:
                        asker.proof.goes_on(self._assignment.head.planned)
                    playing = open_simulator(
                        config, resources, is_needed=self._assignment.simulates
                    )
                    simulator = await stack.enter_async_context(playing)
                    opened = Opened(
                        assignment=self._assignment, config=config, asker=asker, simulator=simulator
                    )
                    await self._ask_all(opened, resources)
            except LMEvalError as error:
                clean_exception(error, redactor)
                raise
        except LMEvalError as error:
            await self._call("failed", here(error), self._budget.spent)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._is_tight = True
            await self._lease()

    async def _call(self, method: str, *arguments: Any) -> Any:
        return await self._transport(method, self._name, *arguments)

    async def _ask_all(self, opened: Opened, resources: Resources) -> None:
        crew = (self._ask_some(opened, resources) for _ in range(AT_ONCE))
        for ended in await asyncio.gather(*crew, return_exceptions=True):
            if ended is not None:
                raise ended

    async def _ask_some(self, opened: Opened, resources: Resources) -> None:
        while (claim := await self._call("claim")) != "end":
            if not isinstance(claim, Claim):
                await wait_for(_WAIT_S, self._stop)
                continue
            self._has_claimed.set()
            try:
                listener = partial(self._listen, part=claim.part)
                failure = await ask_chunk(claim, opened, replace(resources, listener=listener))
            except LMEvalError as error:
                failure = error
            await self._call("finished", claim.part, failure is None)
            if failure is not None:
                self._stop.set()
                raise failure

    def _listen(self, event: Event, part: str = "") -> None:
        if isinstance(event, Moved):
            self._progress[part] = event
        else:
            self._events.append(event)

    def _pause(self, seconds: float) -> None:
        if self._allowance.pause(seconds, now=time.monotonic()):
            telling = asyncio.ensure_future(self._call("refused", seconds))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _renew(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    is_over = await self._lease()
            except Exception:  # noqa: BLE001 - whatever the transport raises: nobody leads any more
                is_over = True
            if is_over:
                self._stop.set()
            await wait_for(LEASE_S / 2, self._has_claimed)
            self._has_claimed.clear()

    async def _lease(self) -> bool:
        """Report, take the next lease, and return whether the run is over."""
        asked_at = time.monotonic()
        spent, returned = self._budget.account(gives_back=self._is_tight)
        events, self._events = tuple(self._events), []
        progress, self._progress = self._progress, {}
        report = Report(progress=progress, events=events, spent=spent, returned=returned)
        lease: Lease = await self._call("lease", report)
        self._allowance.take(lease.share, pause_s=lease.pause_s, asked_at=asked_at)
        self._is_tight = lease.is_tight
        return lease.is_over
