"""Particles, copula, spacing."""

import pytest

from lm_eval_so.core.text import final_consonant, is_syllable, josa
from lm_eval_so.core.text.korean import close_spaces, endings_after, strip_copula, strip_josa


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("서울은", "서울"),
        ("서울는", "서울는"),
        ("제주는", "제주"),
        ("제주은", "제주은"),
        ("서울으로", "서울으"),
        ("서울로", "서울"),
        ("부산으로", "부산"),
        ("부산으로부터", "부산"),
        ("제주로", "제주"),
        ("부산로", "부산로"),
        ("학교에서는", "학교"),
        ("학교에서", "학교"),
        ("선생님께서", "선생님"),
        ("책과의", "책"),
        ("사과의", "사과"),
        ("고양이", "고양"),
        ("수도", "수도"),
        ("나는", "나는"),
        ("A가", "A"),
        ("Pay로", "Pay"),
        ("3은", "3"),
        ("서울이라고", "서울"),
        ("제주이라고", "제주이"),
        ("제주라고", "제주"),
        ("은", "은"),
        ("", ""),
    ],
)
def test_strip_josa__takes_what_fits(word: str, stem: str) -> None:
    assert strip_josa(word) == stem


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("서울입니다", "서울"),
        ("서울이에요", "서울"),
        ("서울이었습니다", "서울"),
        ("서울예요", "서울예요"),
        ("제주예요", "제주"),
        ("제주였습니다", "제주"),
        ("제주이에요", "제주이"),
        ("제주이다", "제주"),
        ("GPT입니다", "GPT"),
        ("입니다", "입니다"),
    ],
)
def test_strip_copula__takes_what_fits(word: str, stem: str) -> None:
    assert strip_copula(word) == stem


def test_endings_after__fit_the_final_consonant() -> None:
    assert {"은", "이", "입니다", "이에요"} <= set(endings_after("울"))
    assert {"는", "가", "예요"} & set(endings_after("울")) == set()
    assert {"은", "는", "로", "으로"} <= set(endings_after("y"))


@pytest.mark.parametrize(
    ("text", "closed"),
    [("할 수 있다", "할수있다"), ("GPT 4", "GPT 4"), ("A 는 B 다", "A는B다"), ("a  b", "a  b")],
)
def test_close_spaces__only_beside_hangul(text: str, closed: str) -> None:
    assert close_spaces(text) == closed


@pytest.mark.parametrize(
    ("word", "pair", "form"),
    [
        ("서울", "은/는", "은"),
        ("제주", "은/는", "는"),
        ("서울", "으로/로", "로"),
        ("부산", "으로/로", "으로"),
        ("3", "이/가", "이"),
        ("2", "이/가", "가"),
        ('"서울"', "을/를", "을"),
        ("4.6%", "은/는", "는"),
        ("−4.6%p", "은/는", "는"),
        ("model", "은/는", "은(는)"),
        ("", "은/는", "은(는)"),
    ],
)
def test_josa__fits_the_word(word: str, pair: str, form: str) -> None:
    assert josa(word, pair) == form


def test_syllables__have_a_final_consonant_or_none() -> None:
    assert is_syllable("가")
    assert is_syllable("힣")
    assert not is_syllable("ㄱ")
    assert (final_consonant("가"), final_consonant("각"), final_consonant("갈")) == (0, 1, 8)
