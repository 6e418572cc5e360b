"""Lines of text to blocks: paragraphs, lists, headings by their wording."""

import re

import pytest

from lm_eval_so.generator.documents.compose import compose
from lm_eval_so.generator.documents.text import TextLine, blocks_of, read_text, with_starts


def text_of(text: str, *patterns: str) -> str:
    return compose(read_text(text, tuple(map(re.compile, patterns)))).text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a line.\nits end.\n\n\nnext.", "a line. its end.\n\nnext."),
        ("First.\n- a\n  b\n* c\n  - d", "First.\n\n- a b\n- c\n  - d"),
        ("First.\n1) a\n2. b", "First.\n\n1. a\n2. b"),
        ("① 하나입니다.\n② 둘입니다.", "① 하나입니다.\n\n② 둘입니다."),
        ("배송 안내\n\n무료입니다.", "# 배송 안내\n\n무료입니다."),
        ("무료입니다.\n\n배송 안내", "무료입니다.\n\n배송 안내"),
        ("One policy", "One policy"),
        (
            "약관\n제1조 (목적)\n본문입니다.\n제1조의2 (정의)\n뜻입니다.",
            "# 약관\n\n## 제1조 (목적)\n\n본문입니다.\n\n## 제1조의2 (정의)\n\n뜻입니다.",
        ),
        (
            "제1장 총칙\n\n제1조(목적) 정합니다.\n\n제2장 회원\n\n제2조【가입】 합니다.",
            "# 제1장 총칙\n\n## 제1조(목적)\n\n정합니다.\n\n# 제2장 회원\n\n## 제2조【가입】\n\n합니다.",
        ),
        (
            "환불은 회사가\n제3조 및 제4조에 따라\n정합니다.",
            "환불은 회사가 제3조 및 제4조에 따라 정합니다.",
        ),
        ("제3조에 따라 환불합니다.", "제3조에 따라 환불합니다."),
        ("2026. 1. 2.부터 시행합니다.", "2026. 1. 2.부터 시행합니다."),
        ("well-\nknown words.", "well-known words."),
    ],
)
def test_text(text: str, read: str) -> None:
    assert text_of(text) == read


def test_headings__patterns_in_their_order_before_articles() -> None:
    text = "안내\n\n1. 배송\n\n■ 기간\n\n이틀입니다.\n\n2. 환불\n\n1. 먼저 신청합니다. 그리고 기다립니다."
    assert text_of(text, r"[0-9]\. \S{1,5}$", "■ ") == (
        "# 안내\n\n## 1. 배송\n\n### ■ 기간\n\n이틀입니다.\n\n## 2. 환불\n\n1. 먼저 신청합니다. 그리고 기다립니다."
    )


def test_starts__a_line_that_is_not_full_ends_its_paragraph() -> None:
    texts = ["a" * 50, "b" * 30 + ".", "c" * 48 + ".", "d" * 50, "e" * 20, "f" * 50]
    lines = with_starts([TextLine(text=text) for text in texts])
    assert [line.starts for line in lines] == [True, False, True, False, False, True]


def test_starts__short_lines_are_wrapped_nowhere() -> None:
    lines = with_starts([TextLine(text=f"line {i}") for i in range(3)])
    assert [block.text for block in blocks_of(lines)] == ["line 0", "line 1", "line 2"]
