"""What a stage that asks models needs from outside, handed to it as one bundle."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.asking.endpoint.circuit_breaker import Breaker
from lm_eval_so.core.asking.endpoint.pace import Pace
from lm_eval_so.core.asking.endpoint.refusals import Refusals
from lm_eval_so.core.asking.endpoint.shared import Endpoint, Endpoints, Limiters
from lm_eval_so.core.clock import Wait, wait_for
from lm_eval_so.core.events import Listener, Noticed, ignore
from lm_eval_so.core.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Handed to `run`, `evaluate` and whatever else asks."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listener: Listener = ignore
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first Ctrl-C or SIGTERM: nothing new is asked."""
    redactor: Redactor = field(default_factory=Redactor)
    """Takes secrets out of everything that is written."""
    limiters: Limiters = field(default_factory=Limiters)
    """One limit an endpoint, whoever asks it."""
    endpoints: Endpoints = field(default_factory=Endpoints)
    """One breaker and one pace an endpoint."""
    refreshes_cache: bool = False
    """Ask what the cache knows anyway, and keep the new answers."""
    clock: Clock = time.monotonic
    wait: Wait = wait_for
    """How time is waited for; a test may have a faster one, that goes with its clock."""
    budget: Budget = field(default_factory=Budget)
    """One budget for all who ask."""
    again: str | None = None
    """The command line that goes on with what this one began, for people; None outside of one."""

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the user stops it, or the time of the run is up."""
        await self.wait(min(seconds, self.budget.left_s()), self.stop)

    def endpoint(self, key: str, *, label: str, stage: str) -> Endpoint:
        """Return what is shared by all who ask the endpoint with this limiter key.

        Args:
            key: The limiter key.
            label: Names it for people.
            stage: Names the stage in what the listener is told.
        """

        def tell(text: str) -> None:
            self.listener(Noticed(stage=stage, text=text))

        def make() -> Endpoint:
            breaker = Breaker(label, clock=self.clock, pause=self.pause, stop=self.stop, tell=tell)
            return Endpoint(breaker=breaker, pace=Pace(self.clock), refusals=Refusals())

        return self.endpoints.get(key, make)
