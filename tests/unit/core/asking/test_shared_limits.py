import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.fast import Steps
from servers.runs import resources

from lm_eval_so.core.asking.shared_limits import (
    LEASE_S,
    Allowance,
    Limit,
    SharedBudget,
    SharedPace,
    Shares,
    Slices,
)
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.errors import BudgetSpent

TIMES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.floats(0, 0.7, allow_nan=False)), min_size=1, max_size=60
)


@given(TIMES)
def test_shares__that_are_valid_never_make_more_than_the_whole(calls: list[tuple[str, float]]):
    shares, now = Shares(), 0.0
    given_: list[tuple[str, float, float]] = []
    for worker, wait_s in calls:
        now += wait_s
        given_.append((worker, shares.lease(worker, now), now + LEASE_S))
        valid: dict[str, float] = {}
        for name, share, end in given_:  # a worker may be slow to take up its newest lease
            if end > now:
                valid[name] = max(valid.get(name, 0.0), share)
        assert sum(valid.values()) <= 1 + 1e-9


def test_shares__are_equal_soon_after_one_joins_and_whole_after_one_left():
    shares = Shares()
    assert shares.lease("a", 0.0) == 1.0
    assert shares.lease("b", 0.1) == 0.0  # a may use the whole for its second
    assert shares.lease("a", 0.5) == 0.5
    assert shares.lease("b", 1.1) == 0.5
    assert shares.lease("a", 1.2) == 0.5
    assert shares.lease("a", 2.2) == 0.5  # b may be late
    assert shares.lease("a", 3.2) == 1.0


@given(
    st.integers(1, 200),
    st.lists(st.integers(1, 9), min_size=1, max_size=80),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_slices__end_and_never_pass_the_budget(total, needs, workers, random):
    """Workers that reserve, spend up to what they reserved, give back what is free, and get lost."""
    slices = Slices(Decimal(total))
    free = {name: Decimal(0) for name in range(workers)}
    spent, refused = Decimal(0), 0
    for need in needs:
        name = random.choice(sorted(free))
        if random.random() < 0.1 and len(free) > 1:
            slices.forfeit(str(name))
            spent += free.pop(name)  # counts as spent: nobody knows better
            continue
        for _ in range(3 * workers):
            if free[name] >= need:
                break
            given_ = slices.give(str(name), need - free[name], workers=workers)
            if given_ is None:
                refused += 1
                break
            free[name] += given_
            if not given_:
                for other, unused in free.items():
                    slices.settle(str(other), Decimal(0), unused)
                free = dict.fromkeys(free, Decimal(0))
        else:
            raise AssertionError("nobody gives back, and nobody is refused")
        if free[name] >= need:
            cost = Decimal(random.randint(0, need))
            free[name] -= cost
            spent += cost
            slices.settle(str(name), cost, Decimal(0))
        assert spent + sum(free.values()) <= total
    if refused:  # then hardly anything was left for anybody
        assert total - spent < max(needs) + sum(free.values())


async def test_budget__what_one_worker_has_left_goes_to_another() -> None:
    slices, nothing = Slices(Decimal(16)), Decimal(0)

    def budget(name: str) -> SharedBudget:
        async def ask(_: Limit, need: Decimal) -> Decimal | None:
            return slices.give(name, need, workers=1)

        made = SharedBudget(ask)
        made.limit(RunSection(max_requests=16))
        return made

    def report(name: str, budget: SharedBudget) -> None:
        for spent, returned in budget.account().values():
            slices.settle(name, spent, returned)

    a, b = budget("a"), budget("b")
    await a.reserve(nothing)
    report("a", a)  # it goes on asking, and keeps the other half of its slice
    for _ in range(14):
        await b.reserve(nothing)
        b.settle(nothing, nothing)
    waiting = asyncio.create_task(b.reserve(nothing))
    report("b", b)
    await asyncio.sleep(0.15)
    assert not waiting.done()
    a.settle(nothing, nothing)
    report("a", a)
    await asyncio.wait_for(waiting, 2)
    b.settle(nothing, nothing)
    report("b", b)
    with pytest.raises(BudgetSpent, match="16 of 16 requests"):
        await b.reserve(nothing)


async def test_pace__that_gets_a_smaller_share_soon_asks_less() -> None:
    allowance, steps = Allowance(), Steps()
    shared = resources(clock=steps.clock, wait=steps.wait)
    pace = SharedPace(steps.clock, allowance, lambda _: None)
    pace.limit(requests_per_s=100, tokens_per_min=None)
    sent: list[float] = []

    async def send() -> None:
        await pace.wait(0, shared)
        sent.append(steps.now_s)

    async def sent_until(now_s: float) -> int:
        before = len(sent)
        await steps.until(now_s)
        return len(sent) - before

    sending = [asyncio.create_task(send()) for _ in range(90)]
    assert await sent_until(0.3) == 0  # without a lease nothing is
    allowance.take(1.0, pause_s=0.0, asked_at=0.3)
    assert 10 <= await sent_until(0.505) <= 21
    allowance.take(0.05, pause_s=0.0, asked_at=0.505)
    assert await sent_until(0.61) <= 11  # times that were taken before
    assert 1 <= await sent_until(1.0) <= 2
    for share, since_s in ((0.0, 0.0), (1.0, LEASE_S)):  # none, then one that has run out
        allowance.take(share, pause_s=0.0, asked_at=steps.now_s - since_s)
        await steps.until(steps.now_s + 0.3)
        assert await sent_until(steps.now_s + 0.5) == 0
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
