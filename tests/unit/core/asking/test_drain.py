import asyncio

import pytest

from lm_eval_so.core.asking.drain import drain, until_stopped


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
