"""Normalisation profiles: copies of texts, made comparable for scoring; records are never changed.

NFKC is not used: it turns ㅋㅋ into conjoining jamo, composes ㄱㅏ into 가 and ½ into 1⁄2.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal

from lm_eval_so.core.text.forms import nfc
from lm_eval_so.core.text.korean import close_spaces, strip_copula, strip_josa

TEXT_VERSION: Final = 1
"""Version, raised whenever a profile or rule of this package may return another text."""

Profile = Literal["basic", "loose", "korquad", "korquad_v1", "squad", "raw"]

_DROPPED: Final = dict.fromkeys([0xFEFF, 0x200B, 0x2060, 0x00AD, 0x200E, 0x200F, 0xFE0F])
_FINAL_JAMO: Final = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"  # U+11A8 … U+11C2


def _basic_table() -> dict[int, str]:
    table = {0x11A8 + i: jamo for i, jamo in enumerate(_FINAL_JAMO)}
    for code in range(0x3131, 0x318F):  # a compatibility jamo names its conjoining one
        table[int(unicodedata.decomposition(chr(code)).split()[1], 16)] = chr(code)
    for code in range(0xFFA1, 0xFFDD):
        if narrow := unicodedata.decomposition(chr(code)):
            table[code] = chr(int(narrow.split()[1], 16))
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table |= dict(zip(map(ord, "￠￡￥￦"), "¢£¥₩", strict=True))
    alike = {"'": "‘’‚", '"': "“”„", "-": "–—−‐‑", "~": "〜～∼", "·": "ㆍ・･‧•", "...": "…"}
    return table | {ord(char): to for to, chars in alike.items() for char in chars}


_REMEMBERED: Final = 64
"""Texts whose form is kept, since several metrics look at the same answer."""
_BASIC: Final = _basic_table()
_HAS_DROPPED: Final = re.compile(f"[{''.join(map(chr, _DROPPED))}]").search
_HAS_BASIC: Final = re.compile(f"[{re.escape(''.join(map(chr, _BASIC)))}]").search
_THOUSANDS: Final = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_HANJA_GLOSS: Final = re.compile(
    r"(?<=[가-힣])\([\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF ]+\)"
)
_KORQUAD_SPACES: Final = frozenset("'\"《》<>〈〉()")
_KORQUAD_V1_SPACES: Final = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_ASCII_PUNCTUATION: Final = frozenset(string.punctuation)
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_ASCII_PUNCTUATION: Final = str.maketrans(dict.fromkeys(string.punctuation))


@lru_cache(maxsize=_REMEMBERED)
def basic(text: str) -> str:
    """Normalise differences of typing and copying: form, width, quotes, dashes, spaces.

    In this order: invisible characters go; NFC; jamo that NFC left alone and half-width jamo
    become compatibility jamo, full-width characters ASCII, quotes, dashes, tildes, middle dots
    and … plain ones; every run of whitespace becomes one space.
    """
    # Looking whether there is anything to replace takes a tenth of the time of replacing.
    known = nfc(text.translate(_DROPPED) if _HAS_DROPPED(text) else text)
    return " ".join((known.translate(_BASIC) if _HAS_BASIC(known) else known).split())


def loose(text: str) -> str:
    """Return `basic` without case, punctuation, thousands commas and spaces beside Hangul."""
    return close_spaces(" ".join(_loose_words(basic(text))))


def answer_variants(text: str) -> frozenset[str]:
    """Return the forms of a short answer: with and without 한자 gloss, copula and particles.

    Two answers are equal if their forms meet: "서울입니다." and "서울".
    """
    words = _loose_words(_HANJA_GLOSS.sub("", basic(text)))
    if not words:
        return frozenset({""})
    found = []
    for last in (words[-1], strip_copula(words[-1])):
        form = [*words[:-1], last]
        found += [form, [*form[:-1], strip_josa(last)], [strip_josa(word) for word in form]]
    return frozenset(close_spaces(" ".join(form)) for form in found)


@lru_cache(maxsize=_REMEMBERED)
def korquad(text: str) -> str:
    """Return `basic` in lower case without punctuation, brackets and quotes as spaces.

    Source: the evaluation script of KorQuAD 1.0, with NFC and Unicode's punctuation added.
    """
    known = basic(text).lower()
    for char in set(known):
        if char in _KORQUAD_SPACES:
            known = known.replace(char, " ")
        elif char in _ASCII_PUNCTUATION or unicodedata.category(char)[0] == "P":
            known = known.replace(char, "")
    return " ".join(known.split())


def korquad_v1(text: str) -> str:
    """Normalise exactly as the KorQuAD 1.0 script does, to compare with published figures."""
    lowered = text.translate(_KORQUAD_V1_SPACES).lower()
    return " ".join(lowered.translate(_NO_ASCII_PUNCTUATION).split())


def squad(text: str) -> str:
    """Normalise exactly as the SQuAD script does: lower case, no ASCII punctuation, no a, an and the.

    Source: Rajpurkar et al. (2016), SQuAD, EMNLP; its evaluation script, versions 1.1 and 2.0.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_ASCII_PUNCTUATION)).split())


def raw(text: str) -> str:
    """Return the text as it is."""
    return text


PROFILES: Final[Mapping[Profile, Callable[[str], str]]] = {
    "basic": basic,
    "loose": loose,
    "korquad": korquad,
    "korquad_v1": korquad_v1,
    "squad": squad,
    "raw": raw,
}
"""Profiles by name, except `answer`, which has several forms."""


def _loose_words(text: str) -> list[str]:
    joined = _THOUSANDS.sub("", text.casefold())
    chars = [
        " " if _is_loose_punctuation(joined, position) else char
        for position, char in enumerate(joined)
    ]
    return "".join(chars).split()


def _is_loose_punctuation(text: str, position: int) -> bool:
    char = text[position]
    if char.isalnum() or char == "%" or unicodedata.category(char)[0] != "P":
        return False
    if char not in ".-/:":
        return True
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    return not (before.isdecimal() and after.isdecimal())
