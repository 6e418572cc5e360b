"""JSON from a model, with one repair."""

import json

import pytest
from evaluation import SaidAsker

from lm_eval_so.core.asking.answer.json_answer import Unusable, ask_for_json, find_objects, writable
from lm_eval_so.core.records.chat import ChatRequest, Message

REQUEST = ChatRequest(messages=(Message(role="user", content="환불은?"),), turn=4)


def read(output: str) -> int | Unusable:
    found = find_objects(output, "days")
    return found[0]["days"] if found else Unusable(code="no_json", figures={"said": output})


async def test_ask_for_json__usable_at_once() -> None:
    asker = SaidAsker('여기 있습니다: {"days": 3}')
    found, answers = await ask_for_json(asker.ask, REQUEST, read=read, repair=str)
    assert (found, len(answers)) == (3, 1)


async def test_ask_for_json__one_repair_says_what_was_wrong() -> None:
    asker = SaidAsker("사흘", '{"days": 3}')
    found, answers = await ask_for_json(
        asker.ask, REQUEST, read=read, repair=lambda why: f"{why.code}: {why.figures['said']}"
    )
    assert (found, len(answers)) == (3, 2)
    second = asker.requests[1]
    assert [m.content for m in second.messages] == ["환불은?", "사흘", "no_json: 사흘"]
    assert second.turn == 5


async def test_ask_for_json__never_twice_repaired() -> None:
    found, answers = await ask_for_json(
        SaidAsker("사흘", "나흘").ask, REQUEST, read=read, repair=lambda _: "JSON!"
    )
    assert found == Unusable(code="no_json", figures={"said": "나흘"})
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("output", "days"),
    [
        ('```json\n{"days": 3}\n```', [3]),
        ('{"other": 1} {"days": 3} {"days": 5}', [3, 5]),
        ('{"in": {"days": 3}}', []),
        ("{" * 5000, []),
        ('{"days": 3', []),
    ],
)
def test_find_objects__only_those_with_the_key(output: str, days: list[int]) -> None:
    assert [each["days"] for each in find_objects(output, "days")] == days


def test_writable__half_a_surrogate_pair() -> None:
    assert writable(json.loads('"가\\ud83d"')) == "가?"
