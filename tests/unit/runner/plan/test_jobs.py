import json
from dataclasses import replace
from pathlib import Path

import pytest
from servers.runs import write_dataset

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import row_seed
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import (
    Passage,
    Scenario,
    SimulatedUser,
    Stop,
    TestSample,
    UserTurn,
)
from lm_eval_so.errors import DatasetError
from lm_eval_so.runner.plan.jobs import LEFT_OUT, RequestSettings, jobs, plan_rows

ASKING = RequestSettings(params={"model": "m"}, system="답하세요", seed=7, repeats=2)
TOOL = {"type": "function", "function": {"name": "weather"}}


def sample(name: str, **fields: object) -> TestSample:
    given = {"messages": (Message(role="user", content=f"환불 {name}?"),), **fields}
    return TestSample(id=name, **given)


def keys_of(*samples: TestSample, **asking: object):
    return plan_rows(samples, replace(ASKING, **asking), skips=lambda *_: False).keys


def problems_of(*samples: TestSample, **asking: object) -> list[str]:
    with pytest.raises(DatasetError) as failed:
        keys_of(*samples, **asking)
    return [problem.what for problem in failed.value.problems]


def test_row_seed__the_same_on_every_machine():
    assert row_seed(7, "refund-001", 0) == 1749225947
    assert row_seed(7, "refund-001", 1) == 270050084


def test_jobs__dataset_order_with_seed_and_facts():
    samples = [sample("a", tags=("refund",), language="ko"), sample("b")]
    planned = list(jobs(samples, keys_of(*samples), set(), ASKING))
    assert [(job.sample_id, job.repeat) for job in planned] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
    ]
    request = planned[0].request
    assert (request.system, request.params) == ("답하세요", {"model": "m"})
    assert planned[1].seed == request.seed + planned[1].seed - request.seed == row_seed(7, "a", 1)
    assert request.metadata["tags"] == ["refund"]
    assert request.metadata["sample_hash"] == planned[0].sample_hash
    assert len({job.request.session for job in planned}) == 4


def test_jobs__without_what_is_done_or_left_out():
    samples = [sample("a"), sample("b"), sample("c")]
    keys = plan_rows(samples, ASKING, skips=lambda sample_id, _, __: sample_id == "b").keys
    assert list(keys[2:4]) == [LEFT_OUT, LEFT_OUT]
    left = list(jobs(samples, keys, {keys[0]}, ASKING))
    assert [(job.sample_id, job.repeat) for job in left] == [("a", 1), ("c", 0), ("c", 1)]
    assert [job.key for job in left] == [keys[1], keys[4], keys[5]]


def test_jobs__dataset_that_changes_meanwhile():
    keys = keys_of(sample("a"))
    changed = [sample("a", messages=(Message(role="user", content="다른 질문"),))]
    with pytest.raises(DatasetError, match="changed while it was asked"):
        list(jobs(changed, keys, set(), ASKING))


def test_jobs__given_passages_before_the_last_question():
    messages = (
        Message(role="user", content="안녕"),
        Message(role="assistant", content="네"),
        Message(role="user", content="환불은?"),
    )
    context = (
        Passage(role="given", text="하나"),
        Passage(role="gold", text="secret"),
        Passage(role="given", text="둘"),
    )
    given = [sample("a", messages=messages, context=context)]
    request = next(jobs(given, keys_of(*given), set(), ASKING)).request
    assert [m.content for m in request.messages] == ["안녕", "네", "하나\n\n둘\n\n환불은?"]


def test_jobs__sample_brings_its_own_system_prompt():
    given = [sample("a", system="")]
    assert next(jobs(given, keys_of(*given), set(), ASKING)).request.system == ""


def test_jobs__session_is_fresh_in_every_pass():
    given = [sample("환불/1")]
    passes = [
        replace(ASKING, token=token)
        for token in (RequestSettings(params={}, system=None, seed=7, repeats=2).token, "ab")
    ]
    sessions = [
        [job.request.session for job in jobs(given, keys_of(*given), set(), asking)]
        for asking in passes
    ]
    assert len({*sessions[0], *sessions[1]}) == 4
    assert all(session.isascii() for session in sessions[0])


def test_jobs__tools_of_config_or_sample():
    own = {"type": "function", "function": {"name": "own"}}
    samples = [sample("a"), sample("b", tools=(own,))]
    asking = replace(ASKING, tools=(TOOL,), tool_choice="auto", can_use_tools=True, repeats=1)
    keys = keys_of(*samples, tools=(TOOL,), can_use_tools=True, repeats=1)
    asked = [job.request for job in jobs(samples, keys, set(), asking)]
    assert [request.tools for request in asked] == [(TOOL,), (own,)]
    assert {request.tool_choice for request in asked} == {"auto"}
    bare = replace(asking, tools=())
    first = next(jobs(samples, keys, set(), bare)).request
    assert (first.tools, first.tool_choice) == ((), None)


def test_jobs__metadata_of_the_sample_is_there_for_templates():
    given = [sample("a", metadata={"channel": "앱"})]
    request = next(jobs(given, keys_of(*given), set(), ASKING)).request
    assert request.metadata["metadata"] == {"channel": "앱"}


@pytest.mark.parametrize(
    ("scenario", "first"),
    [
        (Scenario(turns=(UserTurn(user="취소요"), UserTurn(user="네"))), ["하나\n\n취소요"]),
        (Scenario(simulated_user=SimulatedUser(goal="g", opening="저기요")), ["하나\n\n저기요"]),
        (Scenario(simulated_user=SimulatedUser(goal="g")), []),
    ],
)
def test_jobs__scenario_begins_with_what_is_known(scenario: Scenario, first: list[str]):
    passages = (Passage(role="given", text="하나"),)
    given = [sample("a", messages=(), scenario=scenario, context=passages)]
    job = next(jobs(given, keys_of(*given, has_simulator=True), set(), ASKING))
    assert [m.content for m in job.request.messages] == first
    assert job.sample is given[0]


def test_plan_rows__names_all_samples_that_cannot_be_asked():
    user = Scenario(simulated_user=SimulatedUser(goal="취소"))
    samples = [
        sample("a"),
        sample("b", messages=(), scenario=user),
        sample("c", tools=(TOOL,)),
        sample("d", tool_results=({"name": "weather", "result": 1},)),
    ]
    assert problems_of(*samples, tools=(TOOL,)) == [
        "the backend cannot be offered tools",
        "2 samples (c, d) with tools, which the backend cannot be offered",
        "1 sample (b) with a simulated user, whom nobody plays",
    ]
    plan = plan_rows(
        samples, replace(ASKING, can_use_tools=True, has_simulator=True), skips=lambda *_: False
    )
    assert (len(plan.keys), plan.simulates) == (8, True)


def test_plan_rows__those_of_other_shards_are_looked_at_and_not_asked():
    user = Scenario(simulated_user=SimulatedUser(goal="취소"))
    samples = [sample("a"), sample("b", messages=(), scenario=user), sample("c")]
    settings = replace(ASKING, has_simulator=True, repeats=2)
    plan = plan_rows(samples, settings, skips=lambda *_: False, has={"a", "c"}.__contains__)
    assert plan.simulates
    assert [job.sample_id for job in plan.todo(set())] == ["a", "a", "c", "c"]
    with pytest.raises(DatasetError, match="whom nobody plays"):
        plan_rows(samples, ASKING, skips=lambda *_: False, has={"a", "c"}.__contains__)


def test_plan_rows__many_names_have_an_end():
    samples = [sample(f"q{i:02}", tools=(TOOL,)) for i in range(25)]
    problem = problems_of(*samples)[0]
    assert problem.startswith("25 samples (q00, ")
    assert "q19, and 5 more) with tools" in problem


@pytest.mark.parametrize(
    ("scenario", "what"),
    [
        (Scenario(), "a scenario has either turns or a simulated_user"),
        (
            Scenario(turns=(UserTurn(user="가"),), simulated_user=SimulatedUser(goal="g")),
            "a scenario has either turns or a simulated_user",
        ),
        (
            Scenario(turns=(UserTurn(user="가", when="나"),)),
            "scenario.turns[0].when has no answer to look at",
        ),
        (
            Scenario(turns=(UserTurn(user="가"), UserTurn(user="나", when="("))),
            "scenario.turns[1].when is no regular expression: missing )",
        ),
        (
            Scenario(turns=(UserTurn(user="가"),), stop=Stop(on_match="[")),
            "scenario.stop.on_match is no regular expression: unterminated",
        ),
        (
            Scenario(turns=(UserTurn(user="가"),), stop=Stop(max_turns=0)),
            "scenario.stop.max_turns must be 1 or more",
        ),
        (
            Scenario(turns=(UserTurn(user="가"),), stop=Stop(give_up_after=0)),
            "scenario.stop.give_up_after must be 1 or more",
        ),
    ],
)
def test_plan_rows__scenarios_that_cannot_be_played(scenario: Scenario, what: str):
    given = sample("b", messages=(), scenario=scenario)
    (problem,) = problems_of(sample("a"), given, has_simulator=True)
    assert problem.startswith(f'sample "b": {what}')


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"result": 1}, "needs a name and a result"),
        ({"name": "weather"}, "needs a name and a result"),
        ({"name": "weather", "arguments": [1], "result": 1}, "has arguments that are no mapping"),
        ({"name": "weather", "argument": {}, "result": 1}, 'has an unknown key "argument"'),
    ],
)
def test_plan_rows__rows_of_tool_results_that_make_no_sense(row: dict, what: str):
    given = sample("b", tool_results=({"name": "a", "result": None}, row))
    assert problems_of(given, can_use_tools=True) == [f'sample "b": tool_results[1] {what}']


def test_plan_rows__corrected_reference_keeps_the_key(tmp_path: Path):
    def keys(expected: str):
        write_dataset(tmp_path, [{"id": "a", "input": "환불?", "expected": expected}])
        return list(keys_of(*load_dataset(tmp_path)))

    assert keys("3일") == keys("사흘")
    text = (tmp_path / "test.jsonl").read_text(encoding="utf-8")
    assert json.loads(text)["expected"] == "사흘"
