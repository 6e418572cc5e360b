"""Sentences, paragraphs, code."""

import pytest

from lm_eval_so.core.text.sentences import paragraphs, sentences, without_fences, without_marks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("네, 가능합니다. 내일 도착해요.", ["네, 가능합니다.", "내일 도착해요."]),
        ("정말요? 네! 그래요。 끝", ["정말요?", "네!", "그래요。", "끝"]),
        ("3.5점입니다.v1.2", ["3.5점입니다.v1.2"]),
        ("제목\n본문입니다", ["제목", "본문입니다"]),
        ("# 안내\n- 하나\n2) 둘\n> 셋\n> - 넷", ["안내", "하나", "둘", "셋", "넷"]),
        ("확인했습니다. 😊 ...", ["확인했습니다."]),
        ("전\n```\n코드입니다.\n```\n후", ["전", "후"]),
        ("정말요？　네！", ["정말요?", "네!"]),
        ("**굵게** 씁니다", ["**굵게** 씁니다"]),
        ("-5도입니다", ["-5도입니다"]),
        ("", []),
    ],
)
def test_sentences__end_with_a_mark_or_the_line(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\n```py\nb\n```\nc", "a\nc"),
        ("a\n~~~\nb\n```\nc\n~~~\nd", "a\nd"),
        ("a\n````\n```\nb\n````\nc", "a\nc"),
        ("a\n```\nb", "a"),
        ("`a` b", "`a` b"),
    ],
)
def test_without_fences__leaves_out_code(text: str, left: str) -> None:
    assert without_fences(text) == left


def test_paragraphs__are_parted_by_blank_lines() -> None:
    assert paragraphs("\n하나\n둘\n \n\n셋\n") == ["하나\n둘", "셋"]


def test_without_marks__of_hostile_lines_takes_no_time() -> None:
    assert without_marks("> " * 100_000 + "끝") == "끝"
