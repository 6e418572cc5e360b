"""Documents that disagree."""

from dataclasses import replace
from typing import Any

from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.conflicts import conflict_lines, conflicts

CHANGES = (
    ("14일 안에", "10일 안에"),
    ("6,000원을 냅니다", "5,000원을 냅니다"),
    ("| 서울 | 3,000원 |", "| 서울 | 2,500원 |"),
    ("| 제주 | 6,000원 |", "| 제주 | 7,000원 |"),
)


def test_conflicts__an_edited_copy(returns: Document, document: Any) -> None:
    text = returns.text
    for old, new in CHANGES[1:]:
        assert old in text
        text = text.replace(old, new)
    edited = document(text, "returns_2023.md")
    found = list(conflicts([returns, edited]))
    assert [each.numbers for each in found] == [
        ("6,000", "5,000"),
        ("3,000", "2,500"),
        ("6,000", "7,000"),
    ]
    assert conflict_lines([returns, edited]) == [
        "returns.md and returns_2023.md disagree in 3 places: 6,000/5,000, 3,000/2,500, 6,000/7,000"
    ]


def test_conflicts__one_changed_number(returns: Document, document: Any) -> None:
    text = returns.text.replace(*CHANGES[0])
    found = list(conflicts([returns, document(text, "old.md")]))
    assert [each.numbers for each in found] == [("14", "10")]


def test_conflicts__none_in_the_same_words_or_among_other_documents(
    returns: Document, toy: list[Document]
) -> None:
    assert not list(conflicts([returns, replace(returns, file="copy.md")]))
    assert not list(conflicts(toy))
