import asyncio
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.asking.endpoint.limiter import Limiter, Slot


async def taken(limiter: Limiter, count: int) -> list[Slot]:
    """Take so many slots."""
    return [await limiter.slot().__aenter__() for _ in range(count)]


def limits(limiter: Limiter) -> list[int]:
    return [change.limit for change in limiter.changes]


class Traffic:
    """All slots of a limiter, always in use; each pass sends in all of them, a second after the last."""

    def __init__(self, most: int) -> None:
        self.limiter = Limiter(most)
        self.slots: list[Slot] = []
        self.now = 0.0
        self.sent = 0

    async def pass_(self, refused: float = 0.0) -> int:
        """Send in all slots, refuse a share at once, answer the rest, and return the limit."""
        limiter = self.limiter
        for slot in self.slots[limiter.limit :]:
            await slot.__aexit__(None, None, None)
        self.slots = self.slots[: limiter.limit]
        self.slots += await taken(limiter, limiter.limit - len(self.slots))
        fails = []
        for slot in self.slots:
            slot.sends(self.now)
            self.sent += 1
            fails.append(int(self.sent * refused) > int((self.sent - 1) * refused))
        self.now += 1
        both = list(zip(self.slots, fails, strict=True))
        for slot, has_failed in sorted(both, key=lambda one: one[1], reverse=True):
            if has_failed:
                slot.failed(self.now, "rate_limit")
            else:
                slot.answered(self.now)
        return limiter.limit

    async def until(self, limit: int) -> None:
        """Answer all until the limit has risen to this."""
        while await self.pass_() < limit:
            pass


# the rule


async def test_limit__doubles_at_the_start_as_soon_as_half_a_round_is_answered():
    limiter = Limiter(40)
    for slot in await taken(limiter, 4):
        slot.sends(0)
        slot.answered(0.01)
    assert limits(limiter) == [4, 8]
    slots = await taken(limiter, 4)
    for slot in slots:
        slot.sends(0.02)
    assert limiter.limit == 8
    for slot in slots:
        slot.answered(0.03)
    assert limits(limiter) == [4, 8, 16]
    assert [change.why for change in limiter.changes] == ["start", "grew", "grew"]


@pytest.mark.parametrize(
    ("answer_s", "most", "first"),
    [(0.005, 64, 4), (0.05, 64, 4), (0.11, 64, 8), (0.305, 64, 24), (30, 64, 32), (30, 9, 9)],
)
async def test_limit__begins_higher_where_answers_take_long(answer_s: float, most: int, first: int):
    limiter = Limiter(most)
    (slot,) = await taken(limiter, 1)
    slot.sends(10)
    slot.answered(10 + answer_s)
    assert limiter.limit == first
    slot.sends(50)
    slot.answered(90)  # only the first answer decides
    assert limiter.limit == first


async def test_limit__does_not_rise_where_the_slots_are_not_used():
    limiter = Limiter(64)
    (slot,) = await taken(limiter, 1)
    for _ in range(100):
        slot.sends(1)
        slot.answered(1)
    assert limiter.limit == 4


async def test_limit__a_refusal_now_and_then_cuts_nothing():
    traffic = Traffic(64)
    await traffic.until(64)
    for _ in range(20):
        assert await traffic.pass_(1 / 64) == 64


async def test_limit__falls_to_what_is_answered_under_a_flood():
    limiter = Limiter(32)
    (first,) = await taken(limiter, 1)
    first.sends(0)
    first.answered(1)
    slots = [first, *await taken(limiter, 31)]
    for slot in slots:
        slot.sends(2)
    for slot in slots[8:]:  # the endpoint bears 8
        slot.failed(2.1, "rate_limit")
        slot.wait()
    assert limits(limiter) == [4, 32, 8]
    assert limiter.changes[-1].why == "rate_limit"
    for slot in slots[:8]:
        slot.answered(3)  # sent before the cut: says nothing of the limit now
    assert limiter.limit == 8


async def test_limit__keeps_a_cut_that_ended_the_refusals_and_holds_below_it():
    traffic = Traffic(64)
    await traffic.until(64)
    passes = [await traffic.pass_(0.2) for _ in range(2)]  # until 64 are answered
    assert passes == [64, 46]  # nine tenths of the four fifths that were answered
    rises = [await traffic.pass_() for _ in range(6)]
    assert rises == [47, 49, 53, 61, 63, 63]
    held = [await traffic.pass_() for _ in range(16)]  # what was refused is not tried again soon
    assert held == [63] * 14 + [64] * 2


async def test_limit__holds_at_what_was_borne_and_passes_it_by_one_a_round():
    traffic = Traffic(64)
    await traffic.until(32)
    assert [await traffic.pass_(0.25) for _ in range(2)] == [32, 22]
    assert [await traffic.pass_() for _ in range(4)] == [23, 25, 29, 31]
    assert [await traffic.pass_() for _ in range(14)] == [31] * 14
    passed = [limit for _ in range(21) if (limit := await traffic.pass_()) > 31]
    assert passed[:18] == [*range(32, 48), 49, 53]  # half as much again before it speeds up


async def test_limit__a_jump_that_fails_ends_at_what_was_borne():
    traffic = Traffic(64)
    assert [await traffic.pass_() for _ in range(2)] == [32, 64]
    limiter = traffic.limiter
    slots = [*traffic.slots, *await taken(limiter, 64 - len(traffic.slots))]
    for slot in slots:
        slot.sends(traffic.now)
    for slot in slots[44:]:  # the endpoint bears 44
        slot.failed(traffic.now, "rate_limit")
        slot.wait()
    for _ in range(2):
        for slot in slots[:44]:
            slot.answered(traffic.now + 1)
            slot.sends(traffic.now + 1)
    assert limiter.limit <= 0.9 * 44
    for slot in slots[44:]:
        await slot.__aexit__(None, None, None)
    traffic.slots = slots[:44]
    rises = [await traffic.pass_() for _ in range(10)]
    assert rises[-4:] == [44] * 4  # more than the 32 that went well, less than the 64 that did not


async def test_limit__undoes_a_cut_that_ended_nothing_and_rises_among_refusals():
    traffic = Traffic(64)
    assert await traffic.pass_() == 32
    assert [await traffic.pass_(0.2) for _ in range(2)] == [32, 23]
    assert not traffic.limiter.may_lend()
    for _ in range(8):
        await traffic.pass_(0.2)
    assert traffic.limiter.may_lend()
    assert traffic.limiter.limit == 64
    for _ in range(60):
        await traffic.pass_()
    assert not traffic.limiter.may_lend()  # what has ended is forgotten


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32), st.floats(0, 1))
def test_limit__holds_its_bounds_whatever_comes_in_whatever_order(
    most: int, seed: int, refused: float
):
    chance, limiter, now = Random(seed), Limiter(most), 0.0
    under_way = [limiter.slot() for _ in range(most)]
    for slot in under_way:
        slot.sends(now)
    for _ in range(600):
        now += chance.random()
        slot = chance.choice(under_way)  # some answer twice as late as others
        if chance.random() < refused:
            slot.failed(now, "rate_limit")
        else:
            slot.answered(now)
        if chance.random() < 0.7:
            slot.sends(now)
        assert 1 <= limiter.limit <= most


async def test_limit__holds_its_bounds_while_it_is_tried_at_the_ceiling():
    traffic = Traffic(16)
    for number in range(400):
        limit = await traffic.pass_(0.5 if number % 40 == 39 else 0.02)
        traffic.slots[0].failed(traffic.now, "timeout")  # right after the round ended
        assert 1 <= limit <= 16


# record


async def test_changes__are_bounded_and_span_the_whole():
    traffic = Traffic(8)
    while traffic.now < 3_000:
        for _ in range(4):
            await traffic.pass_()
        await traffic.pass_(0.9)
    changes = traffic.limiter.changes
    assert 200 <= len(changes) <= 500
    assert (changes[0].at_s, changes[0].limit, changes[0].why) == (0, 4, "start")
    assert changes[-1].at_s > 2_500
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
    """Fail requests in one slot until the limit is 1."""
    slot = Slot(limiter)
    for _ in range(40):
        slot.sends(10)
        slot.failed(10.1, "rate_limit")
    assert limiter.limit == 1


async def noisy(most: int) -> Limiter:
    """Make a limiter that was refused every fourth request whatever the limit, no slot taken."""
    traffic = Traffic(most)
    for _ in range(20):
        await traffic.pass_(0.25)
    for slot in traffic.slots:
        await slot.__aexit__(None, None, None)
    return traffic.limiter


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


@pytest.mark.parametrize("is_noise", [True, False])
async def test_wait__lends_only_where_refusals_are_noise(is_noise: bool):
    limiter = await noisy(4) if is_noise else Limiter(4)
    waiting, *others = await taken(limiter, limiter.limit)
    waiting.wait()
    assert limiter.has_lent.is_set() is is_noise
    new = asyncio.create_task(limiter.slot().__aenter__())
    await asyncio.sleep(0)
    assert new.done() is is_noise
    back = asyncio.create_task(waiting.keep())
    await asyncio.sleep(0)
    assert back.done() is not is_noise  # a slot that was lent is queued for, before new ones
    assert not limiter.has_lent.is_set()
    await others[0].__aexit__(None, None, None)
    async with asyncio.timeout(1):
        await asyncio.gather(new, back)


async def test_wait__a_slot_kept_before_a_cut_is_lent_at_the_next_answer():
    limiter = Limiter(8)
    (first,) = await taken(limiter, 1)
    first.sends(0)
    first.answered(1)
    slots = [first, *await taken(limiter, 7)]
    for slot in slots:
        slot.sends(2)
    for slot in slots[2:]:
        slot.wait()
        slot.failed(2, "rate_limit")
    assert limiter.limit == 2 - 1
    for answered, slot in enumerate(slots[:2], start=1):
        slot.answered(3)
        await slot.__aexit__(None, None, None)
        assert limiter.has_lent.is_set()
        lent = 2 * answered  # its own, and one that waits
        assert limiter._used == 8 - lent
    for slot in slots[2:]:
        await slot.__aexit__(None, None, None)
    assert limiter._used == 0
    assert not limiter.has_lent.is_set()


async def test_wait__the_slot_is_there_again_if_nobody_took_it():
    limiter = await noisy(4)
    async with asyncio.timeout(1), limiter.slot() as slot:
        slot.wait()
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
    limiter = await noisy(4) if lends else Limiter(4)
    limiter.narrow(2)
    blocked, (other,) = asyncio.Event(), await taken(limiter, 1)

    async def work() -> None:
        async with limiter.slot() as slot:
            slot.wait()
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
