import asyncio

import pytest

from lm_eval_so.core.asking.drain import drain


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
