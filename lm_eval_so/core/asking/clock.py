"""Time: as records carry it, and waiting that the user can end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from lm_eval_so.core.times import time_text

Wait = Callable[[float, asyncio.Event], Awaitable[None]]
"""Waits so many seconds, but not longer than until the event is set."""


def now_text(environ: Mapping[str, str]) -> str:
    """Give the time as RFC 3339 in UTC with milliseconds; SOURCE_DATE_EPOCH fixes it.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return time_text(fixed_time(environ) or datetime.now(UTC))


def fixed_time(environ: Mapping[str, str]) -> datetime | None:
    """Give the time at which SOURCE_DATE_EPOCH stops all clocks, if it is set."""
    fixed = environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else None


async def wait_for(seconds: float, stop: asyncio.Event) -> None:
    """Wait so many seconds, but not longer than until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
