"""Bounded number of workers that pull jobs from one shared iterator."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from lm_eval_so.errors import Interrupted

J = TypeVar("J")

_IN_A_ROW = 20
"""Jobs after which a worker yields to others, even if it never waits (answers from a cache), so that
signals and timers run, and cancelled timers do not pile up."""


async def drain(
    jobs: Iterator[J],
    work: Callable[[J], Awaitable[None]],
    *,
    workers: int,
    needs_more: asyncio.Event | None = None,
) -> None:
    """Do all jobs, at most `workers` at once, and hold no more in memory.

    Args:
        jobs: Jobs to do.
        work: Function that does one job.
        workers: Number of workers.
        needs_more: Event that doubles the workers while it is set; the additional ones do one job each.

    Raises:
        Exception: The first exception of `work`, bare; the other jobs are cancelled.
    """
    idle: set[asyncio.Task[None]] = set()
    crew: list[asyncio.Task[None]] = []

    async def worker() -> None:
        for number, job in enumerate(jobs, start=1):
            await work(job)
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)

    async def helper(wanted: asyncio.Event) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine runs in a task
        while not all(task.done() for task in crew):
            idle.add(me)
            await wanted.wait()
            idle.discard(me)
            for job in jobs:
                await work(job)
                await asyncio.sleep(0)
                break
            else:
                return  # `wanted` may stay set, and would be waited for without a pause

    try:
        async with asyncio.TaskGroup() as group:
            crew += [group.create_task(worker()) for _ in range(workers)]
            if needs_more is not None:
                for _ in range(workers):
                    group.create_task(helper(needs_more))
                await asyncio.wait(crew)
                for task in idle:
                    task.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def until_stopped(
    work: Coroutine[Any, Any, None], *stops: asyncio.Event, grace_s: float
) -> None:
    """Do the work, but cancel it `grace_s` seconds after one of the events is set.

    Raises:
        Exception: Any exception of the work.
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


async def finish(work: Coroutine[Any, Any, None], stop: asyncio.Event, *, what: str) -> None:
    """Do work that is useless if incomplete; the event cancels it at once.

    Args:
        work: The work.
        stop: Event set when the user stops the work.
        what: Message of the interruption.

    Raises:
        Interrupted: If the work was stopped.
        Exception: Any exception of the work.
    """
    with suppress(Interrupted):  # told below, in one way
        await until_stopped(work, stop, grace_s=0)
        if not stop.is_set():
            return
    raise Interrupted(what, hint="run the same command again")
