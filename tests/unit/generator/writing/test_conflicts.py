"""Documents that disagree."""

from dataclasses import replace
from typing import Any

from lm_eval_so.core.config.sources import SynthesiseSection
from lm_eval_so.core.records.enums import Language
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.conflicts import conflict_lines, conflicts, superseded_passages
from lm_eval_so.generator.writing.write import Material, Work

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
    places = "6,000/5,000, 3,000/2,500, 6,000/7,000"
    said = f"returns.md and returns_2023.md disagree in 3 places: {places}"
    assert conflict_lines([returns, edited], Language.EN) == [(said, False)]
    said = f"returns.md 문서와 returns_2023.md 문서의 내용이 3곳에서 다릅니다: {places}"
    assert conflict_lines([returns, edited], Language.KO) == [(said, False)]


def test_conflicts__long_tables_are_told_in_a_short_line(document: Any) -> None:
    old, new = (
        "| 상품 | 가격 |\n|---|---|\n" + "\n".join(f"| 상품 이름 {n} | {n + more},000원 |" for n in range(300))
        for more in (0, 1)
    )  # fmt: skip
    ((line, _),) = conflict_lines([document(old, "a.md"), document(new, "b.md")], Language.EN)
    assert line.startswith("a.md and b.md disagree in 300 places: 0,000/1,000, 1,000/2,000, ")
    assert line.endswith("7,000/8,000, …")


def test_conflicts__one_changed_number(returns: Document, document: Any) -> None:
    text = returns.text.replace(*CHANGES[0])
    found = list(conflicts([returns, document(text, "old.md")]))
    assert [each.numbers for each in found] == [("14", "10")]


def test_conflicts__none_in_the_same_words_or_among_other_documents(
    returns: Document, toy: list[Document]
) -> None:
    assert not list(conflicts([returns, replace(returns, file="copy.md")]))
    assert not list(conflicts(toy))


def test_conflicts__with_a_superseded_document_alone(returns: Document, document: Any) -> None:
    old, other = (
        document(returns.text.replace(*CHANGES[n]), name)
        for n, name in ((0, "old.md"), (1, "other.md"))
    )
    newer = replace(returns, supersedes=("old.md", "returns.md"))
    found = list(conflicts([old, newer, other]))
    assert [(*(d.file for d in c.documents), c.is_settled, c.numbers) for c in found] == [
        ("returns.md", "old.md", True, ("14", "10")),
        ("returns.md", "other.md", False, ("6,000", "5,000")),
    ]
    ((new_passage, old_passage),) = superseded_passages([old, newer, other])
    assert "14일 안에" in new_passage.text
    assert "10일 안에" in old_passage.text
    work = Work(Material(documents=[old, newer]), SynthesiseSection(mix={"fact": 1}), 7)
    files = [chunk.document.file for chunk in work.chunks]
    files += [each.draft.slot.chunk.document.file for each in work.look_ups().written]
    assert set(files) == {"returns.md"}
