import asyncio
from decimal import Decimal
from typing import Any

import pytest

from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.errors import BudgetSpent


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def budget(time: Time | None = None, **limits: Any) -> Budget:
    made = Budget(time or Time())
    made.limit(RunSection.model_validate(limits))
    return made


async def test_reserve__without_limits_there_is_always_enough():
    made = budget()
    await made.reserve(Decimal(10**9))
    assert not made.is_limited
    assert made.max_usd is None
    assert made.left_s() == made.cut_s() == float("inf")


async def test_reserve__requests():
    made = budget(max_requests=2)
    await made.reserve(Decimal(0))
    await made.reserve(Decimal(0))
    with pytest.raises(BudgetSpent, match=r"spent: 2 of 2 requests \(run.max_requests\)"):
        await made.reserve(Decimal(0))
    assert made.spent
    assert (made.spent.by, made.spent.at) == ("max_requests", 2)


async def test_reserve__money_that_is_spent():
    made = budget(max_cost_usd=5)
    await made.reserve(Decimal("0.01"))
    made.settle(Decimal("0.01"), Decimal("4.98"))
    with pytest.raises(BudgetSpent) as spent:
        await made.reserve(Decimal("0.03"))
    assert str(spent.value) == "the budget is spent: USD 4.98 of 5.00 (run.max_cost_usd)"
    assert str(made.spent) == "USD 4.98 of 5.00"
    await made.reserve(Decimal("0.02"))


async def test_reserve__waits_for_what_others_give_back():
    made = budget(max_cost_usd=1)
    await made.reserve(Decimal("0.9"))
    waiting = asyncio.create_task(made.reserve(Decimal("0.9")))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    made.settle(Decimal("0.9"), Decimal("0.05"))
    await asyncio.wait_for(waiting, 1)


async def test_reserve__what_others_do_not_give_back_is_spent():
    made = budget(max_cost_usd=1)
    await made.reserve(Decimal("0.9"))
    waiting = asyncio.create_task(made.reserve(Decimal("0.9")))
    await asyncio.sleep(0.01)
    made.settle(Decimal("0.9"), Decimal("0.9"))
    with pytest.raises(BudgetSpent):
        await asyncio.wait_for(waiting, 1)


async def test_add__an_earlier_invocation_counts():
    made = budget(max_cost_usd=1)
    made.add(None)
    made.add(0.6)
    made.add(0.4)
    with pytest.raises(BudgetSpent, match=r"USD 1\.00 of 1\.00"):
        await made.reserve(Decimal("0.0001"))


async def test_reserve__time_is_up_and_what_is_under_way_has_the_drain_besides():
    time = Time()
    made = budget(time, max_time_s=60, drain_s=10)
    assert (made.left_s(), made.cut_s()) == (60, 70)
    await made.reserve(Decimal(0))
    time.now += 60
    with pytest.raises(BudgetSpent, match=r"60 s \(run.max_time_s\)"):
        await made.reserve(Decimal(0))
    assert made.cut_s() == 10


async def test_limit__the_time_begins_once():
    time = Time()
    made = budget(time, max_time_s=60)
    time.now += 30
    made.limit(RunSection(max_time_s=60))
    assert made.left_s() == 30


async def test_reserve__small_amounts_are_told_as_finely_as_the_limit():
    made = budget(max_cost_usd=0.01)
    made.add(0.0098765)
    with pytest.raises(BudgetSpent, match=r"USD 0\.00988 of 0\.01000 "):
        await made.reserve(Decimal("0.001"))


async def test_add__the_earlier_spending_of_a_run_counts_once() -> None:
    made = budget(max_cost_usd=1.0)
    made.add(0.6, by="runs/bot")
    made.add(0.6, by="runs/bot")  # begun again in the same process
    await made.reserve(Decimal("0.4"))


async def test_add__every_run_counts() -> None:
    made = budget(max_cost_usd=1.0)
    made.add(None, by="runs/bot")
    made.add(0.6, by="runs/bot-again")
    made.add(0.5)
    with pytest.raises(BudgetSpent):
        await made.reserve(Decimal("0.01"))
