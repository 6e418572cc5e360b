import json
from pathlib import Path

import pytest
from servers.runs import write_dataset

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import row_seed
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import Passage, Scenario, TestSample, UserTurn
from lm_eval_so.errors import DatasetError
from lm_eval_so.runner.plan import LEFT_OUT, Asking, jobs, plan_rows

ASKING = Asking(params={"model": "m"}, system="답하세요", seed=7, repeats=2)


def sample(name: str, **fields: object) -> TestSample:
    given = {"messages": (Message(role="user", content=f"환불 {name}?"),), **fields}
    return TestSample(id=name, **given)


def keys_of(*samples: TestSample, repeats: int = 2):
    return plan_rows(samples, repeats=repeats, skips=lambda *_: False)


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
    keys = plan_rows(samples, repeats=2, skips=lambda sample_id, _, __: sample_id == "b")
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


def test_plan_rows__names_all_samples_that_cannot_be_asked():
    scenario = Scenario(turns=(UserTurn(user="취소요"),))
    samples = [sample("a"), sample("b", messages=(), scenario=scenario), sample("c", tools=({},))]
    with pytest.raises(DatasetError) as failed:
        keys_of(*samples)
    assert [p.what for p in failed.value.problems] == [
        'sample "b" has a scenario, which this version cannot play',
        'sample "c" has tools, which this version cannot offer to the chatbot',
    ]


def test_plan_rows__corrected_reference_keeps_the_key(tmp_path: Path):
    def keys(expected: str):
        write_dataset(tmp_path, [{"id": "a", "input": "환불?", "expected": expected}])
        return list(keys_of(*load_dataset(tmp_path)))

    assert keys("3일") == keys("사흘")
    text = (tmp_path / "test.jsonl").read_text(encoding="utf-8")
    assert json.loads(text)["expected"] == "사흘"
