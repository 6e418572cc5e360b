"""What holds of every pair of texts."""

import unicodedata
from typing import Any

import pytest
from evaluation import a_run, a_sample
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.evaluator.metrics.base import metrics

KOREAN = "환불은 3일 이내에 가능합니다 고양이가 서울의 《ㅋㅋ》 AI.,ａ\u1100\u1161　"
TEXT = st.one_of(st.text(KOREAN, max_size=30), st.text(max_size=15))

SYMMETRIC = [
    ("char_f1", {}),
    ("token_f1", {}),
    ("token_f1", {"josa": "strip"}),
    ("token_f1", {"unit": "morph", "josa": "strip"}),
    ("rouge_l", {"unit": "char"}),
    ("rouge_l", {"unit": "space"}),
    ("rouge_l", {"unit": "morph"}),
    ("edit_similarity", {}),
    ("edit_similarity", {"unit": "jamo"}),
]
ALL = [
    *SYMMETRIC,
    ("rouge_l", {}),
    ("chrf", {}),
    ("bleu", {}),
    ("bleu", {"tokenize": "13a"}),
    ("bleu", {"tokenize": "ko-mecab"}),
]


def value_of(name: str, params: dict[str, Any], answer: str, reference: str) -> float:
    metric = metrics.resolve(name)(params=params)
    score = metric.score(a_sample(expected=reference), a_run(answer))
    assert score.status is ScoreStatus.SCORED, score
    return score.value


@pytest.mark.parametrize(("name", "params"), ALL)
@settings(max_examples=60)
@given(TEXT, TEXT)
def test_overlap__within_the_range_and_one_of_the_text_itself(
    name: str, params: dict[str, Any], answer: str, reference: str
) -> None:
    assert 0 <= value_of(name, params, answer, reference) <= 1
    assert value_of(name, params, answer, answer) == 1


@pytest.mark.parametrize(("name", "params"), SYMMETRIC)
@settings(max_examples=60)
@given(TEXT, TEXT)
def test_overlap__symmetric(name: str, params: dict[str, Any], answer: str, reference: str) -> None:
    assert value_of(name, params, answer, reference) == value_of(name, params, reference, answer)


@pytest.mark.parametrize(("name", "params"), ALL)
@settings(max_examples=60)
@given(TEXT, TEXT)
def test_overlap__unicode_form_does_not_matter(
    name: str, params: dict[str, Any], answer: str, reference: str
) -> None:
    values = {
        value_of(name, params, unicodedata.normalize(form, answer), reference)
        for form in ("NFC", "NFD")
    }
    assert len(values) == 1


@pytest.mark.parametrize(("name", "params"), ALL)
@settings(max_examples=40)
@given(TEXT, TEXT, TEXT)
def test_overlap__another_reference_never_costs(
    name: str, params: dict[str, Any], answer: str, reference: str, other: str
) -> None:
    if params == {}:  # `auto` may cut otherwise because of the other one
        other = "".join(char for char in other if char.isascii())
    metric = metrics.resolve(name)(params=params)
    more = metric.score(a_sample(expected=reference, references=(other,)), a_run(answer))
    assert more.value >= value_of(name, params, answer, reference)


@pytest.mark.parametrize("name", ["char_f1", "chrf", "rouge_l"])
@given(st.lists(st.text("가나다라마", min_size=1, max_size=3), min_size=1))
def test_overlap__spacing_of_hangul_costs_nothing(name: str, words: list[str]) -> None:
    assert value_of(name, {}, "".join(words), " ".join(words)) == 1
