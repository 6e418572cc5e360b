"""Edit distance, held against the plain matrix."""

import time
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.text.edits import common_length, edit_distance, is_nearly, nearest_text

TEXTS = st.text(alphabet="ab가나 ", max_size=40)


def matrix(one: str, other: str) -> int:
    above = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            row.append(min(row[-1] + 1, above[j] + 1, above[j - 1] + (left != right)))
        above = row
    return above[-1]


@given(TEXTS, TEXTS)
def test_edit_distance__that_of_the_matrix(one: str, other: str) -> None:
    assert edit_distance(one, other) == matrix(one, other)


@given(TEXTS, TEXTS, st.integers(0, 10))
def test_edit_distance__stops_where_it_may(one: str, other: str, most: int) -> None:
    assert edit_distance(one, other, at_most=most) == min(matrix(one, other), most + 1)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    above = [0] * (len(other) + 1)
    for left in one:
        row = [0]
        for j, right in enumerate(other, start=1):
            row.append(above[j - 1] + 1 if left == right else max(row[-1], above[j]))
        above = row
    return above[-1]


@given(TEXTS, TEXTS)
def test_common_length__that_of_the_table(one: str, other: str) -> None:
    assert common_length(one, other) == common(one, other)
    assert common_length(one.split(), other.split()) == common(one.split(), other.split())


@given(TEXTS, TEXTS, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
def test_is_nearly__that_of_the_distance(one: str, other: str, similarity: float) -> None:
    longest = max(len(one), len(other))
    expected = not longest or 1 - matrix(one, other) / longest >= similarity - 1e-9
    assert is_nearly(one, other, similarity=similarity) == expected


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("환블-1", "환불-1"),
        ("refnud-014", "refund-014"),
        ("환불-3", None),  # two are as near
        ("교환", None),
        ("", None),
    ],
)
def test_nearest_text__is_the_only_near_one(text: str, near: str | None) -> None:
    known = ["환불-1", "환불-2", "refund-014", "refund-113"]
    assert nearest_text(text, known, similarity=0.7) == near
    assert nearest_text(text, [], similarity=0.7) is None


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("kitten", "sitting", 3),
        ("환불은 3일", "환불은 5일", 1),
        ("주문번호를 알려 주세요", "주문 번호를 알려주세요", 2),
        ("", "가나", 2),
    ],
)
def test_edit_distance__known_pairs(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_is_nearly__unicode_form_does_not_matter() -> None:
    text = "환불은 영업일 기준 3일 안에 처리됩니다"
    assert is_nearly(text, unicodedata.normalize("NFD", text), similarity=1)


def test_is_nearly__one_in_twenty_characters_is_the_border() -> None:
    assert is_nearly("가" * 20, "가" * 19 + "나", similarity=0.95)
    assert not is_nearly("가" * 19, "가" * 18 + "나", similarity=0.95)


def test_edit_distance__long_answers_take_no_time_that_is_felt() -> None:
    one, other = "환불 규정은 다음과 같습니다. " * 250, "x" + "환불 규정은 다음과 갔습니다. " * 250
    began = time.process_time()
    assert edit_distance(one, other) == 251
    assert time.process_time() - began < 10
