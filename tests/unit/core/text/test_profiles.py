"""Normalisation profiles."""

import unicodedata

import pytest

from lm_eval_so.core.text.profiles import (
    PROFILES,
    answer_variants,
    basic,
    korquad,
    korquad_v1,
    loose,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("서울", "서울"),
        (unicodedata.normalize("NFD", "서울"), "서울"),
        ("\ufeff환\u200b불\u2060\u00ad\u200e\u200f\ufe0f", "환불"),
        ("\u110f\u110f", "ㅋㅋ"),
        ("\u1161\u11ab", "ㅏㄴ"),
        ("\u11aa", "ㄳ"),
        ("ㅋㅋ ㅠㅠ", "ㅋㅋ ㅠㅠ"),
        ("ㄱㅏ ½", "ㄱㅏ ½"),
        ("ＶＩＳＡ　３０００～", "VISA 3000~"),
        ("￠￡￥￦", "¢£¥₩"),
        ("ﾱﾲ", "ㅁㅂ"),
        ("‘a’ ‚b “c” „d …", "'a' 'b \"c\" \"d ..."),
        ("–—−‐‑", "-----"),
        ("〜～∼", "~~~"),
        ("ㆍ・･‧•", "·····"),
        (" a\u00a0\t\n\u3000b ", "a b"),
        ("\uf900", "\u8c48"),
        ("", ""),
    ],
)
def test_basic__undoes_typing_and_copying(text: str, wanted: str) -> None:
    assert basic(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("서울.", "서울"),
        ("할 수 있습니다", "할수있습니다"),
        ("GPT 4", "gpt 4"),
        ("GPT 4 는", "gpt 4는"),
        ("1,000원", "1000원"),
        ("1,234,567", "1234567"),
        ("1,23", "1 23"),
        ("12,3456", "12 3456"),
        ("3.5%", "3.5%"),
        ("2024-01-02 10:30 1/2", "2024-01-02 10:30 1/2"),
        ("a.b-c/d:e", "a b c d e"),
        ("끝.", "끝"),
        ("-5", "5"),
        ("(괄호) [안]", "괄호안"),
        ("₩100 + 1", "₩100 + 1"),
        ("?!", ""),
    ],
)
def test_loose__drops_case_punctuation_and_spaces_at_hangul(text: str, wanted: str) -> None:
    assert loose(text) == wanted


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("서울", "서울입니다.", True),
        ("제주도", "제주도예요!", True),
        ("제주도", "제주도이에요", False),
        ("고양이", "고양이가", True),
        ("고양이", "고양이예요", True),
        ("대한민국의 수도", "대한민국 수도", True),
        ("대한민국", "대한민국(大韓民國)입니다.", True),
        ("대한민국", "대한민국 大韓民國", False),
        ("책", "책임", False),
        ("이순신", "이순신 장군", False),
        ("3일", "3일이에요", True),
        ("Pay", "Pay로", True),
        ("", "", True),
    ],
)
def test_answer_variants__meet_where_answers_are_the_same(one: str, other: str, meet: bool) -> None:
    assert bool(answer_variants(one) & answer_variants(other)) is meet


def test_korquad__drops_brackets_and_punctuation() -> None:
    assert korquad("《훈민정음》(1446) — '해례본', ABC$") == "훈민정음 1446 해례본 abc"


def test_korquad_v1__is_the_published_script() -> None:
    text = "《훈민정음》 ‘해례’ ABC, 「인용」…"
    assert korquad_v1(text) == "훈민정음 해례 abc 「인용」…"
    assert korquad_v1(unicodedata.normalize("NFD", "서울")) != "서울"


def test_profiles__raw_changes_nothing() -> None:
    assert PROFILES["raw"](" Ａ\u200b ") == " Ａ\u200b "
