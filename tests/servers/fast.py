"""Time that goes faster, or only where a test says so: no test of long waits depends on the machine."""

import asyncio
import time
from typing import Any

from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.clock import wait_for


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


def fast(times: float) -> dict[str, Any]:
    """Return clock, waiting and budget for `Resources`: so many of their seconds pass in one.

    Time-outs of attempts are those of the event loop, and stay as they are.
    """

    def clock() -> float:
        return time.monotonic() * times

    async def wait(seconds: float, stop: asyncio.Event) -> None:
        await wait_for(seconds / times, stop)

    return {"clock": clock, "wait": wait, "budget": Budget(clock)}
