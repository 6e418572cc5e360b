"""A bounded number of workers over one shared iterator: pulling is the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

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
