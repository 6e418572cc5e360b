"""Slips on the keyboard, and the wrong input mode.

The layout of Korean keyboards is 2-beolsik (KS X 5002): consonants left, vowels right, doubled ones with
shift.
"""

import re
from collections.abc import Container, Iterable, Iterator

from lm_eval_so.core.text import is_syllable
from lm_eval_so.core.text.numbers import find_numbers
from lm_eval_so.generator.twins.untouched import outside_addresses, plain_words, untouched

_ROWS = (("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "qwertyuiop"), ("ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "asdfghjkl"), ("ㅋㅌㅊㅍㅠㅜㅡ", "zxcvbnm"))  # fmt: skip
_SHIFTS = (0.0, 0.25, 0.75)
"""Distance by which each row of keys stands to the right of the first, in keys."""
_LETTERS = {jamo: letter for row in _ROWS for jamo, letter in zip(*row, strict=True)}
_SHIFTED = dict(zip("ㄲㄸㅃㅆㅉㅒㅖ", "REQTWOP", strict=True))
_PAIRS = {
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ",
    "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
}  # fmt: skip
"""Jamo that take two keys."""
_KEYS = {
    **_LETTERS,
    **_SHIFTED,
    **{jamo: "".join(_LETTERS[key] for key in pair) for jamo, pair in _PAIRS.items()},
}
_FIRSTS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_GA = 0xAC00
_NEAR = 1.0
"""Distance of neighbouring keys within a row; those of the next row are as near in the row's direction."""
_DENIALS = frozenset("안못없않아니")
"""Syllables that turn an answer round, so no slip may blur them."""
_HANGUL_WORD = re.compile("[가-힣]{2,}")
_FEWEST = 5
"""Letters of a Latin word that two may be swapped in."""


def pieces(texts: Iterable[str]) -> frozenset[str]:
    """Return the pairs of syllables and the Latin words of texts, which a slip must not make of others."""
    found: set[str] = set()
    for text in texts:
        found |= {text[start:end].lower() for start, end in plain_words(text)}
        for word in _HANGUL_WORD.findall(text):
            found |= {word[at : at + 2] for at in range(len(word) - 1)}
    return frozenset(found)


def typo(text: str, number: int, known: Container[str] = frozenset()) -> str:
    """Return a text with one slip: a jamo from a neighbouring key, or two Latin letters swapped.

    A vowel is hit for a vowel, a consonant for a consonant. Words of one syllable, negations and
    numbers in words stay as they are, and no slip makes another word: 배송지 does not become 배송비
    where that is a word, too.

    Args:
        text: The text.
        number: Number that decides on the place.
        known: Result of `pieces` for the texts around.

    Returns:
        The text as it is, if no place of it may be touched.
    """
    slips = [*(_hangul_slips(text) if _HANGUL_WORD.search(text) else _latin_slips(text))]
    figures = [each.value for each in find_numbers(text)]
    for turn in range(len(slips)):
        at, slip = slips[(number + turn) % len(slips)]
        slipped = text[:at] + slip + text[at + len(slip) :]
        if _makes_a_word(slipped, at, known):
            continue
        if [each.value for each in find_numbers(slipped)] == figures:
            return slipped
    return text


def _makes_a_word(text: str, at: int, known: Container[str]) -> bool:
    if is_syllable(text[at]):
        return text[max(0, at - 1) : at + 1] in known or text[at : at + 2] in known
    word = next(text[start:end] for start, end in plain_words(text) if start <= at < end)
    return word.lower() in known


def keyboard_mode(text: str, number: int) -> str:  # noqa: ARG001 - as the other kinds are called
    """Return a text whose Hangul was typed while the keyboard was in Latin mode; addresses stay."""
    return outside_addresses(text, lambda part: "".join(map(_typed, part)))


def _typed(char: str) -> str:
    jamo = _split(char) if is_syllable(char) else (char,)
    return "".join(_KEYS.get(each, each) for each in jamo)


def _split(syllable: str) -> tuple[str, str, str]:
    first, rest = divmod(ord(syllable) - _GA, len(_VOWELS) * len(_FINALS))
    vowel, final = divmod(rest, len(_FINALS))
    return _FIRSTS[first], _VOWELS[vowel], _FINALS[final]


def _joined(first: str, vowel: str, final: str) -> str:
    number = _FIRSTS.index(first) * len(_VOWELS) + _VOWELS.index(vowel)
    return chr(_GA + number * len(_FINALS) + _FINALS.index(final))


def _hangul_slips(text: str) -> Iterator[tuple[int, str]]:
    """Yield the place and the syllable of every slip that a text could have."""
    kept = untouched(text)
    for word in _HANGUL_WORD.finditer(text):
        for at in range(*word.span()):
            if text[at] in _DENIALS or any(start <= at < end for start, end in kept):
                continue
            first, vowel, final = _split(text[at])
            yield from ((at, _joined(near, vowel, final)) for near in _NEIGHBOURS.get(first, ()))
            yield from ((at, _joined(first, near, final)) for near in _NEIGHBOURS.get(vowel, ()))


def _latin_slips(text: str) -> Iterator[tuple[int, str]]:
    """Yield the place of two inner letters of a plain word, and these swapped."""
    for start, end in plain_words(text):
        for at in range(start + 1, end - 2):
            pair = text[at : at + 2]
            if end - start >= _FEWEST and pair.isalpha() and pair[0] != pair[1]:
                yield at, pair[::-1]


def _neighbours() -> dict[str, str]:
    keys = [
        (jamo, column + shift, row)
        for row, ((jamos, _), shift) in enumerate(zip(_ROWS, _SHIFTS, strict=True))
        for column, jamo in enumerate(jamos)
    ]
    return {
        jamo: "".join(
            near
            for near, column, line in keys
            if near != jamo
            and (near in _VOWELS) == (jamo in _VOWELS)
            and abs(column - x) <= _NEAR
            and abs(line - y) <= 1
        )
        for jamo, x, y in keys
    }


_NEIGHBOURS = _neighbours()
