"""The keyword rule: search for keywords in Korean and English, with particles in mind."""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from lm_eval_so.core.text.korean import close_spaces, endings_after, is_syllable
from lm_eval_so.core.text.profiles import basic

Boundary = Literal["auto", "word"]

_LETTER_OR_DIGIT: Final = r"[^\W_]"


def keyword_finder(text: str, *, boundary: Boundary = "auto") -> Callable[[str], bool]:
    """Return a function that tells whether a keyword is in the text.

    Args:
        text: Text to search.
        boundary: "auto": anywhere, spaces beside Hangul ignored; only a keyword that starts with
            an ASCII letter or digit must not follow one ("AI" not in "said"), and one that
            starts or ends in a digit must not be part of a longer number ("3일" not in "13일").
            "word": as a word of its own, with or without a particle or the copula ("사과" in
            "사과는", not in "사과나무").

    A negation ("환불되지 않습니다") is not understood.
    """
    folded = basic(text).casefold()
    searched = close_spaces(folded) if boundary == "auto" else folded
    return lambda keyword: _pattern(keyword, boundary).search(searched) is not None


@lru_cache(maxsize=4096)
def _pattern(keyword: str, boundary: Boundary) -> re.Pattern[str]:
    wanted = close_spaces(basic(keyword).casefold())
    if not wanted:
        raise ValueError("an empty keyword is in every text")
    before, after = _digit_guards(wanted)
    if boundary == "auto":
        if wanted[0].isascii() and wanted[0].isalnum():
            before += "(?<![a-z0-9])"
        return re.compile(f"{before}{re.escape(wanted)}{after}")
    endings = "|".join(map(re.escape, endings_after(wanted[-1])))
    end = f"(?:{endings})?(?!{_LETTER_OR_DIGIT})"
    return re.compile(f"(?<!{_LETTER_OR_DIGIT}){before}{_spaced(wanted)}{after}{end}")


def _digit_guards(wanted: str) -> tuple[str, str]:
    """Keep a number whole: no digit, decimal or thousands group beside it."""
    before = after = ""
    if re.match(r"[0-9]", wanted):
        before = r"(?<![0-9])(?<![0-9]\.)"
        if re.match(r"[0-9]{3}(?![0-9])", wanted):
            before += "(?<![0-9],)"
    if re.search(r"[0-9]\Z", wanted):
        after = r"(?![0-9])(?!\.[0-9])(?!,[0-9]{3}(?![0-9]))"
    return before, after


def _spaced(wanted: str) -> str:
    pieces = [re.escape(wanted[0])]
    for left, right in pairwise(wanted):
        pieces.append(" ?" if is_syllable(left) or is_syllable(right) else "")
        pieces.append(re.escape(right))
    return "".join(pieces)
