"""Time: formats of records, and waits that an event ends."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

RECENT = timedelta(hours=1)
"""Age up to which an answer counts as current, since a chatbot may change behind its address."""


def parse_time(text: str | None) -> datetime | None:
    """Return the time of an ISO 8601 text in UTC; None if it is not one."""
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
"""Function that waits for some seconds, or until the event is set."""


def now_text(environ: Mapping[str, str]) -> str:
    """Return the time as RFC 3339 in UTC with milliseconds; SOURCE_DATE_EPOCH fixes it.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return time_text(fixed_time(environ) or datetime.now(UTC))


def fixed_time(environ: Mapping[str, str]) -> datetime | None:
    """Return the time fixed by SOURCE_DATE_EPOCH; None if it is not set."""
    fixed = environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else None


def wall_clock(environ: Mapping[str, str]) -> Callable[[], datetime]:
    """Return a function that tells the time of day in UTC; SOURCE_DATE_EPOCH fixes it."""
    fixed = fixed_time(environ)
    return partial(datetime.now, UTC) if fixed is None else lambda: fixed


async def wait_for(seconds: float, stop: asyncio.Event) -> None:
    """Wait for some seconds, or until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
