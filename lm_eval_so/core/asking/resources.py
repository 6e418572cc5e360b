"""Surroundings of a stage that asks models, handed to it as one bundle."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.asking.endpoint.admission import Endpoint, Endpoints
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.clock import Wait, wait_for, wall_clock
from lm_eval_so.core.events import Listener, Noticed, ignore
from lm_eval_so.core.http.hosts import AllowedHosts
from lm_eval_so.core.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Surroundings of `run`, `evaluate` and every other stage that asks."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listener: Listener = ignore
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first Ctrl-C or SIGTERM: nothing new is asked."""
    redactor: Redactor = field(default_factory=Redactor)
    """Takes secrets out of everything that is written."""
    endpoints: Endpoints = field(default_factory=Endpoints)
    """Limit, breaker and pace by endpoint, shared by all who ask it."""
    refreshes_cache: bool = False
    """Whether all is asked past the cache, which keeps the new answers."""
    clock: Clock = time.monotonic
    wait: Wait = wait_for
    """Function that waits; a test may have a faster one, that goes with its clock."""
    budget: Budget = field(default_factory=Budget)
    """One budget for all who ask."""
    hosts: AllowedHosts | None = None
    """Hosts that may be asked; null: any, as at a desk."""
    again: str | None = None
    """Command line that resumes what this one began, for people; None outside of one."""

    def with_new_endpoints(self) -> Self:
        """Return the same without memory of what the endpoints bore, or of how they failed."""
        return replace(self, endpoints=Endpoints())

    def wall_clock(self) -> Callable[[], datetime]:
        """Return a function that tells the time of day in UTC; SOURCE_DATE_EPOCH fixes it."""
        return wall_clock(self.environ)

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the user stops it, or the time of the run is up."""
        await self.wait(min(seconds, self.budget.left_s()), self.stop)

    def endpoint(self, backend: ChatBackend, *, label: str, stage: str) -> Endpoint:
        """Return the endpoint of a backend, shared by all who ask it.

        Its limit is the lowest that any of them bears.

        Args:
            backend: Backend that asks it.
            label: Name of it for people.
            stage: Name of the stage in events.
        """

        def tell(text: str) -> None:
            self.listener(Noticed(stage=stage, text=text))

        def make() -> Endpoint:
            return Endpoint(label, backend.most_at_once(), self, self.redactor, tell)

        endpoint = self.endpoints.get(backend.limiter_key(), make)
        endpoint.limiter.narrow(backend.most_at_once())
        return endpoint
