"""Korean: syllables, particles (조사), the copula and spacing.

Stripping works on spelling alone, so it takes off too much by design (고양이 → 고양). Both sides
of a comparison are therefore stripped, and the stripped form is only one of several.
"""

import re
from enum import Enum, auto
from typing import Final

_FIRST_SYLLABLE: Final = 0xAC00
_LAST_SYLLABLE: Final = 0xD7A3
_FINALS: Final = 28
_FINAL_RIEUL: Final = 8


def is_syllable(char: str) -> bool:
    """Return whether a character is a Hangul syllable."""
    return _FIRST_SYLLABLE <= ord(char) <= _LAST_SYLLABLE


def final_consonant(char: str) -> int:
    """Return the index of a Hangul syllable's final consonant (받침): 0 for none, 8 for ㄹ."""
    return (ord(char) - _FIRST_SYLLABLE) % _FINALS


_DIGIT_FINALS: Final = {"0": 21, "1": 8, "3": 16, "6": 1, "7": 8, "8": 8}  # 영 일 삼 육 칠 팔


def josa(word: str, pair: str) -> str:
    """Choose the Korean particle that fits a word.

    Args:
        word: Word before the particle, as shown.
        pair: Two forms, the one after a final consonant first: "은/는", "이/가", "을/를",
            "과/와", "으로/로".

    Returns:
        One form, or "은(는)" if the reading of the word is not known.
    """
    closed, _, opened = pair.partition("/")
    bare = word.rstrip("\"'`)]}").rstrip()
    last = bare[-1:]
    if bare.endswith(("%", "%p")):  # read 퍼센트, 퍼센트포인트
        return opened
    if last and is_syllable(last):
        final = final_consonant(last)
    elif last.isdigit() and last.isascii():
        final = _DIGIT_FINALS.get(last, 0)
    else:
        return f"{closed}({opened})"
    if final == _FINAL_RIEUL and closed == "으로":
        return opened
    return closed if final else opened


class _After(Enum):
    """Condition on the syllable before a particle."""

    ANY = auto()
    CLOSED = auto()
    OPEN = auto()
    CLOSED_NOT_RIEUL = auto()
    OPEN_OR_RIEUL = auto()


_PARTICLES: Final = {
    _After.ANY: (
        "에서는 에서도 에게는 에게서 한테서 부터는 까지는 까지도 에서 에게 한테 께서 부터 까지 처럼 "
        "보다 마다 조차 밖에 에는 에도 만은 만이 하고 의 에 도 만"
    ),
    _After.CLOSED: "이라고 이라는 이나 이란 이랑 과의 은 이 을 과",
    _After.OPEN: "라고 라는 와의 는 가 를 와 랑",
    _After.CLOSED_NOT_RIEUL: "으로부터 으로는 으로",
    _After.OPEN_OR_RIEUL: "로",
}
_JOSA: Final = dict(
    sorted(
        ((p, after) for after, listed in _PARTICLES.items() for p in listed.split()),
        key=lambda pair: -len(pair[0]),
    )
)
_JOSA_BY_END: Final = {
    end: tuple(pair for pair in _JOSA.items() if pair[0][-1] == end)
    for end in {particle[-1] for particle in _JOSA}
}
_COPULA: Final = {
    "이었습니다": _After.CLOSED,
    "였습니다": _After.OPEN,
    "입니다": _After.ANY,
    "이에요": _After.CLOSED,
    "이예요": _After.CLOSED,
    "예요": _After.OPEN,
    "에요": _After.OPEN,
    "이다": _After.ANY,
    "이야": _After.CLOSED,
}


def strip_josa(word: str) -> str:
    """Remove the longest particle that fits from the end of a word, once."""
    for particle, after in _JOSA_BY_END.get(word[-1:], ()):
        if word.endswith(particle):
            stem = word[: -len(particle)]
            # One-syllable words such as 이 or 도 are too often words of their own.
            is_short = len(particle) == 1 and len(stem) == 1 and is_syllable(stem)
            if stem and not is_short and _fits(stem[-1], after):
                return stem
    return word


def strip_copula(word: str) -> str:
    """Remove the first form of 이다 that fits from the end of a word."""
    for ending, after in _COPULA.items():
        stem = word.removesuffix(ending)
        if stem and stem != word and _fits(stem[-1], after):
            return stem
    return word


def endings_after(char: str) -> tuple[str, ...]:
    """Return the particles and copula forms that may follow a character, longest first."""
    endings = [*_JOSA.items(), *_COPULA.items()]
    return tuple(
        sorted((e for e, after in endings if _fits(char, after)), key=lambda e: (-len(e), e))
    )


def _fits(char: str, after: _After) -> bool:
    if not is_syllable(char) or after is _After.ANY:
        return True  # how a Latin word or a number is read is not known
    final = final_consonant(char)
    match after:
        case _After.CLOSED:
            return final != 0
        case _After.OPEN:
            return final == 0
        case _After.CLOSED_NOT_RIEUL:
            return final not in {0, _FINAL_RIEUL}
        case _After.OPEN_OR_RIEUL:
            return final in {0, _FINAL_RIEUL}


_SPACE_AT_HANGUL: Final = re.compile(r"(?<=[가-힣])\s+|(?<!\s)\s++(?=[가-힣])")


def close_spaces(text: str) -> str:
    """Remove spaces beside Hangul: 할 수 있다 and 할수있다 are one; "GPT 4" keeps its space."""
    return _SPACE_AT_HANGUL.sub("", text)
