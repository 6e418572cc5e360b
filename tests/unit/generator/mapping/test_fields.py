from typing import Any

import pytest

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.generator.mapping import fields
from lm_eval_so.generator.mapping.fields import FieldError


@pytest.mark.parametrize(("value", "text"), [("가", "가"), (3, "3"), (0, "0"), (1.5, "1.5")])
def test_text_of__a_number_gives_its_digits(value: Any, text: str) -> None:
    assert fields.text_of(value, "input") == text


@pytest.mark.parametrize(
    ("value", "found"), [(True, "a truth value"), ([1], "an array"), ({}, "an object")]
)
def test_text_of__refuses_the_rest(value: Any, found: str) -> None:
    with pytest.raises(FieldError) as error:
        fields.text_of(value, "input")
    assert (error.value.reason, error.value.what) == (
        "bad_type",
        f"input: expected a text, found {found}",
    )


def test_texts_of__lists_count_by_their_items_once_each() -> None:
    assert fields.texts_of(["가", ["나", "", "가", None, 3]], "expected") == ("가", "나", "3")


@pytest.mark.parametrize(
    ("value", "tag"), [("ko", "ko"), ("KO", "ko"), ("en-GB", "en-GB"), ("zh-Hant-TW", "zh-Hant-TW")]
)
def test_language_of_field__is_a_tag(value: str, tag: str) -> None:
    assert fields.language_of_field(value) == tag


@pytest.mark.parametrize("value", ["한국어", "english", "e", "ko_KR", 3])
def test_language_of_field__refuses_other_words(value: Any) -> None:
    with pytest.raises(FieldError):
        fields.language_of_field(value)


@pytest.mark.parametrize(
    ("value", "behavior"),
    [
        (True, "answer"),
        (False, "abstain"),
        ("true", "answer"),
        ("FALSE", "abstain"),
        (1, "answer"),
        (0, "abstain"),
        ("예", "answer"),
        ("아니요", "abstain"),
        ("아니오", "abstain"),
    ],
)
def test_behavior_if_answerable__in_many_words(value: Any, behavior: str) -> None:
    assert fields.behavior_if_answerable(value) == behavior


@pytest.mark.parametrize("value", ["maybe", 2, [True]])
def test_behavior_if_answerable__refuses_others(value: Any) -> None:
    with pytest.raises(FieldError):
        fields.behavior_if_answerable(value)


def test_behavior_of__names_the_known_ones() -> None:
    assert fields.behavior_of("Refuse") == "refuse"
    with pytest.raises(FieldError) as error:
        fields.behavior_of("decline")
    assert error.value.hint == "one of answer, abstain, refuse, clarify, handoff"


@pytest.mark.parametrize(("value", "weight"), [(2, 2.0), ("0.5", 0.5), (1.5, 1.5)])
def test_weight_of__is_above_zero(value: Any, weight: float) -> None:
    assert fields.weight_of(value) == weight


@pytest.mark.parametrize("value", [0, -1, "x", "inf", "nan"])
def test_weight_of__refuses_others(value: Any) -> None:
    with pytest.raises(FieldError):
        fields.weight_of(value)


def test_passages_of__a_text_is_gold() -> None:
    given = {"role": "given", "text": "나", "doc_id": 7, "score": 0.3}
    assert fields.passages_of(["가", [given, ""]]) == (
        Passage(role="gold", text="가"),
        Passage(role="given", text="나", doc_id="7"),
    )


@pytest.mark.parametrize("value", [{"role": "system", "text": "x"}, {"role": "gold"}, True])
def test_passages_of__refuses_others(value: Any) -> None:
    with pytest.raises(FieldError):
        fields.passages_of([value])


def test_messages_of__a_conversation_with_a_tool() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    value = [
        {"role": "system", "content": "짧게"},
        {"role": "user", "content": "주문 찾아 줘"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "없음", "tool_call_id": "c1", "name": "f"},
    ]
    assert fields.messages_of(value) == (
        Message(role="system", content="짧게"),
        Message(role="user", content="주문 찾아 줘"),
        Message(role="assistant", tool_calls=(ToolCall(id="c1", name="f", arguments='{"x":1}'),)),
        Message(role="tool", content="없음", tool_call_id="c1", name="f"),
    )


def test_messages_of__arguments_may_be_an_object() -> None:
    call = {"name": "f", "arguments": {"나": 1}}
    value = [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "x"}]
    assert fields.messages_of(value)[0].tool_calls[0].arguments == '{"나":1}'


@pytest.mark.parametrize("key", ["role", "from", "type"])
def test_messages_of__speakers_by_any_name(key: str) -> None:
    made = fields.messages_of([{key: "human", "content": "가"}, {key: "ai", "content": "나"}])
    assert [message.role for message in made] == ["user", "assistant"]


def test_messages_of__a_cell_holds_json() -> None:
    cell = '[{"role": "user", "content": " 가\u200b "}]'
    assert fields.messages_of(cell) == (Message(role="user", content="가"),)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no json", "bad_type"),
        ({"role": "user"}, "bad_type"),
        (["x"], "bad_type"),
        ([{"role": "customer", "content": "x"}], "bad_type"),
        ([{"role": ["user"], "content": "x"}], "bad_type"),
        ([{"role": "user", "content": True}], "bad_type"),
        ([{"role": "user", "content": "x", "tool_calls": "f"}], "bad_type"),
        ([{"role": "user", "content": "x", "tool_calls": [{}]}], "bad_type"),
        ([{"role": "user", "content": [{"type": "image"}]}], "unsupported_content"),
    ],
)
def test_messages_of__what_cannot_be_asked(value: Any, reason: str) -> None:
    with pytest.raises(FieldError) as error:
        fields.messages_of(value)
    assert error.value.reason == reason
