"""Keys, copied words and search, measured on the documents of a shop and 108 questions about them."""

from collections import Counter
from typing import Any

import pytest

from lm_eval_so.generator.clean import language_of
from lm_eval_so.generator.writing.chunks import Chunk
from lm_eval_so.generator.writing.likeness import (
    Search,
    copied_runs,
    jaccard,
    key,
    keyed,
    without_numbering,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("배송비는 3,000원", "배송비는 3000원!"),
        ("3–5 days", "3-5 DAYS."),
        ("３～５일", "3~5일"),
        ("| 숲 | 3% |", "숲 3%"),
        ("10:30 (예약)", "10:30예약"),
    ],
)
def test_key__reads_the_same(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("3~5일", "35일"), ("1.5kg", "15kg"), ("5% 할인", "5 할인"), ("C++", "C"), ("<3", "3")],
)
def test_key__reads_otherwise(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_keyed__leads_back_to_the_text() -> None:
    text = "요금은 1,200,000원이고,  3–5일 걸립니다."
    span = keyed(text).span(key("1200000원이고 3~5일".replace("~", "-")))
    assert span is not None
    assert text[slice(*span)] == "1,200,000원이고,  3–5일"
    assert keyed(text).span("") is None
    assert keyed(text).span(key("없는 말")) is None


def test_without_numbering() -> None:
    titles = (
        "2. 목적",
        "제 3 조의2 목적",
        "① 목적",
        "가. 목적",
        "Section 3: 목적",
        "1.2 목적",
        "목적",
    )
    assert {without_numbering(title) for title in titles} == {"목적"}
    assert without_numbering("3M tape") == "3M tape"


def test_copied__the_table(
    copied_words: list[dict[str, str]], toy_chunks: list[Chunk], team: Any
) -> None:
    found: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    for each in copied_words:
        own = next(
            c for c in toy_chunks if c.document.file == each["file"] and each["needle"] in c.text
        )
        kind = each["style"], language_of(each["question"])
        asked[kind] += 1
        found[kind] += bool(copied_runs(each["question"], own.with_heading))
    for question in team:
        kind = "team", language_of(question)
        asked[kind] += 1
        found[kind] += any(copied_runs(question, chunk.with_heading) for chunk in toy_chunks)
    assert sum(asked.values()) == 108
    assert {kind: (found[kind], asked[kind]) for kind in sorted(asked)} == {
        ("copying", "en"): (10, 10),
        ("copying", "ko"): (28, 30),
        ("customer", "en"): (0, 10),
        ("customer", "ko"): (0, 30),
        ("team", "en"): (1, 4),
        ("team", "ko"): (0, 24),
    }


def test_copied__a_name_alone_is_no_copy() -> None:
    passage = "생일 쿠폰은 그달 말일까지 쓸 수 있습니다."
    assert copied_runs("생일쿠폰은 언제?", passage) == ()
    assert copied_runs("생일쿠폰은 말일까지 쓸 수 있나요?", passage) == (
        "생일쿠폰은",
        "말일까지 쓸 수 있",
    )


def test_jaccard() -> None:
    assert jaccard("가나다", "가나다!") == 1
    assert jaccard("가나다", "라마바") == 0
    assert jaccard("일본으로 3kg 배송비 얼마예요?", "미국으로 3kg 배송비 얼마예요?") > 0.6


def test_search__phrases_find_what_the_question_alone_does_not(
    copied_words: list[dict[str, str]], toy_chunks: list[Chunk]
) -> None:
    search = Search(toy_chunks, lambda chunk: chunk.with_heading)
    found: Counter[str] = Counter()
    for each in copied_words:
        best = search.best(each["question"], most=5)
        own = [c for c in best if c.document.file == each["file"] and each["needle"] in c.text]
        found[each["style"]] += bool(own)
    assert found["copying"] == 40
    assert 20 <= found["customer"] < 32
    assert search.best("칫솔 위생용품", "속옷", most=1) == [
        next(chunk for chunk in toy_chunks if "위생용품" in chunk.text)
    ]
    assert search.best("xyzzy", most=5) == []
