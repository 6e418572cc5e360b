"""Values of words for numbers (삼만오천, 열두, twenty-five), and words that only look like numbers."""

import re
from functools import lru_cache
from typing import Final

SMALL: Final = {"십": 10, "백": 100, "천": 1000}
BIG: Final = {"만": 10**4, "억": 10**8, "조": 10**12}
DIGITS: Final = {char: digit for digit, char in enumerate("영일이삼사오육칠팔구")} | {"공": 0}
LETTERS: Final = "".join([*DIGITS, *SMALL, *BIG])


def words(text: str) -> frozenset[str]:
    """Return the words of a list that is written with spaces."""
    return frozenset(text.split())


def _counted(listed: str) -> dict[str, int]:
    return {word: n for n, forms in enumerate(listed.split(), 1) for word in forms.split("/")}


ONES: Final = _counted("하나/한 두 세/석 네/넉 다섯 여섯 일곱 여덟 아홉")
TENS: Final = {
    word: 10 * n for word, n in _counted("열 스물/스무 서른 마흔 쉰 예순 일흔 여든 아흔").items()
}
DAYS: Final = {"이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "열흘": 10, "보름": 15}
"""Counted days that have a word of their own."""
_UP_TO_19: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_FROM_20: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH: Final = {word: n for n, word in enumerate(_UP_TO_19.split())} | {
    word: 10 * n for n, word in enumerate(_FROM_20.split(), 2)
}
_BIG_ENGLISH: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
FIRST_ENGLISH: Final = rf"(?<![a-z0-9-])(?:{'|'.join(_ENGLISH)})(?![a-z])"
"""Pattern of a word that a number in English words begins with."""
_LONGEST_FIRST: Final = sorted(_ENGLISH, key=lambda word: -len(word))
_NEXT_ENGLISH: Final = re.compile(
    rf"(?P<joint>[ -]| and )(?P<word>{'|'.join([*_ENGLISH, 'hundred', *_BIG_ENGLISH])})(?![a-z])"
)

_MOST_LETTERS: Final = 40
_NO_LIMIT: Final = 10**16
_OF_AGE: Final = words("일 주 달 개월 년 시간 살 세")
_OTHER_WORDS: Final = words(
    "만일 만점 만세 만회 만장 만개 천도 천장 백도 백배 백병 십장 사회 사원 사장 사명 사주 사도 사병 사대 사시 "
    "사분 사배 구분 구원 구호 구도 구장 구명 구박 구시 구점 오도 오점 오장 오명 오대 일시 일원 일도 일명 일대 "
    "일장 일병 일호 일주 일일 육회 팔도 억대 이천시 사천시 한번 한시 한대 세대 열대 열병 세배 두통 두건 한통 세주"
)


@lru_cache(maxsize=4096)
def sino_value(letters: str) -> int | None:
    """Return the value of Sino-Korean words, or None if they are no number.

    Without 십백천만억조 three letters and more are read one by one (이공이사); two are no number, since
    이삼 means two or three.
    """
    said = letters.replace(" ", "")
    if len(said) > _MOST_LETTERS:
        return None
    if {*SMALL, *BIG}.isdisjoint(said):
        figures = "".join(str(DIGITS[char]) for char in said)
        return int(figures) if len(said) not in {0, 2} else None
    total = section = digit = 0
    below_small = below_big = _NO_LIMIT
    for char in said:
        if char in DIGITS:
            if digit or not DIGITS[char]:
                return None
            digit = DIGITS[char]
        elif char in SMALL:
            if SMALL[char] >= below_small:
                return None
            below_small = SMALL[char]
            section, digit = section + (digit or 1) * below_small, 0
        else:
            section, digit = section + digit, 0
            if BIG[char] >= below_big or (total and not section):
                return None
            below_small, below_big = _NO_LIMIT, BIG[char]
            total, section = total + (section or 1) * below_big, 0
    return total + section + digit


def native_value(word: str) -> int:
    """Return the value of a native word: 두, 열두, 스물 다섯."""
    tens = next((tens for tens in TENS if word.startswith(tens)), "")
    return TENS.get(tens, 0) + ONES.get(word.removeprefix(tens).strip(), 0)


def is_number_word(word: str, written: str) -> bool:
    """Return whether words and the unit after them mean a number.

    Args:
        word: The words.
        written: The unit, with the space before it if there is one.
    """
    unit = written.strip()
    if written[0] != " ":
        return word + unit not in _OTHER_WORDS and word not in {"이", "영", "공", "조"}
    if len(word) > 1 or word in ONES:
        return True
    return word in {"백", "천", "억", *TENS} or (word == "만" and unit not in _OF_AGE)


def english_value(text: str, at: int) -> tuple[int, int]:
    """Read a number in English words: twenty-five, two hundred and ten, three million.

    Args:
        text: The text, in lower case.
        at: Place of a word as of `FIRST_ENGLISH`.

    Returns:
        The value and the end of the last word that belongs to it.
    """
    first = next(word for word in _LONGEST_FIRST if text.startswith(word, at))
    total, section, end = 0, _ENGLISH[first], at + len(first)
    room, below = _room_after(section), _NO_LIMIT
    while match := _NEXT_ENGLISH.match(text, end):
        word, joint = match["word"], match["joint"]
        if word == "hundred" and joint == " " and 0 < section < 100:
            section, room = 100 * section, 100
        elif word in _BIG_ENGLISH and joint == " " and section and _BIG_ENGLISH[word] < below:
            below = _BIG_ENGLISH[word]
            total, section, room = total + section * below, 0, 1000
        elif 0 < _ENGLISH.get(word, 0) < room and joint in _joints(room):
            section, room = section + _ENGLISH[word], _room_after(_ENGLISH[word])
        else:
            break
        end = match.end()
    return total + section, end


def _joints(room: int) -> tuple[str, str]:
    return (" ", " and ") if room >= 100 else (" ", "-")


def _room_after(value: int) -> int:
    return 10 if value >= 20 else 1
