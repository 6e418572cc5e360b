"""Time that goes faster, or only where a test says so: no test of long waits depends on the machine."""

import asyncio
import time
from heapq import heappop, heappush
from itertools import count
from typing import Any

from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.clock import wait_for

_CHAIN = 50
"""Turns of the event loop in which whoever is woken wakes others."""
_LEAST_S = 1e-6
"""Least time that a wait takes, so that rounding ends it."""


class Hands:
    """A clock that stands still until somebody waits, or the script of a server turns it.

    Time-outs of attempts are those of the event loop; make them so long that no machine needs them.
    """

    def __init__(self) -> None:
        self.now_s = 0.0

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def parts(self) -> dict[str, Any]:
        """Return clock, waiting and budget for `Resources`."""
        return {"clock": self._clock, "wait": self._wait, "budget": Budget(self._clock)}

    def _clock(self) -> float:
        return self.now_s

    async def _wait(self, seconds: float, stop: asyncio.Event) -> None:
        until_s = self.now_s + max(0.0, seconds)
        await asyncio.sleep(0)
        if not stop.is_set():  # those who wait side by side do so at the same time
            self.now_s = max(self.now_s, until_s)


class Steps:
    """A clock that a test sets; whoever waits is woken at the time that it waits for, in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._waiting: list[tuple[float, int, asyncio.Event]] = []
        self._numbers = count()

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now_s

    async def wait(self, seconds: float, stop: asyncio.Event) -> None:
        """Wait until that time has come; for `Resources`."""
        if seconds > 0 and not stop.is_set():
            woken = asyncio.Event()
            at_s = self.now_s + max(seconds, _LEAST_S)
            heappush(self._waiting, (at_s, next(self._numbers), woken))
            await woken.wait()

    async def until(self, now_s: float) -> None:
        """Let time pass up to a moment, and everybody do what falls due."""
        while True:
            for _ in range(_CHAIN):
                await asyncio.sleep(0)
            if not self._waiting or self._waiting[0][0] > now_s:
                break
            self.now_s, _, woken = heappop(self._waiting)
            woken.set()
        self.now_s = now_s


def fast(times: float) -> dict[str, Any]:
    """Return clock, waiting and budget for `Resources`: so many of their seconds pass in one.

    Time-outs of attempts are those of the event loop, and stay as they are.
    """

    def clock() -> float:
        return time.monotonic() * times

    async def wait(seconds: float, stop: asyncio.Event) -> None:
        await wait_for(seconds / times, stop)

    return {"clock": clock, "wait": wait, "budget": Budget(clock)}
