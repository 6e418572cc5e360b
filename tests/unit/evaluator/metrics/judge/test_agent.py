"""`agent`: what a chatbot did with its tools, by aspect."""

import re
from dataclasses import replace
from typing import Any

import pytest
from evaluation import a_run, a_sample
from rag_judges import label, make

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.run import Response, RunResult, Turn
from lm_eval_so.core.records.sample import Scenario, TestSample, UserTurn
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.judge.agent import Agent

CALL = ToolCall(id="c1", name="cancel_order", arguments='{"id": 1}')
ASKED = Message(role="user", content="주문 1번을 취소해 주세요")
TOOL = {"type": "function", "function": {"name": "cancel_order", "description": "주문 취소"}}
SAMPLE = a_sample(messages=(ASKED,), expected=None, system="반말을 쓰지 않는다", tools=(TOOL,))
DONE = (
    ASKED,
    Message(role="assistant", tool_calls=(CALL,)),
    Message(role="tool", tool_call_id="c1", content='{"ok": false}'),
    Message(role="assistant", content="취소했습니다"),
)
RUN = a_run(None, response=Response(text="취소했습니다", tool_calls=(CALL,), messages=DONE))
PLAYED = a_sample(
    messages=(), scenario=Scenario(turns=(UserTurn(user=ASKED.content),)), system="존댓말"
)
TURN = Turn(user=ASKED.content, text="취소했습니다", tool_calls=(CALL,), status=RunStatus.OK)


def words(metric: Agent, sample: TestSample, run: RunResult) -> list[str]:
    found = re.findall(r"<<([A-Z 0-9]+?) \w+>>", metric.first_prompt(sample, run) or "")
    return [word for word in found if word != "END"]


@pytest.mark.parametrize("language", Language)
def test_request__shows_what_was_done(language: Language) -> None:
    metric, _ = make(Agent, template=language)
    assert words(metric, SAMPLE, RUN) == [
        *("TOOLS", "INSTRUCTIONS", "INPUT", "ANSWER", "TOOL CALLS", "TOOL RESULTS"),
    ]
    text = metric.first_prompt(SAMPLE, RUN)
    assert '\n{"name": "cancel_order", "description": "주문 취소"}\n' in text
    assert '\n1. cancel_order({"id": 1})\n' in text
    assert '\n1. {"ok": false}\n' in text
    played = a_run(None, response=Response(text="취소했습니다", messages=DONE), turns=(TURN,))
    assert words(metric, PLAYED, played) == [
        *("INSTRUCTIONS", "USER 1", "ASSISTANT 1", "TOOL CALLS 1", "TOOL RESULTS 1"),
    ]
    bare = a_sample(messages=(ASKED,), expected=None)
    assert words(metric, bare, RUN)[:1] == ["INPUT"]
    metric.env = replace(metric.env, system="반말을 쓰지 않는다", tools=[TOOL])  # of the config
    assert metric.first_prompt(bare, RUN) == text
    assert "존댓말" in (metric.first_prompt(PLAYED, played) or "")
    prompts = [
        make(Agent, template=language, aspect=aspect, rubric="OWN")[0].first_prompt(SAMPLE, RUN)
        for aspect in ("completed", "arguments", "steps")
    ]
    assert len({*prompts}) == 3
    assert all("\n\nOWN\n" in prompt for prompt in prompts)
    assert say("judge.aspect_steps", language) in prompts[2]


@pytest.mark.parametrize(
    ("aspect", "run", "expected"),
    [
        ("completed", RUN, (0.5, "partial", None, False, 1)),
        ("arguments", RUN, (0.5, "partial", None, False, 1)),
        ("completed", a_run("못 합니다"), (0.5, "partial", None, False, 1)),
        ("completed", a_run("", status=RunStatus.EMPTY), (0, "bad", "empty_answer", False, 0)),
        ("arguments", a_run("못 합니다"), (1, "good", None, True, 0)),
        ("steps", a_run("", status=RunStatus.EMPTY), (1, "good", None, True, 0)),
    ],
)
async def test_score__label_or_what_takes_no_judge(
    aspect: str, run: RunResult, expected: Any
) -> None:
    metric, (asker,) = make(Agent, [label("partial")], aspect=aspect)
    score = await metric.score(SAMPLE, run)
    asked = len(asker.requests)
    assert (score.value, score.label, score.code, score.vacuous, asked) == expected
    assert metric.calls(SAMPLE, run) == asked


async def test_score__failed_turn_has_no_score() -> None:
    metric, (asker,) = make(Agent, [label("good")])
    failed = Turn(user="?", tool_calls=(CALL,), status=RunStatus.TIMEOUT)
    score = await metric.score(PLAYED, a_run("x", turns=(failed,)))
    assert (score.value, score.code, asker.requests) == (None, "run_error", [])
