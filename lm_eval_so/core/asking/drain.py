"""A bounded number of workers over one shared iterator: pulling is the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

J = TypeVar("J")


async def drain(jobs: Iterator[J], work: Callable[[J], Awaitable[None]], *, workers: int) -> None:
    """Do all jobs, at most `workers` at once, without holding more than those.

    Raises:
        Exception: The first that `work` raises, bare; the other jobs are cancelled.
    """

    async def worker() -> None:
        for job in jobs:
            await work(job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def until_stopped(
    work: Coroutine[Any, Any, None], *stops: asyncio.Event, grace_s: float
) -> None:
    """Do the work; once one of the events is set it has `grace_s` seconds left, then it is cancelled.

    Raises:
        Exception: What the work raises.
    """
    working = asyncio.create_task(work)
    waiting = [asyncio.create_task(stop.wait()) for stop in stops]
    try:
        await asyncio.wait({working, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=grace_s)
    finally:
        for task in (working, *waiting):
            task.cancel()
        await asyncio.gather(working, *waiting, return_exceptions=True)
    if not working.cancelled():
        working.result()
