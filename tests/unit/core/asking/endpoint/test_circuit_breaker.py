import asyncio

import pytest

from lm_eval_so.core.asking.endpoint.circuit_breaker import Breaker
from lm_eval_so.errors import BackendError, ErrorKind

DOWN = BackendError(ErrorKind.SERVER, "bad gateway", retryable=True, http_status=502)


class Time:
    """A clock that goes on only when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stop = asyncio.Event()
        self.told: list[str] = []

    async def pause(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)
        await asyncio.sleep(0)

    def breaker(self) -> Breaker:
        return Breaker("bot", self, tell=self.told.append)

    def clock(self) -> float:
        return self.now


def fail(breaker: Breaker, times: int, *, rows: int = 3, error: BackendError = DOWN) -> None:
    for number in range(times):
        breaker.failed(error, (f"q{number % rows}", 0), is_probe=False)


async def probe(breaker: Breaker, error: BackendError | None) -> None:
    assert await breaker.wait()
    if error is None:
        breaker.answered()
    else:
        breaker.failed(error, ("q0", 0), is_probe=True)
    breaker.withdrawn()


@pytest.mark.parametrize(
    ("times", "rows", "error", "is_open"),
    [
        (9, 3, DOWN, False),
        (10, 3, DOWN, True),
        (50, 2, DOWN, False),
        (10, 3, BackendError(ErrorKind.CONNECTION, "refused", retryable=True), True),
        (10, 3, BackendError(ErrorKind.TIMEOUT, "slow", retryable=True), True),
        (50, 9, BackendError(ErrorKind.RATE_LIMIT, "429", retryable=True), False),
        (50, 9, BackendError(ErrorKind.INVALID_REQUEST, "400", retryable=False), False),
    ],
)
async def test_failed__opens_after_ten_in_a_row_of_three_rows(
    times: int, rows: int, error: BackendError, is_open: bool
):
    breaker = Time().breaker()
    fail(breaker, times, rows=rows, error=error)
    assert breaker.is_open is is_open


async def test_answered__begins_the_count_anew():
    breaker = Time().breaker()
    fail(breaker, 9)
    breaker.answered()
    fail(breaker, 9)
    assert not breaker.is_open


async def test_failed__a_refusal_shows_that_the_endpoint_is_there():
    breaker = Time().breaker()
    fail(breaker, 9)
    refusal = BackendError(ErrorKind.RATE_LIMIT, "429", retryable=True, http_status=429)
    breaker.failed(refusal, ("q0", 0), is_probe=False)
    fail(breaker, 9)
    assert not breaker.is_open


async def test_wait__three_failed_probes_give_the_endpoint_up():
    time = Time()
    breaker = time.breaker()
    fail(breaker, 10)
    at = []
    for _ in range(3):
        await probe(breaker, DOWN)
        at.append(time.now)
    assert at == [15, 45, 105]
    with pytest.raises(BackendError, match=r"^bot has not answered for 105 s \(last: 502\)$"):
        await breaker.wait()


async def test_wait__one_probe_while_all_others_wait_and_its_answer_lets_them_go():
    time = Time()
    breaker = time.breaker()
    fail(breaker, 10)
    waiting = [asyncio.create_task(breaker.wait()) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert [task.result() for task in waiting if task.done()] == [True]
    breaker.answered()
    breaker.withdrawn()
    assert sorted(await asyncio.gather(*waiting)) == [False, False, False, False, True]
    assert time.told == [
        "bot has failed 10 times in a row (last: 502); trying again in 15 s",
        "bot answers again",
    ]
    assert not breaker.is_open


async def test_wait__a_late_answer_closes_it_without_a_probe():
    time = Time()
    breaker = time.breaker()
    fail(breaker, 10)
    breaker.answered()
    assert not breaker.is_open
    assert not await breaker.wait()


async def test_withdrawn__another_becomes_the_probe():
    breaker = Time().breaker()
    fail(breaker, 10)
    assert await breaker.wait()
    other = asyncio.create_task(breaker.wait())
    await asyncio.sleep(0.01)
    assert not other.done()
    breaker.withdrawn()
    assert await asyncio.wait_for(other, 1)


async def test_wait__cancelled_while_it_waits_for_its_time():
    time = Time()
    breaker = time.breaker()
    fail(breaker, 10)
    first = asyncio.create_task(breaker.wait())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await asyncio.wait_for(breaker.wait(), 1)


async def test_wait__ends_at_once_when_the_user_stops():
    time = Time()
    breaker = time.breaker()
    fail(breaker, 10)
    time.stop.set()
    assert not await asyncio.wait_for(breaker.wait(), 1)
