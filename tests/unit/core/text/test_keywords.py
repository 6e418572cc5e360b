"""The keyword rule."""

import unicodedata

import pytest

from lm_eval_so.core.text.keywords import keyword_finder


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("3일", "영업 일 기준 3 일입니다", True),
        ("영업일", "영업 일 기준", True),
        ("3일", "13일 걸립니다", False),
        ("3일", "0.3일", False),
        ("3", "3.5점", False),
        ("3", "정답은 3.", True),
        ("000", "1,000원", False),
        ("500", "1, 500", True),
        ("1", "1,000원", False),
        ("1", "1,2번", True),
        ("AI", "I said so", False),
        ("AI", "An AI bot", True),
        ("AI", "aid", True),
        ("GPT 4", "GPT4", False),
        ("환불 정책", "환불정책을 보세요", True),
        ("환불정책", "환불 정책", True),
        ("ＶＩＳＡ", "visa card", True),
        ("무료", "유료", False),
        ("C++", "c++로", True),
    ],
)
def test_keyword_finder__auto(keyword: str, text: str, found: bool) -> None:
    assert keyword_finder(text)(keyword) is found
    assert keyword_finder(unicodedata.normalize("NFD", text))(keyword) is found


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("사과", "사과는 과일", True),
        ("사과", "사과나무", False),
        ("사과", "풋사과", False),
        ("사과", "'사과'입니다", True),
        ("사과", "사과입니다.", True),
        ("사과", "사과은", False),
        ("성", "성은 김입니다", True),
        ("성", "성공", False),
        ("pay", "Pay로 결제", True),
        ("pay", "payment", False),
        ("환불 정책", "환불정책은", True),
        ("환불정책", "환불 정책은", True),
        ("3일", "13일", False),
        ("3일", "3일이에요", True),
        ("credit card", "a credit card.", True),
        ("credit card", "creditcard", False),
    ],
)
def test_keyword_finder__word(keyword: str, text: str, found: bool) -> None:
    assert keyword_finder(text, boundary="word")(keyword) is found


def test_keyword_finder__empty_keyword_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        keyword_finder("text")("\u200b ")
