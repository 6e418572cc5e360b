import asyncio
from itertools import pairwise

import pytest

from lm_eval_so.core.asking.endpoint.limiter import Limiter, Slot


async def taken(limiter: Limiter, count: int) -> list[Slot]:
    """Take so many slots."""
    return [await limiter.slot().__aenter__() for _ in range(count)]


async def busy(most: int, *, until: int) -> Limiter:
    """Make a limiter that has risen to a limit, all slots taken at times up to 1."""
    limiter = Limiter(most)
    while limiter.limit < until:
        slots = await taken(limiter, limiter.limit)
        for slot in slots:
            limiter.succeeded(sent_at=0.95, now=1)
            await slot.__aexit__(None, None, None)
    await taken(limiter, limiter.limit)
    return limiter


def refuse(limiter: Limiter, *, sent_at: float, times: int = 2) -> bool:
    """Refuse so many requests that were sent at once; tell whether that cut the limit."""
    now = sent_at + 0.1
    cuts = [limiter.refused(sent_at=sent_at, now=now) for _ in range(times)]
    return any(cuts)


def limits(limiter: Limiter) -> list[int]:
    return [change.limit for change in limiter.changes]


# state


async def test_succeeded__doubles_with_each_round_at_the_start():
    limiter = await busy(20, until=20)
    assert limits(limiter) == [4, 8, 16, 20]
    assert [change.why for change in limiter.changes] == ["start", "grew", "grew", "grew"]


@pytest.mark.parametrize(
    ("answer_s", "first"), [(0.005, 4), (0.06, 4), (0.1, 6), (0.2, 13), (0.3, 16), (30, 16)]
)
async def test_succeeded__begins_higher_where_answers_take_long(answer_s: float, first: int):
    limiter = Limiter(64)
    async with limiter.slot():
        limiter.succeeded(sent_at=10, now=10 + answer_s)
    assert limiter.limit == first


async def test_succeeded__only_the_first_answer_decides_where_it_begins():
    limiter = Limiter(64)
    async with limiter.slot():
        limiter.succeeded(sent_at=10, now=10.01)
        limiter.succeeded(sent_at=11, now=12)
    assert limiter.limit == 4


async def test_succeeded__begins_no_higher_than_is_allowed():
    limiter = Limiter(8)
    async with limiter.slot():
        limiter.succeeded(sent_at=10, now=11)
    assert limiter.limit == 8


async def test_succeeded__does_not_rise_where_the_slots_are_not_used():
    limiter = Limiter(64)
    async with limiter.slot():
        for _ in range(100):
            limiter.succeeded(sent_at=1.95, now=2)
    assert limiter.limit == 4


async def test_refused__a_burst_cuts_once_by_three_tenths():
    limiter = await busy(64, until=32)
    assert refuse(limiter, sent_at=2)
    assert limiter.limit == 22
    assert not refuse(limiter, sent_at=2, times=20)  # sent before the cut
    assert limiter.limit == 22
    assert limiter.changes[-1].why == "rate_limit"


async def test_refused__a_single_one_cuts_nothing():
    limiter = await busy(64, until=32)
    assert not refuse(limiter, sent_at=2, times=1)
    assert limiter.limit == 32


async def test_succeeded__after_a_cut_rises_one_by_one_to_the_ceiling_and_holds():
    limiter = await busy(64, until=32)
    refuse(limiter, sent_at=2)
    for _ in range(9):
        for _ in range(limiter.limit):
            limiter.succeeded(sent_at=3, now=4)
    assert limits(limiter)[-10:] == [*range(22, 32)]
    for _ in range(31 * 9):  # 31 was refused at 32: from there on, ten rounds
        limiter.succeeded(sent_at=3, now=4)
    assert limiter.limit == 31
    for _ in range(31):
        limiter.succeeded(sent_at=3, now=4)
    assert limiter.limit == 32


async def test_succeeded__after_a_minute_tries_above_the_ceiling_whatever_the_rounds():
    limiter = await busy(64, until=8)
    refuse(limiter, sent_at=2)
    assert limiter.limit == 5
    for now in (3, 4):
        for _ in range(limiter.limit):
            limiter.succeeded(sent_at=2.5, now=now)
    assert limiter.limit == 7
    for now, limit in ((5, 7), (63.9, 7), (64.1, 8)):
        for _ in range(7):
            limiter.succeeded(sent_at=2.5, now=now)
        assert limiter.limit == limit


async def test_succeeded__what_was_sent_before_the_cut_does_not_count():
    limiter = await busy(64, until=8)
    refuse(limiter, sent_at=2)
    for _ in range(100):
        limiter.succeeded(sent_at=2, now=9)
    assert limiter.limit == 5


async def test_refused__never_below_one():
    limiter = await busy(2, until=2)
    for time in range(2, 40):
        refuse(limiter, sent_at=time, times=1)
    assert limiter.limit == 1


async def test_slowed__cuts_less_and_knows_no_ceiling():
    limiter = await busy(64, until=32)
    limiter.slowed(sent_at=2, now=2.1, why="timeout")
    assert limiter.slowed(sent_at=2, now=2.2, why="timeout")
    assert (limiter.limit, limiter.changes[-1].why) == (28, "timeout")
    for _ in range(28 + 29 + 30 + 31 + 32):
        limiter.succeeded(sent_at=3, now=4)
    assert limiter.limit == 33


async def test_refused__as_often_under_all_limits_cuts_nothing():
    limiter = await busy(64, until=32)
    for number in range(400):  # under 32, and then under what it was cut to
        limiter.sends_again()
        if number % 20 == 7:
            limiter.refused(sent_at=2 + number, now=2.5 + number)
        else:
            limiter.succeeded(sent_at=2 + number, now=2.5 + number)
    assert min(limits(limiter)[4:]) < 32
    assert limiter.may_lend()
    assert limiter.limit > 32


# record


async def test_changes__are_bounded_and_span_the_whole():
    limiter = await busy(8, until=8)
    for time in range(2, 3_000):
        for _ in range(8):
            limiter.refused(sent_at=time, now=time + 0.1)
        for _ in range(400):
            limiter.succeeded(sent_at=time + 0.2, now=time + 0.3)
    changes = limiter.changes
    assert 200 <= len(changes) <= 500
    assert (changes[0].at_s, changes[0].limit, changes[0].why) == (0, 4, "start")
    assert changes[-1].at_s > 2_900
    assert all(one.at_s <= other.at_s for one, other in pairwise(changes))


def test_changes__none_before_the_first_request():
    assert Limiter(8).changes == ()


# slots


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


async def cut_to_one(limiter: Limiter) -> None:
    for time in range(10, 30):
        limiter.refused(sent_at=time, now=time + 0.1)
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
    await cut_to_one(limiter)
    first.set()  # two in use, limit 1: must queue
    await asyncio.sleep(0.01)
    assert order == []
    second.set()
    await asyncio.gather(*tasks)
    assert order == ["second", "first", "new"]


async def test_lend__only_where_refusals_are_no_overload():
    limiter = Limiter(1)
    async with limiter.slot() as waiting:
        waiting.lend()
        new = asyncio.create_task(limiter.slot().__aenter__())
        await asyncio.sleep(0)
        assert not new.done()
        refuse(limiter, sent_at=1)  # under one limit: nothing to compare
        assert limiter.may_lend()
        waiting.lend()
        slot = await new
        back = asyncio.create_task(waiting.keep())
        await asyncio.sleep(0)
        assert not back.done()
        await slot.__aexit__(None, None, None)
        await back
    async with asyncio.timeout(1), limiter.slot():
        pass


async def test_lend__the_slot_is_there_again_if_nobody_took_it():
    limiter = Limiter(1)
    async with limiter.slot() as slot:
        refuse(limiter, sent_at=1)
        slot.lend()
        async with asyncio.timeout(1):
            await slot.keep()


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


@pytest.mark.parametrize("lends", [True, False])
async def test_slot__cancelled_in_keep_loses_none(lends: bool):
    limiter = Limiter(2)
    blocked, (other,) = asyncio.Event(), await taken(limiter, 1)

    async def work() -> None:
        async with limiter.slot() as slot:
            if lends:
                refuse(limiter, sent_at=1)
                slot.lend()
            await cut_to_one(limiter)
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
