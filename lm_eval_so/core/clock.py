"""Time: as records carry it, and waiting that the user can end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

RECENT = timedelta(hours=1)
"""How long an answer counts as one of now: behind one address a chatbot may change."""


def parse_time(text: str | None) -> datetime | None:
    """Return the time that a text tells, in UTC; None if it tells none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if found.tzinfo is UTC:  # as nearly all are, and some files have millions
        return found
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def time_text(time: datetime) -> str:
    """Return a time in UTC as RFC 3339 with milliseconds."""
    return f"{time.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


Wait = Callable[[float, asyncio.Event], Awaitable[None]]
"""Waits so many seconds, but not longer than until the event is set."""


def now_text(environ: Mapping[str, str]) -> str:
    """Return the time as RFC 3339 in UTC with milliseconds; SOURCE_DATE_EPOCH fixes it.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return time_text(fixed_time(environ) or datetime.now(UTC))


def fixed_time(environ: Mapping[str, str]) -> datetime | None:
    """Return the time at which SOURCE_DATE_EPOCH stops all clocks, if it is set."""
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
