import asyncio
from pathlib import Path

import pytest

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import AnswerCache, open_cache
from lm_eval_so.core.asking.live import LiveAsker, Target
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy
from lm_eval_so.core.backends.base import (
    BackendEnv,
    Capabilities,
    ChatBackend,
    Price,
    SharedOptions,
)
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Interrupted

REQUEST = ChatRequest(messages=(Message(role="user", content="환불?"),), sample_id="q1")
FAST = {"retry_after_s": 0.0}


class Bot(ChatBackend):
    """Plays a list: responses are given, errors raised, numbers slept; the last one for ever."""

    def __init__(self, *moves: object, options: SharedOptions | None = None) -> None:
        super().__init__(options=options, env=BackendEnv(concurrency=4))
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


def asker(
    bot: ChatBackend,
    *,
    events: list[Event] | None = None,
    cache: AnswerCache | None = None,
    **policy: float,
) -> LiveAsker:
    given = {"timeout_s": 5, "max_attempts": 5, "row_deadline_s": 30, "max_retry_after_s": 120}
    return LiveAsker(
        Target(backend=bot, policy=Policy(**{**given, **policy})),
        cache=cache,
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
    answer = await asyncio.wait_for(ask(Bot(90.0), row_deadline_s=0.1), 30)
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
    secret = BackendError(ErrorKind.TOO_LARGE, "bad hunter2-hunter2", retryable=False)
    failed = await ask(Bot(secret))
    assert failed.error
    assert failed.error.message == "bad [redacted:BOT_TOKEN]"


async def test_ask__three_refused_keys_in_a_row_end_it():
    bot = Bot(ChatResponse(text="x"), error(ErrorKind.AUTH, retryable=False))
    asking = asker(bot)
    statuses = [(await asking.ask(REQUEST)).status for _ in range(3)]
    assert statuses == [RunStatus.OK, RunStatus.ERROR, RunStatus.ERROR]
    for _ in range(2):
        with pytest.raises(BackendError):
            await asking.ask(REQUEST)
    assert len(bot.seen) == 4


async def test_ask__an_answer_between_refused_keys_forgives():
    refused, fine = error(ErrorKind.AUTH, retryable=False), ChatResponse(text="x")
    asking = asker(Bot(fine, refused, refused, fine, refused, refused, fine))
    for _ in range(7):
        await asking.ask(REQUEST)
    assert asking.requests == 7


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


async def test_ask__a_refusal_that_the_deadline_has_no_time_for_ends_the_row():
    answer = await ask(Bot(error(ErrorKind.RATE_LIMIT, retry_after_s=20)), row_deadline_s=1)
    assert (answer.status, answer.attempts) == (RunStatus.RATE_LIMITED, 1)


async def test_ask__what_says_nothing_of_the_load_leaves_the_limit():
    for kind in (ErrorKind.INVALID_REQUEST, ErrorKind.CALLABLE):
        asking = asker(Bot(error(kind, http_status=400, retryable=False)))
        for _ in range(9):
            await asking.ask(REQUEST)
        assert asking.limiter.limit == 4


async def test_ask__a_flood_of_refusals_cuts_and_is_told_once():
    events: list[Event] = []
    refused = [error(ErrorKind.RATE_LIMIT, **FAST)] * 8
    asking = asker(Bot(*refused, ChatResponse(text="x")), events=events, max_attempts=2)
    answer = await asking.ask(REQUEST)
    assert (answer.status, answer.attempts) == (RunStatus.OK, 9)
    # nothing else was under way; it doubles with the answer
    assert [change.limit for change in asking.limiter.changes] == [4, 1, 2]
    told = "rate limited: now 1 at once (was 4); the server asks to wait 0 s"
    assert events == [Noticed(stage="run", text=told)]


@pytest.mark.parametrize(("per_s", "verb"), [(None, "set"), (5, "lower")])
async def test_ask__a_pace_is_advised_once_where_the_limit_helps_no_more(
    per_s: float | None, verb: str
):
    events: list[Event] = []
    refused = error(ErrorKind.RATE_LIMIT, **FAST)
    asking = asker(Bot(refused, refused, ChatResponse(text="x")), events=events)
    endpoint = asking._endpoint
    endpoint.pace.limit(requests_per_s=per_s, tokens_per_min=None)
    asking.limiter.wants_pace = True
    await asking.ask(REQUEST)
    text = "Bot refuses requests even where only 1 or 2 are under way"
    hint = f"{verb} run.max_requests_per_s to what the account allows"
    assert events == [Warned(stage="run", text=text, hint=hint)]
    assert asking.notes == [f"{text}: {hint}"]


async def test_ask__the_first_request_goes_alone():
    bot = Bot(0.05)
    asking = asker(bot)
    tasks = [asyncio.create_task(asking.ask(REQUEST)) for _ in range(4)]
    await asyncio.sleep(0.02)
    assert len(bot.seen) == 1
    await asyncio.gather(*tasks)
    assert len(bot.seen) == 4


async def test_ask__a_first_request_that_fails_is_the_only_one():
    bot = Bot(error(ErrorKind.NOT_FOUND, retryable=False))
    asking = asker(bot)
    failures = await asyncio.gather(
        *(asking.ask(REQUEST) for _ in range(5)), return_exceptions=True
    )
    assert {type(each) for each in failures} == {BackendError}
    assert len(bot.seen) == 1


async def test_ask__a_first_request_that_was_stopped_proves_nothing():
    bot = Bot(9.0)
    asking = asker(bot)
    first = asyncio.create_task(asking.ask(REQUEST))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    bot.moves = [error(ErrorKind.AUTH, retryable=False)]
    with pytest.raises(BackendError):
        await asking.ask(REQUEST)


async def test_ask__what_was_adapted_is_told_and_kept():
    class Adaptable(Bot):
        def adapt(self, error: BackendError) -> str | None:
            return "seed is no longer sent"

    events: list[Event] = []
    refused = error(ErrorKind.INVALID_REQUEST, retryable=False)
    asking = asker(Adaptable(refused, ChatResponse(text="ok")), events=events)
    assert (await asking.ask(REQUEST)).status is RunStatus.OK
    assert asking.adaptations == ["seed is no longer sent"]
    assert events == [Warned(stage="run", text="seed is no longer sent")]
    assert asking.requests == 2


async def test_ask__the_key_goes_along_and_is_the_same_for_each_attempt():
    bot = Bot(error(ErrorKind.SERVER, **FAST), ChatResponse(text="ok"))
    answer = await ask(bot)
    assert [request.idempotency_key for request in bot.seen] == [answer.request_hash] * 2
    assert len(answer.request_hash or "") == 64


class Stateful(Bot):
    capabilities = Capabilities(stateful=True)


@pytest.mark.parametrize(
    ("bot", "attempts"), [(Bot(9.0), 2), (Stateful(9.0), 1)], ids=["stateless", "stateful"]
)
async def test_ask__a_chatbot_that_keeps_the_conversation_is_not_told_twice(
    bot: Bot, attempts: int
):
    answer = await ask(bot, timeout_s=0.02, max_attempts=2)
    assert (answer.status, answer.attempts) == (RunStatus.TIMEOUT, attempts)


@pytest.mark.parametrize("retryable", [True, False])
async def test_ask__of_a_broken_connection_the_backend_says_whether_to_repeat(retryable: bool):
    broken = error(ErrorKind.CONNECTION, retryable=retryable, **FAST)
    asking = asker(Stateful(ChatResponse(text="x"), broken, ChatResponse(text="x")))
    await asking.ask(REQUEST)
    assert (await asking.ask(REQUEST)).attempts == (2 if retryable else 1)


async def test_ask__slow_and_broken_answers_lower_the_limit():
    for move in (9.0, error(ErrorKind.SERVER, http_status=500, retryable=False)):
        asking = asker(Bot(ChatResponse(text="x"), move), timeout_s=0.02, max_attempts=1)
        for _ in range(8):
            await asking.ask(REQUEST)
        assert [change.limit for change in asking.limiter.changes] == [4, 1]


async def test_ask__answers_of_the_cache_are_not_asked(tmp_path: Path):
    events: list[str] = []
    cache = open_cache(tmp_path / "cache.sqlite", events.append)
    usage = Usage(input_tokens=100, output_tokens=10)
    options = SharedOptions(price=Price(input_per_mtok=1, output_per_mtok=2))
    said = ChatResponse(text="3일, hunter2-hunter2", usage=usage)
    first = await asker(Bot(said, options=options), cache=cache).ask(REQUEST)
    bot = Bot(error(ErrorKind.AUTH, retryable=False))
    second = await asker(bot, cache=cache).ask(REQUEST)
    cache.close()
    assert bot.seen == events == []
    assert second.response == first.response
    assert (second.status, second.cached, second.attempts) == (RunStatus.OK, True, 0)
    assert (second.cost_usd, second.cost_saved_usd) == (0.0, 0.00012)
    assert second.latency_ms == first.latency_ms
    assert second.request_hash == first.request_hash


async def test_ask__errors_are_not_cached(tmp_path: Path):
    cache = open_cache(tmp_path / "cache.sqlite", lambda _: None)
    broken = Bot(error(ErrorKind.TOO_LARGE, retryable=False))
    await asker(broken, cache=cache).ask(REQUEST)
    assert (await asker(Bot(ChatResponse(text="x")), cache=cache).ask(REQUEST)).attempts == 1
    cache.close()


async def test_ask__raw_and_details_have_no_secrets_and_an_end():
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    raws = [{"echo": ["hunter2-hunter2"]}, deep]
    kept = []
    for raw in raws:
        bot = Bot(ChatResponse(text="x", raw=raw))
        bot.env = BackendEnv(keeps_raw=True)
        answer = await ask(bot)
        assert answer.response
        kept.append(answer.response.raw)
    assert kept == [{"echo": ["[redacted:BOT_TOKEN]"]}, None]
    answer = await ask(Bot(ChatResponse(text="x", raw={"nobody": "asked for it"})))
    assert answer.response
    assert answer.response.raw is None
    failed = await ask(
        Bot(error(ErrorKind.SERVER, retryable=False, details={"said": "hunter2-hunter2"}))
    )
    assert failed.error
    assert failed.error.details == {"said": "[redacted:BOT_TOKEN]"}
