import time
import unicodedata

import pytest

from lm_eval_so.generator.clean import clean_text, clean_value, language_of

KOREAN = "배송비는 얼마인가요?"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (unicodedata.normalize("NFD", KOREAN), KOREAN),
        ("가\r\n나\r다\u2028라\u0085마\x0b바", "가\n나\n다\n라\n마\n바"),
        ("\ufeff배\u200b송\u00ad비\u2060\x00\x1f", "배송비"),
        ("1,000\u00a0원 3\u202fkg", "1,000 원 3 kg"),
        ("  가  나  \n 다\t \n\n", "가  나\n 다"),
        ("a\tb", "a\tb"),
        ("배송\u200d비 shop\u200cping \u200d", "배송비 shopping"),
        ("👩\u200d👧 가족", "👩\u200d👧 가족"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u202eabc\u202c", "abc"),
        ("\u1112\u200b\u1161\u11ab", "한"),
        ("\u200b \ufeff", ""),
    ],
)
def test_clean_text__rules(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


def test_clean_text__runs_of_blanks_and_joiners_take_no_quadratic_time() -> None:
    text = "a" + " " * 100_000 + "b👩" + "\u200d" * 100_000 + "👧"
    began = time.perf_counter()
    assert clean_text(text) == text
    assert time.perf_counter() - began < 30  # it would take minutes, were it not linear


def test_clean_value__reaches_every_text_and_key() -> None:
    value = {" a\u200b": ["\u00a0b ", 1, None, {"c": True, "d": " e"}]}
    assert clean_value(value) == {"a": ["b", 1, None, {"c": True, "d": "e"}]}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (KOREAN, "ko"),
        ("ㅇㅋ", "ko"),
        ("GPT-4 요금은 얼마예요?", "ko"),
        ("How much is shipping?", "en"),
        ("Ça coûte combien ?", "en"),
        ("送料はいくらですか", "ja"),
        ("退款要几天", "zh"),
        ("退款 refund 要几天", "mixed"),
        ("Сколько стоит?", "mixed"),
        ("12,000 ??", "und"),
        ("", "und"),
    ],
)
def test_language_of__by_script(text: str, language: str) -> None:
    assert language_of(text) == language
