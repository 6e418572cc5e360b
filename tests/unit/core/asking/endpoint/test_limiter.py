import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.asking.endpoint.limiter import Limiter, Slot


@dataclass(frozen=True)
class Held:
    """A slot that is held until it is given back."""

    slot: Slot
    stack: AsyncExitStack

    async def give_back(self) -> None:
        await self.stack.aclose()


async def take(limiter: Limiter) -> Held:
    """Take a slot."""
    stack = AsyncExitStack()
    return Held(await stack.enter_async_context(limiter.slot()), stack)


async def taken(limiter: Limiter, count: int) -> list[Held]:
    """Take so many slots."""
    return [await take(limiter) for _ in range(count)]


def limits(limiter: Limiter) -> list[int]:
    return [change.limit for change in limiter.changes]


class Traffic:
    """All slots of a limiter, always in use; each pass sends in all of them, a second after the last."""

    def __init__(self, most: int) -> None:
        self.limiter = Limiter(most)
        self.held: list[Held] = []
        self.now = 0.0
        self.sent = 0

    async def pass_(self, refused: float = 0.0) -> int:
        """Send in all slots, refuse a share at once, answer the rest, and return the limit."""
        limiter = self.limiter
        for held in self.held[limiter.limit :]:
            await held.give_back()
        self.held = self.held[: limiter.limit]
        self.held += await taken(limiter, limiter.limit - len(self.held))
        fails = []
        for held in self.held:
            limiter.sends(held.slot, self.now)
            self.sent += 1
            fails.append(int(self.sent * refused) > int((self.sent - 1) * refused))
        self.now += 1
        both = list(zip(self.held, fails, strict=True))
        for held, has_failed in sorted(both, key=lambda one: one[1], reverse=True):
            if has_failed:
                limiter.failed(held.slot, self.now, "rate_limit")
            else:
                limiter.answered(held.slot, self.now)
        return limiter.limit

    async def until(self, limit: int) -> None:
        """Answer all until the limit has risen to this."""
        while await self.pass_() < limit:
            pass


# the rule


async def test_limit__doubles_at_the_start_as_soon_as_half_a_round_is_answered():
    limiter = Limiter(40)
    slots = [held.slot for held in await taken(limiter, 16)]
    for slot in slots:
        limiter.sends(slot, 0)
    for slot in slots[:7]:
        limiter.answered(slot, 1)
    assert limits(limiter) == [16]
    limiter.answered(slots[7], 1)
    assert limits(limiter) == [16, 32]
    assert [change.why for change in limiter.changes] == ["start", "grew"]


async def test_limit__does_not_rise_where_the_slots_are_not_used():
    limiter = Limiter(64)
    for held in await taken(limiter, 14):  # nine tenths would be 14.4
        for _ in range(20):
            limiter.sends(held.slot, 1)
            limiter.answered(held.slot, 1)
    assert limiter.limit == 16


async def test_limit__a_refusal_now_and_then_cuts_nothing():
    traffic = Traffic(64)
    await traffic.until(64)
    for _ in range(20):
        assert await traffic.pass_(1 / 64) == 64


async def test_limit__falls_to_what_is_under_way_under_a_flood():
    traffic = Traffic(64)
    await traffic.until(32)
    limiter = traffic.limiter
    slots = [held.slot for held in [*traffic.held, *await taken(limiter, 16)]]
    for slot in slots:
        limiter.sends(slot, 2)
    for number, slot in enumerate(slots[8:], start=1):  # the endpoint bears 8
        assert limiter.limit == (15 if number > 17 else 32)  # before the last of them are refused
        limiter.failed(slot, 2.1, "rate_limit")
        limiter.wait(slot)
    assert limits(limiter) == [16, 32, 15]
    assert limiter.changes[-1].why == "rate_limit"
    for slot in slots[:8]:
        limiter.answered(slot, 3)  # sent before the cut: says nothing of the limit now
    assert limiter.limit == 15


async def test_limit__keeps_a_cut_that_ended_the_refusals_and_holds_below_it():
    traffic = Traffic(64)
    await traffic.until(64)
    passes = [await traffic.pass_(0.2) for _ in range(2)]  # until 64 are answered
    assert passes == [64, 45]  # less than nine tenths of the four fifths that were answered
    assert [await traffic.pass_() for _ in range(5)] == [63] * 5
    assert await traffic.pass_() == 64  # 300 answers later


async def test_limit__holds_at_what_was_borne_and_passes_it_by_twice_as_much_each_round():
    traffic = Traffic(64)
    await traffic.until(32)
    assert [await traffic.pass_(0.25) for _ in range(2)] == [32, 21]
    assert await traffic.pass_() == 21  # six refusals would have come of 24, were they noise
    assert [await traffic.pass_() for _ in range(10)] == [31] * 10
    assert [await traffic.pass_() for _ in range(6)] == [32, 34, 38, 46, 62, 64]


async def test_limit__a_jump_that_fails_ends_at_what_was_borne():
    traffic = Traffic(64)
    await traffic.until(64)
    limiter = traffic.limiter
    slots = [held.slot for held in [*traffic.held, *await taken(limiter, 32)]]
    for slot in slots:
        limiter.sends(slot, traffic.now)
    for slot in slots[44:]:  # the endpoint bears 44
        limiter.failed(slot, traffic.now, "rate_limit")
        limiter.wait(slot)
    for _ in range(2):
        for slot in slots[:44]:
            limiter.answered(slot, traffic.now + 1)
            limiter.sends(slot, traffic.now + 1)
    assert limiter.limit == 39  # nine tenths of 44
    for slot in slots[:44] * 3:
        limiter.sends(slot, traffic.now + 2)
        limiter.answered(slot, traffic.now + 2)
    assert limiter.limit == 44


async def test_limit__undoes_a_cut_that_ended_nothing_and_rises_among_refusals():
    traffic = Traffic(64)
    assert await traffic.pass_(0.2) == 16
    assert await traffic.pass_(0.2) < 16
    assert not traffic.limiter.has_lent.is_set()
    for _ in range(6):
        await traffic.pass_(0.2)
    assert traffic.limiter.has_lent.is_set()
    assert traffic.limiter.limit == 64
    for _ in range(30):
        await traffic.pass_()
    assert not traffic.limiter.has_lent.is_set()  # what has ended is forgotten


async def test_limit__an_outage_asks_for_no_pace():
    limiter = Limiter(16)
    slot = await cut_to_one(limiter)
    for _ in range(100):
        limiter.sends(slot, 20)
        limiter.failed(slot, 20, "server")
    assert limiter.limit == 1
    assert not limiter.wants_pace


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32), st.floats(0, 1))
def test_limit__holds_its_bounds_whatever_comes_in_whatever_order(
    most: int, seed: int, refused: float
):
    chance, limiter, now = Random(seed), Limiter(most), 0.0
    under_way = [Slot() for _ in range(most)]
    for slot in under_way:
        limiter.sends(slot, now)
    for _ in range(600):
        now += chance.random()
        slot = chance.choice(under_way)  # some answer twice as late as others
        if chance.random() < refused:
            limiter.failed(slot, now, "rate_limit")
        else:
            limiter.answered(slot, now)
        if chance.random() < 0.7:
            limiter.sends(slot, now)
        assert 1 <= limiter.limit <= most


async def test_limit__holds_its_bounds_while_it_is_tried_at_the_ceiling():
    traffic = Traffic(16)
    for number in range(400):
        limit = await traffic.pass_(0.5 if number % 40 == 39 else 0.02)
        traffic.limiter.failed(
            traffic.held[0].slot, traffic.now, "timeout"
        )  # right after the round ended
        assert 1 <= limit <= 16


# record


async def test_changes__are_bounded_and_span_the_whole():
    limiter = Limiter(2)
    slot, _ = [held.slot for held in await taken(limiter, 2)]
    for cycle in range(400):
        for _ in range(5):
            limiter.sends(slot, 100 * cycle)
            limiter.failed(slot, 100 * cycle, "rate_limit")
        assert limiter.limit == 1
        limiter.sends(slot, 100 * cycle + 60)
        limiter.answered(slot, 100 * cycle + 60)
        assert limiter.limit == 2  # a minute at the ceiling is enough
    changes = limiter.changes
    assert 200 <= len(changes) <= 500
    assert (changes[0].at_s, changes[0].limit, changes[0].why) == (0, 2, "start")
    assert changes[-1].at_s == 39_960
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


async def cut_to_one(limiter: Limiter) -> Slot:
    """Fail requests in one slot until the limit is 1, and return the slot."""
    slot = Slot()
    for _ in range(40):
        limiter.sends(slot, 10)
        limiter.failed(slot, 10.1, "rate_limit")
    assert limiter.limit == 1
    return slot


async def noisy(most: int) -> Limiter:
    """Make a limiter that was refused every fourth request whatever the limit, no slot taken."""
    traffic = Traffic(most)
    for _ in range(20):
        await traffic.pass_(0.25)
    for held in traffic.held:
        await held.give_back()
    assert traffic.limiter.limit == most
    return traffic.limiter


async def test_keep__gives_way_if_the_limit_fell_and_comes_back_before_new_ones():
    limiter, order = Limiter(2), []

    async def repeated(name: str, go: asyncio.Event) -> None:
        async with limiter.slot() as slot:
            await go.wait()
            await limiter.keep(slot)
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


@pytest.mark.parametrize("is_noise", [True, False])
async def test_wait__lends_only_where_refusals_are_noise(is_noise: bool):
    limiter = await noisy(8) if is_noise else Limiter(8)
    waiting, *others = await taken(limiter, 8)
    limiter.wait(waiting.slot)
    assert limiter.has_lent.is_set() is is_noise
    new = asyncio.create_task(take(limiter))
    await asyncio.sleep(0)
    assert new.done() is is_noise
    back = asyncio.create_task(limiter.keep(waiting.slot))
    await asyncio.sleep(0)
    assert back.done() is not is_noise  # a slot that was lent is queued for, before new ones
    newest = asyncio.create_task(take(limiter))
    await others[0].give_back()
    async with asyncio.timeout(1):
        await asyncio.gather(new, back) if is_noise else await asyncio.gather(new)
    assert not newest.done()
    await others[1].give_back()
    async with asyncio.timeout(1):
        await newest


async def test_wait__a_slot_that_waits_is_lent_at_the_next_answer_after_a_cut():
    limiter = Limiter(8)
    held = await taken(limiter, 8)
    slots = [each.slot for each in held]
    for slot in slots:
        limiter.sends(slot, 2)
    for slot in slots[1:]:
        limiter.failed(slot, 2, "rate_limit")
        limiter.wait(slot)
    limiter.sends(slots[1], 2)
    limiter.failed(slots[1], 2, "rate_limit")
    assert limiter.limit == 1
    queue = [asyncio.create_task(take(limiter)) for _ in range(3)]
    back = asyncio.create_task(limiter.keep(slots[7]))  # must queue, and is the first
    await asyncio.sleep(0)
    for _ in range(4):
        limiter.answered(slots[0], 3)
        await asyncio.sleep(0)
        assert not back.done()
    for _ in range(2):
        limiter.answered(slots[0], 3)  # six waited
    await held[0].give_back()
    async with asyncio.timeout(1):
        await back
    await asyncio.sleep(0)
    assert not any(one.done() for one in queue)
    for one in queue:
        one.cancel()


async def test_wait__the_slot_is_there_again_if_nobody_took_it():
    limiter = await noisy(8)
    async with asyncio.timeout(1), limiter.slot() as slot:
        limiter.wait(slot)
        await limiter.keep(slot)


async def test_slot__cancelled_while_waiting_loses_none():
    limiter = Limiter(1)
    async with limiter.slot():
        waiting = [asyncio.create_task(take(limiter)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
    waiting[1].cancel()  # it was granted the slot, but never ran
    await asyncio.gather(waiting[1], return_exceptions=True)
    async with asyncio.timeout(1):
        await waiting[2]


@pytest.mark.parametrize("lends", [True, False])
async def test_slot__cancelled_in_keep_loses_none(lends: bool):
    limiter = await noisy(8) if lends else Limiter(8)
    limiter.narrow(2)
    blocked, other = asyncio.Event(), await take(limiter)

    async def work() -> None:
        async with limiter.slot() as slot:
            limiter.wait(slot)
            await cut_to_one(limiter)
            blocked.set()
            await limiter.keep(slot)

    task = asyncio.create_task(work())
    await blocked.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await other.give_back()
    async with asyncio.timeout(1), limiter.slot():
        pass
    assert limiter.limit == 1
