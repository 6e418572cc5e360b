"""Lengths, and emoji."""

import unicodedata

import pytest

from lm_eval_so.core.text.lengths import LengthUnit, count_graphemes, count_units, has_emoji

FAMILY = "👨\u200d👩\u200d👧"
TEXT = f"  안녕하세요 {FAMILY}.\n\n둘째 줄입니다. 끝!\n셋째\n"


@pytest.mark.parametrize(
    ("unit", "all_of_it", "without_spaces"),
    [
        ("graphemes", 24, 18),
        ("chars", 28, 22),
        ("syllables", 14, 14),
        ("words", 6, 6),
        ("sentences", 4, 4),
        ("lines", 3, 3),
        ("paragraphs", 2, 2),
        ("bytes", 69, 63),
        ("bytes_cp949", 42, 36),
    ],
)
def test_count_units__of_one_text(unit: LengthUnit, all_of_it: int, without_spaces: int) -> None:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, TEXT)
        assert count_units(text, unit) == all_of_it
        assert count_units(text, unit, count_spaces=False) == without_spaces


def test_count_units__what_cp949_does_not_have_is_one() -> None:
    assert count_units("똠방각하 😊", "bytes_cp949") == 10
    assert count_units("", "lines") == 0


@pytest.mark.parametrize("text", ["😊", "❤", "✔", "☎", "1️⃣", "🇰🇷", "↔️", "™️", "⭐", FAMILY])
def test_has_emoji__pictures(text: str) -> None:
    assert has_emoji(f"가{text}나")


@pytest.mark.parametrize("text", ["ㅋㅋ", "★", "→", "©", "1", "#", "*", "①", "※", "♡", "", "(^_^)"])
def test_has_emoji__signs(text: str) -> None:
    assert not has_emoji(text)


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), ("abc", 3), ("한국", 2), ("\u1112\u1161\u11ab", 1), ("👨‍👩‍👧", 1), ("é\r\n", 2)],
    ids=["empty", "ascii", "hangul", "jamo", "family", "crlf"],
)
def test_count_graphemes__counts_what_people_see(text: str, n: int) -> None:
    assert count_graphemes(text) == n
