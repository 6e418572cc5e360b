import asyncio
from collections.abc import Iterator

import pytest

from lm_eval_so.core.workers import drain, finish, until_stopped
from lm_eval_so.errors import Interrupted


async def test_drain__does_all_with_bounded_look_ahead():
    pulled, done = 0, []

    def jobs():
        nonlocal pulled
        for number in range(50):
            pulled += 1
            yield number

    async def work(job: int) -> None:
        assert pulled - len(done) <= 4
        await asyncio.sleep(0)
        done.append(job)

    await drain(jobs(), work, workers=4)
    assert sorted(done) == list(range(50))


async def test_drain__first_error_bare_and_others_cancelled():
    cancelled = []

    async def work(job: int) -> None:
        if job == 2:
            raise KeyError("bad")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(job)
            raise

    with pytest.raises(KeyError, match="bad"):
        await drain(iter(range(9)), work, workers=3)
    assert sorted(cancelled) == [0, 1]


@pytest.mark.parametrize(("grace_s", "is_done"), [(5.0, True), (0.0, False)])
async def test_until_stopped__what_is_under_way_has_some_time_left(grace_s: float, is_done: bool):
    stop, done = asyncio.Event(), []

    async def work() -> None:
        stop.set()
        await asyncio.sleep(0.05)
        done.append(1)

    await until_stopped(work(), stop, grace_s=grace_s)
    assert bool(done) is is_done


async def test_until_stopped__work_that_fails_says_so():
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await until_stopped(work(), asyncio.Event(), grace_s=0)


async def test_drain__work_that_never_waits_lets_timers_through():
    seen: list[int] = []

    async def work(job: int) -> None:
        seen.append(job)

    asyncio.get_running_loop().call_soon(seen.append, -1)
    await drain(iter(range(1000)), work, workers=1)
    assert seen.index(-1) < 100
    assert sorted(seen) == list(range(-1, 1000))


async def test_drain__others_help_out_while_more_are_needed():
    needed = asyncio.Event()
    under_way = peak = 0
    done: list[int] = []

    async def work(job: int) -> None:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        if job == 5:
            needed.set()
        if job == 40:
            needed.clear()
        await asyncio.sleep(0.001)
        under_way -= 1
        done.append(job)

    async with asyncio.timeout(10):
        await drain(iter(range(60)), work, workers=3, needs_more=needed)
    assert sorted(done) == list(range(60))
    assert peak == 6


async def test_drain__a_helper_that_is_the_last_to_end_is_waited_for():
    needed = asyncio.Event()
    needed.set()
    done: list[int] = []

    async def work(job: int) -> None:
        await asyncio.sleep(0.05 if job == 1 else 0)
        done.append(job)

    async with asyncio.timeout(10):
        await drain(iter(range(2)), work, workers=1, needs_more=needed)
    assert sorted(done) == [0, 1]


async def test_drain__helpers_end_with_the_jobs_though_more_is_still_wanted():
    needed, asked = asyncio.Event(), 0

    class Jobs:
        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            nonlocal asked
            asked += 1
            if asked > 100:
                raise AssertionError("asked again and again, and nobody else gets a turn")
            if asked > 2:
                raise StopIteration
            return asked

    async def work(job: int) -> None:
        needed.set()
        await asyncio.sleep(0.05 if job == 1 else 0)

    await drain(Jobs(), work, workers=1, needs_more=needed)
    assert asked < 10


async def test_finish__stopped_is_told_even_if_the_work_was_done_by_then():
    stop, done = asyncio.Event(), []

    async def work() -> None:
        stop.set()
        done.append("all")

    with pytest.raises(Interrupted, match="half of it") as error:
        await finish(work(), stop, what="half of it")
    assert done == ["all"]
    assert error.value.problems[0].hint == "run the same command again"


async def test_finish__work_that_was_interrupted_says_what_is_lost():
    stop = asyncio.Event()

    async def work() -> None:
        stop.set()
        raise Interrupted("asking ended")

    with pytest.raises(Interrupted, match="half of it"):
        await finish(work(), stop, what="half of it")


async def test_finish__half_of_the_work_never_passes_for_all_of_it():
    async def work() -> None:
        raise Interrupted("asking ended")

    with pytest.raises(Interrupted, match="half of it"):
        await finish(work(), asyncio.Event(), what="half of it")
