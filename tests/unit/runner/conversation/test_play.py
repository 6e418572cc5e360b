"""One job, one conversation: stop rules, tools, sums."""

import asyncio
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from evaluation import SaidAsker, an_answer
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Retry
from lm_eval_so.core.records.sample import (
    Passage,
    Scenario,
    SimulatedUser,
    Stop,
    TestSample,
    UserTurn,
)
from lm_eval_so.errors import ErrorKind, Interrupted
from lm_eval_so.runner.conversation.play import Parties, Played, play
from lm_eval_so.runner.conversation.simulated_user import Simulator
from lm_eval_so.runner.plan.jobs import Job, RequestSettings, jobs, plan_rows
from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen

ASKING = RequestSettings(
    params={"model": "m"}, system="짧게", seed=7, repeats=1, can_use_tools=True, has_simulator=True
)
WEATHER = {"type": "function", "function": {"name": "weather"}}
CALL = ToolCall(id="c1", name="weather", arguments='{"city": "서울"}')


def job_of(**fields: Any) -> Job:
    samples = [TestSample(id="s", **fields)]
    plan = plan_rows(samples, ASKING, skips=lambda *_: False)
    return next(jobs(samples, plan.keys, set(), ASKING))


def script(*turns: str | tuple[str, str], **stop: Any) -> Job:
    said = [(turn, None) if isinstance(turn, str) else turn for turn in turns]
    user_turns = tuple(UserTurn(user=user, when=when) for user, when in said)
    return job_of(scenario=Scenario(turns=user_turns, stop=Stop(**stop)))


def failure(status: RunStatus, kind: ErrorKind) -> Answer:
    error = ErrorInfo(kind=kind, message="no answer")
    return Answer(status=status, error=error, total_ms=9.0, started_at="2026-01-01T00:00:00Z")


def call(*calls: ToolCall, text: str = "", finish: str | None = "tool_calls") -> Answer:
    response = ChatResponse(text=text, tool_calls=calls, finish_reason=finish, model="judge-1")
    return an_answer("", response=response, latency_ms=10.0)


async def played(job: Job, *said: str | Answer, **parties: Any) -> tuple[Played, SaidAsker]:
    bot = SaidAsker(*said)
    return await play(job, Parties(ask=bot.ask, **parties)), bot


def histories(bot: SaidAsker) -> list[list[str]]:
    return [[message.content for message in request.messages] for request in bot.requests]


async def test_play__single_message_is_asked_as_it_is() -> None:
    job = job_of(messages=(Message(role="user", content="환불은?"),))
    row, bot = await played(job, "3일")
    assert bot.requests == [job.request]
    assert (row.answer.response.text, row.turns, row.messages) == ("3일", (), ())
    assert (row.stop_reason, row.simulator) == (None, None)


async def test_play__each_turn_sends_all_that_was_said() -> None:
    row, bot = await played(script("취소요", "A-1023이요", "언제요?"), "번호는?", "됐어요", "3일")
    assert histories(bot) == [
        ["취소요"],
        ["취소요", "번호는?", "A-1023이요"],
        ["취소요", "번호는?", "A-1023이요", "됐어요", "언제요?"],
    ]
    assert [request.turn for request in bot.requests] == [0, 1, 2]
    assert len({request.session for request in bot.requests}) == 1
    assert {request.system for request in bot.requests} == {"짧게"}
    assert row.stop_reason == "script_end"
    assert [(turn.user, turn.text) for turn in row.turns] == [
        ("취소요", "번호는?"),
        ("A-1023이요", "됐어요"),
        ("언제요?", "3일"),
    ]
    assert [m.role for m in row.messages] == ["user", "assistant"] * 3
    assert row.answer.response.text == "3일"


async def test_play__when_decides_by_the_last_answer() -> None:
    job = script("취소요", ("A-1023이요", "주문 ?번호"), ("네?", "없는 말"), "언제요?")
    row, _ = await played(job, "주문번호가 뭔가요?", "됐어요", "3일")
    assert [turn.user for turn in row.turns] == ["취소요", "A-1023이요", "언제요?"]
    row, _ = await played(job, "무엇을 도와드릴까요?", "3일 걸려요")
    assert [turn.user for turn in row.turns] == ["취소요", "언제요?"]


async def test_play__when_sees_any_unicode_form() -> None:
    job = script(
        "취소요", (unicodedata.normalize("NFD", "네"), unicodedata.normalize("NFD", "번호"))
    )
    row, _ = await played(job, "번호는?", "됐어요")
    assert len(row.turns) == 2


@pytest.mark.parametrize(
    ("stop", "said", "reason", "turns"),
    [
        ({"on_match": "상담원 ?연결"}, ["네", "상담원 연결해 드릴게요"], "on_match", 2),
        ({"max_turns": 2}, ["하나", "둘입니다"], "max_turns", 2),
        ({}, ["주문번호를 알려 주세요", "주문번호를 알려 주세요"], "loop", 2),
        (
            {},
            [
                "하나",
                "주문번호를 알려 주시겠어요? 확인해 드릴게요",
                "주문번호를 알려 주시겠어요! 확인해 드릴게요",
            ],
            "loop",
            3,
        ),
        ({}, ["하나", "둘입니다", "셋이에요", "끝"], "script_end", 4),
        ({"max_turns": 4}, ["하나", "둘입니다", "셋이에요", "끝"], "max_turns", 4),
        ({"max_turns": 2, "on_match": "둘"}, ["하나", "둘입니다"], "on_match", 2),
        ({"max_turns": 2}, ["같은 말", "같은 말"], "loop", 2),
    ],
)
async def test_play__stops_by_the_first_rule(
    stop: dict[str, Any], said: list[str], reason: str, turns: int
) -> None:
    row, bot = await played(script("가", "나", "다", "라", **stop), *said)
    assert (row.stop_reason, len(row.turns), len(bot.requests)) == (reason, turns, turns)
    assert row.answer.status is RunStatus.OK


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (RunStatus.TIMEOUT, ErrorKind.TIMEOUT),
        (RunStatus.RATE_LIMITED, ErrorKind.RATE_LIMIT),
        (RunStatus.FILTERED, ErrorKind.FILTERED),
        (RunStatus.ERROR, ErrorKind.SERVER),
    ],
)
async def test_play__failed_turn_ends_it_and_keeps_what_was_said(
    status: RunStatus, kind: ErrorKind
) -> None:
    row, _ = await played(script("가", "나", "다"), "하나", failure(status, kind))
    assert (row.answer.status, row.stop_reason) == (status, f"bot_{status.value}")
    assert row.answer.error.kind is kind
    assert row.answer.response is None
    assert [(t.user, t.text, t.status) for t in row.turns] == [
        ("가", "하나", RunStatus.OK),
        ("나", "", status),
    ]
    assert (row.answer.usage.input_tokens, row.answer.cost_usd) == (100, 0.001)


async def test_play__status_of_the_last_turn() -> None:
    row, _ = await played(script("가", "나"), an_answer("잘린", status=RunStatus.TRUNCATED), "하나")
    assert (row.answer.status, row.turns[0].status) == (RunStatus.OK, RunStatus.TRUNCATED)
    row, _ = await played(script("가", "나"), "하나", an_answer("", status=RunStatus.EMPTY))
    assert row.answer.status is RunStatus.EMPTY


async def test_play__sums_of_the_turns() -> None:
    first = an_answer(
        "하나",
        latency_ms=100.0,
        queue_ms=5.0,
        attempts=2,
        retries=(Retry(kind=ErrorKind.SERVER, wait_ms=1.0),),
        started_at="2026-01-01T00:00:00Z",
        redactions=1,
        response=ChatResponse(text="하나", ttft_ms=20.0, model="judge-1"),
    )
    second = an_answer(
        "둘입니다",
        latency_ms=50.0,
        queue_ms=1.0,
        redactions=2,
        response=ChatResponse(text="둘입니다", ttft_ms=90.0, model="judge-1"),
    )
    row, _ = await played(script("가", "나"), first, second)
    answer = row.answer
    assert (answer.latency_ms, answer.response.ttft_ms, answer.queue_ms) == (75.0, 20.0, 6.0)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (200, 40)
    assert (answer.cost_usd, answer.attempts, len(answer.retries)) == (0.002, 3, 1)
    assert (answer.started_at, answer.redactions) == ("2026-01-01T00:00:00Z", 3)
    assert [turn.latency_ms for turn in row.turns] == [100.0, 50.0]


async def test_play__what_one_turn_does_not_tell_is_not_known_of_the_row() -> None:
    untold = an_answer("둘입니다", usage=Usage(input_tokens=10), cost_usd=None)
    row, _ = await played(script("가", "나"), "하나", untold)
    assert (row.answer.usage.input_tokens, row.answer.usage.output_tokens) == (110, None)
    assert (row.answer.cost_usd, row.answer.cost_source) == (None, "unknown")


async def test_play__cost_from_the_cache_and_the_list() -> None:
    kept = an_answer("하나", cost_usd=0.0, cost_source="none", cached=True, cost_saved_usd=0.1)
    listed = an_answer("둘입니다", cost_usd=0.2, cost_source="prices")
    answer = (await played(script("가", "나"), kept, listed))[0].answer
    assert (answer.cost_usd, answer.cost_source, answer.cost_saved_usd) == (0.2, "prices", 0.1)
    assert not answer.cached
    assert answer.answered_at is None


async def test_play__is_as_old_as_its_oldest_answer_from_the_cache() -> None:
    days = ("2026-02-11T09:00:00Z", "2026-02-10T09:00:00Z")
    kept = [an_answer(f"{day}의 답", cached=True, answered_at=day) for day in days]
    row, _ = await played(script("가", "나", "다"), *kept, "지금 답")
    assert row.answer.answered_at == days[1]


async def test_play__given_passages_stand_before_the_first_user_message() -> None:
    scenario = Scenario(turns=(UserTurn(user="취소요"), UserTurn(user="언제요?")))
    context = (Passage(role="given", text="환불 3일"), Passage(role="gold", text="비밀"))
    row, bot = await played(job_of(scenario=scenario, context=context), "네", "3일")
    assert histories(bot) == [["환불 3일\n\n취소요"], ["환불 3일\n\n취소요", "네", "언제요?"]]
    assert row.turns[0].user == "취소요"


async def test_play__tool_calls_are_answered_from_the_table() -> None:
    job = job_of(
        messages=(Message(role="user", content="서울 날씨?"),),
        tools=(WEATHER,),
        tool_results=({"name": "weather", "arguments": {"city": "서울"}, "result": {"t": 3}},),
    )
    row, bot = await played(job, call(CALL), an_answer("3도예요", latency_ms=20.0))
    assert [m.role for m in bot.requests[1].messages] == ["user", "assistant", "tool"]
    assert bot.requests[1].messages[2].content == '{"t": 3}'
    assert bot.requests[1].messages[1].tool_calls == (CALL,)
    assert bot.requests[0].tools == (WEATHER,)
    assert (row.answer.status, row.answer.response.text) == (RunStatus.OK, "3도예요")
    assert row.answer.response.tool_calls == (CALL,)
    assert (row.answer.latency_ms, row.answer.usage.input_tokens) == (30.0, 200)
    assert [m.role for m in row.messages] == ["user", "assistant", "tool", "assistant"]
    assert (row.turns, row.stop_reason) == ((), None)


async def test_play__tool_rounds_are_bounded() -> None:
    job = job_of(
        messages=(Message(role="user", content="날씨?"),),
        tools=(WEATHER,),
        tool_results=({"name": "other", "result": 1},),
    )
    row, bot = await played(job, call(CALL), max_tool_rounds=2)
    assert len(bot.requests) == 3
    assert row.answer.status is RunStatus.TRUNCATED
    told = bot.requests[2].messages[-1].content
    assert told == '{"error": "no result for this call"}'


async def test_play__without_results_a_call_ends_the_row() -> None:
    asked = {"messages": (Message(role="user", content="날씨?"),), "tools": (WEATHER,)}
    row, bot = await played(job_of(**asked), call(CALL))
    assert (len(bot.requests), row.answer.status) == (1, RunStatus.OK)
    scenario = Scenario(turns=(UserTurn(user="가"), UserTurn(user="나")))
    row, bot = await played(job_of(scenario=scenario, tools=(WEATHER,)), call(CALL))
    assert (len(bot.requests), row.stop_reason) == (1, "tool_call")
    assert (row.answer.status, row.answer.response.tool_calls) == (RunStatus.OK, (CALL,))


async def test_play__calls_that_a_chatbot_only_tells_of_end_nothing() -> None:
    told = call(CALL, text="3도예요", finish="stop")
    row, bot = await played(script("가", "나"), told, "끝이에요")
    assert (row.stop_reason, len(row.turns)) == ("script_end", 2)
    assert row.turns[0].tool_calls == row.messages[1].tool_calls == (CALL,)
    assert not any(message.tool_calls for message in bot.requests[1].messages)


async def test_play__calls_without_an_id_get_one() -> None:
    bare = ToolCall(name="weather", arguments="{}")
    job = job_of(
        messages=(Message(role="user", content="날씨?"),),
        tool_results=({"name": "weather", "result": 1},),
    )
    _, bot = await played(job, call(bare), call(bare), "3도")
    messages = bot.requests[2].messages
    assert [m.tool_call_id for m in messages if m.role == "tool"] == ["call_0", "call_1"]
    assert [m.tool_calls[0].id for m in messages if m.tool_calls] == ["call_0", "call_1"]


async def test_play__row_deadline_counts_no_queue() -> None:
    slow = an_answer("하나", total_ms=900.0, queue_ms=890.0)
    row, _ = await played(script("가", "나"), slow, "둘이요", row_deadline_s=0.05)
    assert row.stop_reason == "script_end"
    late = an_answer("하나", total_ms=900.0)
    row, bot = await played(script("가", "나"), late, "둘이요", row_deadline_s=0.05)
    assert (row.stop_reason, row.answer.status) == ("deadline", RunStatus.TIMEOUT)
    assert row.answer.error.kind is ErrorKind.DEADLINE
    assert len(bot.requests) == 1
    assert [turn.status for turn in row.turns] == [RunStatus.OK, RunStatus.TIMEOUT]


async def test_play__interruption_is_no_row() -> None:
    async def ask(request: ChatRequest) -> Answer:
        if request.turn:
            raise Interrupted("interrupted")
        return an_answer("하나")

    with pytest.raises(Interrupted):
        await play(script("가", "나"), Parties(ask=ask))


MOVE = '{{"progress": {0}, "done": false, "reason": "open", "message": "{1}"}}'
GOAL = '{"progress": true, "done": true, "reason": "goal", "message": ""}'
GAVE_UP = '{"progress": false, "done": true, "reason": "gave_up", "message": ""}'


async def simulated(
    bot: list[str | Answer], user: list[str | Answer], **stop: Any
) -> tuple[Played, SaidAsker, SaidAsker]:
    opening = stop.pop("opening", "취소요")
    who = SimulatedUser(goal="A-1023 취소", opening=opening, facts={"주문번호": "A-1023"})
    job = job_of(scenario=Scenario(simulated_user=who, stop=Stop(**stop)))
    model = SaidAsker(*user)
    simulator = Simulator(model.ask, params={"temperature": 0}, template=Language.KO)
    row, asker = await played(job, *bot, simulator=simulator)
    return row, asker, model


async def test_play__simulated_user_reaches_the_goal() -> None:
    row, bot, model = await simulated(
        ["번호는?", "취소했습니다"], [MOVE.format("true", "A-1023이요"), GOAL]
    )
    assert (row.stop_reason, row.answer.response.text) == ("goal", "취소했습니다")
    assert [turn.user for turn in row.turns] == ["취소요", "A-1023이요"]
    assert (row.answer.usage.input_tokens, row.answer.cost_usd) == (200, 0.002)
    assert (row.simulator.usage.input_tokens, row.simulator.cost_usd) == (200, 0.002)
    assert row.simulator.model == "judge-1"
    assert [request.turn for request in model.requests] == [0, 1]
    assert model.requests[0].session != bot.requests[0].session


@pytest.mark.parametrize(
    ("user", "stop", "reason", "turns"),
    [
        ([MOVE.format("true", "네"), GAVE_UP], {}, "gave_up", 2),
        ([MOVE.format("false", "네?")], {"give_up_after": 2}, "gave_up", 2),
        ([MOVE.format("true", "네?")], {"max_turns": 3, "give_up_after": 1}, "max_turns", 3),
        ([MOVE.format("true", "네"), GOAL], {"max_turns": 2}, "goal", 2),
    ],
)
async def test_play__simulated_user_ends_it(
    user: list[str | Answer], stop: dict[str, Any], reason: str, turns: int
) -> None:
    row, _, _ = await simulated(["하나", "둘이요", "셋입니다"], user, **stop)
    assert (row.stop_reason, len(row.turns)) == (reason, turns)


async def test_play__progress_begins_the_count_anew() -> None:
    moves = [MOVE.format(word, "네?") for word in ("false", "true", "false", "false")]
    said = ["하나", "둘이요", "셋입니다", "넷이에요", "다섯"]
    row, _, _ = await simulated(said, moves, give_up_after=2)
    assert (row.stop_reason, len(row.turns)) == ("gave_up", 4)


async def test_play__simulated_user_speaks_first() -> None:
    row, bot, model = await simulated(
        ["취소했습니다"], [MOVE.format("true", "A-1023 취소해 주세요"), GOAL], opening=None
    )
    assert bot.requests[0].messages[-1].content == "A-1023 취소해 주세요"
    assert (row.stop_reason, len(model.requests)) == ("goal", 2)


async def test_play__unusable_user_twice_is_not_the_chatbots_fault() -> None:
    row, bot, model = await simulated(["번호는?"], ["A-1023이요"])
    assert (row.stop_reason, row.answer.status) == ("simulator", RunStatus.ERROR)
    assert row.answer.error.kind is ErrorKind.BAD_RESPONSE
    assert row.answer.error.code == "simulator"
    assert "simulated user" in row.answer.error.message
    assert (len(bot.requests), len(model.requests)) == (1, 2)
    assert [(turn.text, turn.status) for turn in row.turns] == [("번호는?", RunStatus.OK)]
    assert row.answer.response is None
    assert row.simulator.usage.input_tokens == 200


async def test_play__user_that_never_comes_is_an_error_without_turns() -> None:
    lost = failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT)
    row, bot, _ = await simulated(["번호는?"], [lost], opening=None)
    assert (row.answer.status, row.answer.error.kind) == (RunStatus.ERROR, ErrorKind.TIMEOUT)
    assert (row.answer.error.code, row.turns, bot.requests) == ("simulator", (), [])


SCRIPTED = [
    {"user": "주문을 취소하고 싶어요"},
    {"user": "A-1023이요"},
    {"user": "언제 환불되나요?"},
]


async def test_run__scripted_turns_over_the_wire(tmp_path: Path) -> None:
    write_dataset(tmp_path, [{"id": "s", "scenario": {"turns": SCRIPTED}}])
    with ChatServer() as server:
        info = await run(make(tmp_path, endpoint(server.url)), resources())
    assert info.counts == {"ok": 1}
    sent = [[m["content"] for m in seen.body["messages"]] for seen in server.requests]
    assert [len(messages) for messages in sent] == [1, 3, 5]
    assert sent[2][:2] == ["주문을 취소하고 싶어요", "주문을 취소하고 싶어요"]
    row = rows(tmp_path / "runs" / "bot")[0]
    assert (row["status"], row["stop_reason"], len(row["turns"])) == ("ok", "script_end", 3)
    assert row["usage"]["input_tokens"] == 30
    assert len(row["response"]["messages"]) == 6


async def test_run__timeout_in_the_second_turn_keeps_the_first(tmp_path: Path) -> None:
    samples = [
        {"id": "s", "scenario": {"turns": SCRIPTED}},
        *[{"id": f"q{i}", "input": f"질문 {i}"} for i in range(5)],
    ]
    write_dataset(tmp_path, samples)

    def late(seen: Seen) -> Reply:
        return Reply(text="번호는?", hang="A-1023" in seen.text)

    with ChatServer(late) as server:
        limits = {"timeout_s": 0.3, "max_attempts": 1, "concurrency": 4}
        info = await run(make(tmp_path, endpoint(server.url), run=limits), resources())
    assert info.counts == {"ok": 5, "timeout": 1}
    row = rows(tmp_path / "runs" / "bot")[0]
    assert (row["status"], row["stop_reason"]) == ("timeout", "bot_timeout")
    assert [(t["user"], t.get("text"), t["status"]) for t in row["turns"]] == [
        ("주문을 취소하고 싶어요", "번호는?", "ok"),
        ("A-1023이요", "", "timeout"),
    ]


@pytest.mark.parametrize(("cache", "requests"), [(False, 5), ("cache.sqlite", 3)])
async def test_run__interrupted_conversation_is_asked_whole_again(
    tmp_path: Path, cache: str | bool, requests: int
) -> None:
    write_dataset(tmp_path, [{"id": "s", "scenario": {"turns": SCRIPTED}}])
    events: list[Any] = []
    given = resources(events)

    def stop_at_second(seen: Seen) -> Reply:
        if seen.number == 1:
            loop.call_soon_threadsafe(given.stop.set)
        return Reply(text=f"{seen.number}번째 답 {seen.text}", latency_s=0.05)

    loop = asyncio.get_running_loop()
    with ChatServer(stop_at_second) as server:
        config = make(tmp_path, endpoint(server.url), run={"cache": cache})
        with pytest.raises(Interrupted):
            await run(config, given)
        assert len(server.requests) == 2
        results = tmp_path / "runs" / "bot" / "run_results.jsonl"
        assert not results.is_file() or not results.read_text(encoding="utf-8")
        info = await run(config, resources())
    assert (info.counts, len(server.requests)) == ({"ok": 1}, requests)
    row = rows(tmp_path / "runs" / "bot")[0]
    assert [turn["user"] for turn in row["turns"]] == [turn["user"] for turn in SCRIPTED]
    assert [turn["cached"] for turn in row["turns"]] == [bool(cache), bool(cache), False]
