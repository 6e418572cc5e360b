import asyncio

import pytest

from lm_eval_so.core.asking.limiter import Limiter, Limiters


async def test_slot__bounds_what_is_under_way():
    limiter, under_way, peak = Limiter(3), 0, 0

    async def work() -> None:
        nonlocal under_way, peak
        async with limiter.slot():
            under_way += 1
            peak = max(peak, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert peak == 3


async def test_refused__a_burst_cuts_once_and_successes_recover():
    limiter = Limiter(8)
    assert limiter.refused(sent_at=1, now=2)
    assert not limiter.refused(sent_at=1.5, now=2.1)
    assert limiter.limit == 4
    for _ in range(4):
        limiter.succeeded(sent_at=1.9)  # sent before the cut: tells nothing
    assert limiter.limit == 4
    for _ in range(4):
        limiter.succeeded(sent_at=3)
    assert limiter.limit == 5
    for _ in range(100):
        limiter.succeeded(sent_at=3)
    assert limiter.limit == 8


async def test_refused__never_below_one():
    limiter = Limiter(2)
    for time in range(5):
        limiter.refused(sent_at=time + 0.5, now=time + 0.6)
    assert limiter.limit == 1


async def test_keep__gives_way_if_the_limit_fell_and_comes_back_before_new_ones():
    limiter, order = Limiter(2), []

    async def repeated(name: str, go: asyncio.Event) -> None:
        async with limiter.slot() as slot:
            await go.wait()
            await slot.keep()
            order.append(name)

    async def new() -> None:
        async with limiter.slot():
            order.append("new")

    first, second = asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(repeated("first", first)),
        asyncio.create_task(repeated("second", second)),
        asyncio.create_task(new()),
    ]
    await asyncio.sleep(0)
    limiter.refused(sent_at=1, now=2)
    first.set()  # two in use, limit 1: must queue
    await asyncio.sleep(0.01)
    assert order == []
    second.set()
    await asyncio.gather(*tasks)
    assert order == ["second", "first", "new"]


async def test_slot__cancelled_while_waiting_loses_none():
    limiter = Limiter(1)
    async with limiter.slot():
        waiting = [asyncio.create_task(limiter.slot().__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
    waiting[1].cancel()  # it was granted the slot, but never ran
    await asyncio.gather(waiting[1], return_exceptions=True)
    async with asyncio.timeout(1):
        await waiting[2]


async def test_slot__cancelled_in_keep_loses_none():
    limiter = Limiter(2)
    blocked, other = asyncio.Event(), limiter.slot()
    await other.__aenter__()

    async def work() -> None:
        async with limiter.slot() as slot:
            limiter.refused(sent_at=1, now=2)
            blocked.set()
            await slot.keep()

    task = asyncio.create_task(work())
    await blocked.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await other.__aexit__(None, None, None)
    async with asyncio.timeout(1), limiter.slot():
        pass
    assert limiter.limit == 1


@pytest.mark.parametrize(("first", "second", "limit"), [(8, 4, 4), (4, 8, 4)])
def test_get__one_endpoint_shares_the_lowest_bound(first: int, second: int, limit: int):
    limiters = Limiters()
    limiter = limiters.get("a", first)
    assert limiters.get("a", second) is limiter
    assert limiter.limit == limit
    assert limiters.get("b", 2) is not limiter
