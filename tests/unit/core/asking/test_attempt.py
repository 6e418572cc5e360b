import asyncio

import pytest

from lm_eval_so.core.asking.attempt import OutOfTime, attempt
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind

REQUEST = ChatRequest(messages=(Message(role="user", content="환불?"),))


class Bot(ChatBackend):
    """Raises, sleeps for a number of seconds, or gives what it has."""

    def __init__(self, move: object) -> None:
        super().__init__()
        self.move = move
        self.was_cancelled = False

    async def send(self, request: ChatRequest) -> ChatResponse:
        if isinstance(self.move, BaseException):
            raise self.move
        if isinstance(self.move, float):
            try:
                await asyncio.sleep(self.move)
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        return self.move


async def test_attempt__gives_the_response():
    response = ChatResponse(text="3일")
    assert await attempt(Bot(response), REQUEST, time_s=1) is response


async def test_attempt__is_cut_off():
    bot = Bot(9.0)
    with pytest.raises(OutOfTime):
        await attempt(bot, REQUEST, time_s=0.02)
    assert bot.was_cancelled


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError("나쁜 값\nsecond line"), "ValueError: 나쁜 값"),
        (KeyError(), "KeyError"),
        (SystemExit(1), "SystemExit: 1"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
async def test_attempt__what_a_plugin_raises_is_no_answer(raised: BaseException, message: str):
    with pytest.raises(BackendError) as failed:
        await attempt(Bot(raised), REQUEST, time_s=1)
    assert (failed.value.kind, failed.value.message) == (ErrorKind.CALLABLE, message)
    assert not failed.value.retryable


@pytest.mark.parametrize(
    "raised",
    [BackendError(ErrorKind.SERVER, "x", retryable=True), CannotMeasure("no thread is left")],
)
async def test_attempt__our_own_errors_pass(raised: Exception):
    with pytest.raises(type(raised)) as failed:
        await attempt(Bot(raised), REQUEST, time_s=1)
    assert failed.value is raised


async def test_attempt__cancelled_from_outside_is_no_fault_of_the_backend():
    task = asyncio.create_task(attempt(Bot(9.0), REQUEST, time_s=60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("text", [None, 5, b"x"])
async def test_attempt__response_that_cannot_be_written(text: object):
    what = f"TypeError: Bot.send gave a ChatResponse whose text is {type(text).__name__}"
    with pytest.raises(BackendError, match=what):
        await attempt(Bot(ChatResponse(text=text)), REQUEST, time_s=1)


async def test_attempt__time_limit_and_cancel_at_once_is_a_cancel():
    bot = Bot(9.0)
    task = asyncio.create_task(attempt(bot, REQUEST, time_s=0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_attempt__task_goes_on_after_it_was_cut_off():
    async def work() -> int:
        with pytest.raises(OutOfTime):
            await attempt(Bot(9.0), REQUEST, time_s=0.01)
        task = asyncio.current_task()
        await asyncio.sleep(0.01)
        return task.cancelling()

    assert await asyncio.create_task(work()) == 0


async def test_attempt__an_own_time_out_of_the_backend_is_told_as_such():
    with pytest.raises(BackendError, match="TimeoutError: the database"):
        await attempt(Bot(TimeoutError("the database")), REQUEST, time_s=9)
