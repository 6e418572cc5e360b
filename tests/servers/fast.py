"""Time that goes faster, so that long waits can be tested as they are."""

import asyncio
import time
from typing import Any

from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.clock import wait_for


def fast(times: float) -> dict[str, Any]:
    """Return clock, waiting and budget for `Resources`: so many of their seconds pass in one.

    Time-outs of attempts are those of the event loop, and stay as they are.
    """

    def clock() -> float:
        return time.monotonic() * times

    async def wait(seconds: float, stop: asyncio.Event) -> None:
        await wait_for(seconds / times, stop)

    return {"clock": clock, "wait": wait, "budget": Budget(clock)}
