import unicodedata

import pytest

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.generator.dedup import question_key, text_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("배송비는 얼마인가요?", unicodedata.normalize("NFD", "배송비는 얼마인가요?")),
        ("배송비는 얼마인가요?", " 배송비는  얼마인가요 ? "),
        ("배송비는 얼마인가요?", "배송비는 얼마인가요？"),
        ("3,000원", "3000원"),
        ("1,234,567", "1234567"),
        ("Refund?", "refund"),
        ("ＡＢＣ", "abc"),
        ("끝. 다음", "끝 다음"),
        ("self-service", "self service"),
    ],
)
def test_text_key__the_same_to_a_reader(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5배", "15배"),
        ("C++", "C"),
        ("C#", "C"),
        ("10%", "10"),
        ("10:30", "1030"),
        ("2024-01", "202401"),
        ("자전거 배송비", "배송비"),
        ("일본으로 3kg", "미국으로 3kg"),
        ("हिंदी", "हदी"),
        ("???", "!!!"),
        ("👍", "👎"),
    ],
)
def test_text_key__what_differs_stays_apart(one: str, other: str) -> None:
    assert text_key(one) != text_key(other)


def test_question_key__is_of_everything_that_is_given() -> None:
    def key(*messages: Message, context: tuple[Passage, ...] = ()) -> bytes:
        return question_key(TestSample(id="x", messages=messages, context=context))

    asked = Message(role="user", content="얼마예요?")
    given, gold = Passage(role="given", text="가"), Passage(role="gold", text="가")
    keys = [
        key(asked),
        key(Message(role="system", content="짧게"), asked),
        key(Message(role="user", content="짧게"), asked),
        key(asked, context=(given,)),
    ]
    assert len(set(keys)) == len(keys)
    assert key(asked, context=(gold,)) == key(asked)
