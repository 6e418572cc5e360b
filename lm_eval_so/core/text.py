"""Text: Unicode forms, particles and width."""

import unicodedata
from typing import Final

_FIRST_SYLLABLE: Final = 0xAC00
_LAST_SYLLABLE: Final = 0xD7A3
_FINALS: Final = 28
_FINAL_RIEUL: Final = 8


def nfc(text: str) -> str:
    """Give the composed form (NFC); the text itself if it is that already."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def is_syllable(char: str) -> bool:
    """Whether a character is a Hangul syllable."""
    return _FIRST_SYLLABLE <= ord(char) <= _LAST_SYLLABLE


def final_consonant(char: str) -> int:
    """Give the index of a Hangul syllable's final consonant (받침): 0 for none, 8 for ㄹ."""
    return (ord(char) - _FIRST_SYLLABLE) % _FINALS


def width(text: str) -> int:
    """Give the columns that a text takes in a terminal: East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


_DIGIT_FINALS: Final = {"0": 21, "1": 8, "3": 16, "6": 1, "7": 8, "8": 8}  # 영 일 삼 육 칠 팔


def josa(word: str, pair: str) -> str:
    """Choose the Korean particle that fits a word.

    Args:
        word: The word before it, as shown.
        pair: Both forms, the one after a final consonant first: "은/는", "이/가", "을/를",
            "과/와", "으로/로".

    Returns:
        One form, or "은(는)" where the word's reading is not known.
    """
    closed, _, opened = pair.partition("/")
    last = word.rstrip("\"'`)]}%").rstrip()[-1:]
    if last and is_syllable(last):
        final = final_consonant(last)
    elif last.isdigit() and last.isascii():
        final = _DIGIT_FINALS.get(last, 0)
    else:
        return f"{closed}({opened})"
    if final == _FINAL_RIEUL and closed == "으로":
        return opened
    return closed if final else opened
