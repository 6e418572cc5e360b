"""A bounded number of workers over one shared iterator: pulling is the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from lm_eval_so.errors import Interrupted

J = TypeVar("J")

_IN_A_ROW = 20
"""Jobs after which a worker lets others go on, though nothing made it wait (answers from a cache):
signals and timers must be heard, and timers that were cancelled must not pile up."""


async def drain(
    jobs: Iterator[J],
    work: Callable[[J], Awaitable[None]],
    *,
    workers: int,
    needs_more: asyncio.Event | None = None,
) -> None:
    """Do all jobs, at most `workers` at once, without holding more than those.

    Args:
        jobs: What is to be done.
        work: Does one.
        workers: How many at once.
        needs_more: While it is set, as many again help out, each for a job.

    Raises:
        Exception: The first that `work` raises, bare; the other jobs are cancelled.
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


async def finish(work: Coroutine[Any, Any, None], stop: asyncio.Event, *, what: str) -> None:
    """Do work of which the half is worth nothing: the event cancels it at once.

    Args:
        work: The work.
        stop: Set when the user stops it.
        what: What is told then.

    Raises:
        Interrupted: If it was stopped.
        Exception: What the work raises.
    """
    with suppress(Interrupted):  # told below, in one way
        await until_stopped(work, stop, grace_s=0)
        if not stop.is_set():
            return
    raise Interrupted(what, hint="run the same command again")
