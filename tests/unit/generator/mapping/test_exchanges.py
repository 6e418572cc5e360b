from typing import Any

import pytest

from lm_eval_so.core.config.sources import Turns
from lm_eval_so.generator.mapping.exchanges import asked_of
from lm_eval_so.generator.mapping.fields import FieldError, messages_of

CALL = {"role": "assistant", "tool_calls": [{"name": "find"}]}
TALK: list[tuple[str, str] | dict[str, Any]] = [
    ("system", "짧게"),
    ("user", "안녕하세요"),
    ("user", "배송비는?"),
    ("assistant", "찾아볼게요"),
    CALL,
    ("tool", "3000"),
    ("assistant", "3,000원이고"),
    ("assistant", "5만 원부터 무료예요"),
    ("user", "교환은?"),
    ("assistant", "됩니다"),
]


def messages(*said: tuple[str, str] | dict[str, Any]) -> Any:
    return messages_of(
        [each if isinstance(each, dict) else {"role": each[0], "content": each[1]} for each in said]
    )


@pytest.mark.parametrize(
    ("turns", "asked"),
    [
        ("last", [(9, "교환은?", "됩니다", {})]),
        ("first", [(6, "3000", "3,000원이고\n5만 원부터 무료예요", {"turn": 1})]),
        (
            "every",
            [
                (6, "3000", "3,000원이고\n5만 원부터 무료예요", {"turn": 1}),
                (9, "교환은?", "됩니다", {"turn": 2}),
            ],
        ),
    ],
)
def test_asked_of__a_question_has_its_calls_and_the_answer_all_its_parts(
    turns: Turns, asked: list[Any]
) -> None:
    found = asked_of(messages(*TALK), turns)
    assert [(len(a.messages), a.messages[-1].content, a.answer, a.at) for a in found] == asked


def test_asked_of__a_scenario_has_the_turns_of_the_user() -> None:
    (asked,) = asked_of(messages(*TALK, *[("user", f"{n}?") for n in range(9)]), "scenario")
    assert asked.scenario is not None
    assert [t.user for t in asked.scenario.turns][:2] == ["안녕하세요\n배송비는?", "교환은?"]
    assert (asked.system, asked.answer, asked.messages) == ("짧게", None, ())
    long = [("user", "?"), ("assistant", "!")] * 9
    (asked,) = asked_of(messages(*long), "scenario")
    assert asked.scenario is not None
    assert asked.scenario.stop.max_turns == len(asked.scenario.turns) == 9


@pytest.mark.parametrize(
    ("said", "reason", "what"),
    [
        ([], "no_user_turn", "there is no message of a user"),
        ([("assistant", "안녕하세요")], "no_user_turn", "there is no message of a user"),
        ([("user", "?"), CALL], "no_user_turn", "it ends with a message of the assistant"),
        ([("user", "?"), ("system", "x")], "no_user_turn", "it ends with a message of the system"),
    ],
)
def test_asked_of__an_end_that_is_neither_question_nor_answer(
    said: list[Any], reason: str, what: str
) -> None:
    for turns in ("last", "every", "scenario"):
        with pytest.raises(FieldError) as error:
            asked_of(messages(*said), turns)
        assert error.value.reason == reason
        assert error.value.what.startswith(what)


def test_asked_of__an_unanswered_call_in_the_middle_is_no_question() -> None:
    found = asked_of(messages(("user", "1?"), CALL, ("user", "2?")), "every")
    assert [(each.messages[-1].content, each.answer) for each in found] == [("2?", None)]
