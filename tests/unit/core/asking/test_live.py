import asyncio
import time

import pytest

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.limiter import Limiter
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy
from lm_eval_so.core.backends.base import Capabilities, ChatBackend, Price, SharedOptions
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Interrupted

REQUEST = ChatRequest(messages=(Message(role="user", content="환불?"),), sample_id="q1")
FAST = {"retry_after_s": 0.0}


class Bot(ChatBackend):
    """Plays a list: responses are given, errors raised, numbers slept; the last one for ever."""

    def __init__(self, *moves: object, options: SharedOptions | None = None) -> None:
        super().__init__(options=options)
        self.moves = list(moves)
        self.seen: list[ChatRequest] = []

    async def send(self, request: ChatRequest) -> ChatResponse:
        self.seen.append(request)
        move = self.moves.pop(0) if len(self.moves) > 1 else self.moves[0]
        if isinstance(move, BaseException):
            raise move
        if isinstance(move, int | float):
            await asyncio.sleep(move)
            return ChatResponse(text="late")
        return move


class Recorded(Bot):
    capabilities = Capabilities(measures_latency=False, priced=False)


def asker(bot: ChatBackend, *, events: list[Event] | None = None, **policy: float) -> LiveAsker:
    given = {"timeout_s": 5, "max_attempts": 5, "row_deadline_s": 30, "max_retry_after_s": 120}
    return LiveAsker(
        bot,
        policy=Policy(**{**given, **policy}),
        limiter=Limiter(4),
        resources=Resources(
            redactor=make_redactor({"BOT_TOKEN": "hunter2-hunter2"}),
            listener=(lambda _: None) if events is None else events.append,
        ),
    )


def error(kind: ErrorKind, *, retryable: bool = True, **fields: object) -> BackendError:
    return BackendError(kind, "told", retryable=retryable, **fields)


async def ask(bot: ChatBackend, **policy: float) -> Answer:
    return await asker(bot, **policy).ask(REQUEST)


async def test_ask__answer():
    options = SharedOptions(price=Price(input_per_mtok=1, output_per_mtok=2))
    usage = Usage(input_tokens=100, output_tokens=10)
    bot = Bot(ChatResponse(text="3일", usage=usage), options=options)
    answer = await ask(bot)
    assert answer.response
    assert (answer.status, answer.response.text) == (RunStatus.OK, "3일")
    assert (answer.usage, answer.cost_usd, answer.cost_source) == (usage, 0.00012, "config")
    assert (answer.attempts, answer.retries, answer.cached) == (1, (), False)
    assert answer.latency_ms is not None
    assert answer.total_ms >= answer.latency_ms >= 0
    assert answer.started_at.endswith("Z")


async def test_ask__recorded_answers_are_cached_with_their_own_latency():
    answer = await ask(Recorded(ChatResponse(text="x", latency_ms=812.5)))
    assert (answer.cached, answer.latency_ms, answer.cost_usd) == (True, 812.5, 0.0)


async def test_ask__repeats_and_tells_each_attempt():
    bot = Bot(
        error(ErrorKind.SERVER, http_status=500, **FAST),
        error(ErrorKind.CONNECTION, **FAST),
        ChatResponse(text="ok"),
    )
    answer = await ask(bot)
    assert (answer.status, answer.attempts) == (RunStatus.OK, 3)
    assert [(r.kind, r.http_status) for r in answer.retries] == [
        (ErrorKind.SERVER, 500),
        (ErrorKind.CONNECTION, None),
    ]
    assert [request.attempt for request in bot.seen] == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "retryable", "sent", "status"),
    [
        (ErrorKind.RATE_LIMIT, True, 5, RunStatus.RATE_LIMITED),
        (ErrorKind.SERVER, True, 5, RunStatus.ERROR),
        (ErrorKind.BAD_RESPONSE, True, 2, RunStatus.ERROR),
        (ErrorKind.INVALID_REQUEST, False, 1, RunStatus.ERROR),
        (ErrorKind.FILTERED, False, 1, RunStatus.FILTERED),
    ],
)
async def test_ask__gives_up(kind: ErrorKind, retryable: bool, sent: int, status: RunStatus):
    bot = Bot(error(kind, retryable=retryable, **FAST))
    answer = await ask(bot)
    assert (len(bot.seen), answer.attempts, answer.status) == (sent, sent, status)
    assert answer.error
    assert answer.error.kind is kind


async def test_ask__attempt_times_out_and_is_repeated():
    bot = Bot(9.0, ChatResponse(text="ok"))
    answer = await ask(bot, timeout_s=0.05)
    assert (answer.status, answer.attempts) == (RunStatus.OK, 2)
    assert answer.retries[0].kind is ErrorKind.TIMEOUT


async def test_ask__row_deadline_ends_the_attempt_under_way():
    started = time.monotonic()
    answer = await ask(Bot(9.0), row_deadline_s=0.1)
    assert time.monotonic() - started < 2
    assert answer.error
    assert (answer.status, answer.error.kind) == (RunStatus.TIMEOUT, ErrorKind.DEADLINE)


async def test_ask__wait_that_would_pass_the_deadline_is_not_begun():
    answer = await ask(Bot(error(ErrorKind.SERVER, retry_after_s=20)), row_deadline_s=1)
    assert (answer.status, answer.attempts) == (RunStatus.ERROR, 1)


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (ValueError("나쁜 값\nsecond line"), "ValueError: 나쁜 값"),
        ("just a text", "TypeError: Bot.send gave str, not a ChatResponse"),
        (
            ChatResponse(text=None),
            "TypeError: Bot.send gave a ChatResponse whose text is NoneType",
        ),
        (
            ChatResponse(text="x", model=5),
            "TypeError: Bot.send gave a ChatResponse whose model is int",
        ),
        (
            ChatResponse(text="x", usage=None),
            "TypeError: Bot.send gave a ChatResponse whose usage is NoneType",
        ),
        (SystemExit(1), "SystemExit: 1"),
    ],
)
async def test_ask__plugin_that_breaks_is_one_failed_row(move: object, message: str):
    bot = Bot(move)
    answer = await ask(bot)
    assert answer.error
    assert (answer.error.kind, answer.error.message) == (ErrorKind.CALLABLE, message)
    assert len(bot.seen) == 1


async def test_ask__refusal_becomes_the_text_and_secrets_go():
    answer = await ask(Bot(ChatResponse(refusal="no, hunter2-hunter2")))
    assert answer.response
    assert (answer.status, answer.response.text) == (RunStatus.REFUSED, "no, [redacted:BOT_TOKEN]")
    assert answer.redactions == 2
    failed = await ask(Bot(BackendError(ErrorKind.AUTH, "bad hunter2-hunter2", retryable=False)))
    assert failed.error
    assert failed.error.message == "bad [redacted:BOT_TOKEN]"


async def test_ask__three_refused_keys_in_a_row_end_it():
    bot = Bot(error(ErrorKind.AUTH, retryable=False))
    asking = asker(bot)
    assert (await asking.ask(REQUEST)).status is RunStatus.ERROR
    assert (await asking.ask(REQUEST)).status is RunStatus.ERROR
    with pytest.raises(BackendError):
        await asking.ask(REQUEST)


async def test_ask__an_answer_between_refused_keys_forgives():
    refused, fine = error(ErrorKind.AUTH, retryable=False), ChatResponse(text="x")
    asking = asker(Bot(refused, refused, fine, refused, refused, fine))
    for _ in range(6):
        await asking.ask(REQUEST)
    assert asking.requests == 6


async def test_ask__used_up_quota_ends_it_at_once():
    with pytest.raises(CannotMeasure, match="the quota is used up: told"):
        await ask(Bot(error(ErrorKind.QUOTA, retryable=False)))


async def test_ask__too_long_a_wait_is_not_waited_for():
    asking = asker(Bot(error(ErrorKind.RATE_LIMIT, retry_after_s=3600)))
    assert (await asking.ask(REQUEST)).status is RunStatus.RATE_LIMITED
    assert (await asking.ask(REQUEST)).attempts == 1
    with pytest.raises(CannotMeasure, match="the server asks to wait 3,600 s"):
        await asking.ask(REQUEST)


async def test_ask__stop_ends_waits_and_sends_nothing_more():
    bot = Bot(error(ErrorKind.SERVER, retry_after_s=60))
    asking = asker(bot, row_deadline_s=300)
    task = asyncio.create_task(asking.ask(REQUEST))
    await asyncio.sleep(0.02)
    asking._resources.stop.set()
    with pytest.raises(Interrupted):
        await asyncio.wait_for(task, 1)
    with pytest.raises(Interrupted):
        await asking.ask(REQUEST)
    assert len(bot.seen) == 1


async def test_ask__rate_limit_cuts_and_is_told_once():
    events: list[Event] = []
    asking = asker(
        Bot(
            error(ErrorKind.RATE_LIMIT, **FAST), error(ErrorKind.RATE_LIMIT, **FAST), ChatResponse()
        ),
        events=events,
    )
    await asking.ask(REQUEST)
    assert asking.limiter.limit == 2  # 4, cut to 2, to 1, one answer
    told = "rate limited: now 2 at once (was 4); the server asks to wait 0 s"
    assert events == [Noticed(stage="run", text=told)]
