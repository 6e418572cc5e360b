"""Likeness of texts: a key with its places in the text, copied words, 2-grams, and search by BM25."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Generic, TypeVar

from lm_eval_so.core.text.edits import find_nearly
from lm_eval_so.core.text.numbers import find_numbers

T = TypeVar("T")
_ALIKE = dict.fromkeys(map(ord, "‐‑‒–—−﹣－"), "-") | dict.fromkeys(map(ord, "〜～∼"), "~")
_KEPT_MARKS = frozenset("%+<>")
_BETWEEN_DIGITS = frozenset(".:/-~")
_RUN = 4
"""Shortest run of characters that counts as copied."""
_MOST_OF_A_NAME = 7
"""Copied characters that may be the name of a thing."""
_COPIED = 0.5
_NEARLY = 0.95
"""Least likeness of a quote with a slip."""
_WORD = re.compile(r"[가-힣]+|[a-z0-9]+")
_K1, _B = 1.2, 0.75
_NUMBERING = re.compile(
    r"\s*(?:제\s*[0-9]+\s*(?:조|장|절|항|편|관)(?:의\s*[0-9]+)?"
    r"|(?:chapter|section|article|part)\s+[0-9]+(?:\.[0-9]+)*\s*[.:)]?"
    r"|[0-9]+(?:[.-][0-9]+)*\s*[.)](?![0-9])|[0-9]+(?:\.[0-9]+)+(?=\s)"
    r"|[가-하A-Za-zIVXⅠ-Ⅻⅰ-ⅻ]{1,4}[.)](?=\s)|[①-⑳])\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A text as its key: what is left of it to compare."""

    key: str
    places: tuple[int, ...]
    """Place in the text of each character of the key."""

    def span(self, wanted: str) -> tuple[int, int] | None:
        """Return the place of a key in the text, end exclusive; None if it is not in it."""
        start = self.key.find(wanted) if wanted else -1
        return self._in_text(start, start + len(wanted)) if start >= 0 else None

    def nearly(self, wanted: str) -> tuple[int, int] | None:
        """Return the place of a key with a slip in the text, end exclusive; None if nothing is that near."""
        near = find_nearly(wanted, self.key, similarity=_NEARLY) if wanted else None
        return self._in_text(*near) if near and near[0] < near[1] else None

    def _in_text(self, start: int, end: int) -> tuple[int, int]:
        return self.places[start], self.places[end - 1] + 1


@lru_cache(maxsize=512)
def keyed(text: str) -> Keyed:
    """Return the key of a text, and where each of its characters stands.

    Form, width, case, spaces, punctuation and thousands commas do not count; letters, digits and
    `% + < >` do, and `. : / - ~` between digits: 3~5 is not 35.
    """
    folded = [
        (char, place)
        for place, source in enumerate(text)
        for char in unicodedata.normalize("NFKC", source.translate(_ALIKE)).casefold()
    ]
    plain = "".join(char for char, _ in folded)
    found = [each for number, each in enumerate(folded) if _counts(plain, number)]
    return Keyed("".join(char for char, _ in found), tuple(place for _, place in found))


def key(text: str) -> str:
    """Return a key that is equal for texts that read the same; see `keyed`."""
    return keyed(text).key


def without_numbering(title: str) -> str:
    """Return a heading without its number: `2. Fees`, `제3조 Fees` and `Section 4: Fees` are `Fees`."""
    return title[match.end() :] if (match := _NUMBERING.match(title)) else title


def _counts(text: str, place: int) -> bool:
    char = text[place]
    if char in _BETWEEN_DIGITS:
        return text[place - 1 : place].isdecimal() and text[place + 1 : place + 2].isdecimal()
    return char.isalnum() or char in _KEPT_MARKS or unicodedata.category(char)[0] == "M"


def numbers_of(text: str) -> set[Decimal]:
    """Return the values of the numbers of a text, in every reading, without their units."""
    return {reading.value for number in find_numbers(text) for reading in number.readings}


def copied_runs(question: str, passage: str) -> tuple[str, ...]:
    """Return the longest pieces of a question that are copied from a passage; none if less than half of it is.

    Copied are the letters and digits in runs of 4 and more that the passage has, too, spaces aside;
    fewer than 8 of them may be the name of a thing, and count as none.
    """
    (asked, places), (given, _) = _letters(question), _letters(passage)
    starts = [n for n in range(len(asked) - _RUN + 1) if asked[n : n + _RUN] in given]
    copied = {place for start in starts for place in range(start, start + _RUN)}
    if len(copied) <= _MOST_OF_A_NAME or len(copied) < _COPIED * len(asked):
        return ()
    runs, end = [], 0
    for start in starts:
        if start >= end:
            end = start + _RUN
            while end < len(asked) and asked[start : end + 1] in given:
                end += 1
            runs.append(question[places[start] : places[end - 1] + 1])
    return tuple(dict.fromkeys(runs))


@lru_cache(maxsize=512)
def _letters(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the letters and digits of a text, folded, and their places in it."""
    known = keyed(text)
    found = [each for each in zip(known.key, known.places, strict=True) if each[0].isalnum()]
    return "".join(char for char, _ in found), tuple(place for _, place in found)


def jaccard(one: str, other: str) -> float:
    """Return the share of the 2-grams of two texts that they have in common, 0 … 1."""
    ours, theirs = _grams(key(one)), _grams(key(other))
    return len(ours & theirs) / len(ours | theirs) if ours or theirs else 1.0


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 2] for i in range(len(text) - 1)) or frozenset([text])


class Search(Generic[T]):
    """Search over things by BM25 of their texts: 2-grams of words in Hangul, whole words and numbers of others.

    Source: Robertson and Zaragoza (2009), Foundations and Trends in Information Retrieval 3(4),
    333–389; k1 1.2, b 0.75.

    Args:
        items: Things to search.
        text_of: Function that returns the text of one.
    """

    def __init__(self, items: Sequence[T], text_of: Callable[[T], str]) -> None:
        self._items = items
        self._terms = [Counter(_terms(text_of(item))) for item in items]
        self._lengths = [sum(terms.values()) for terms in self._terms]
        self._average = sum(self._lengths) / max(1, len(items)) or 1.0
        self._holding = Counter(term for terms in self._terms for term in terms)

    def best(self, *queries: str, most: int | None = None) -> list[T]:
        """Return the best for all queries together, the best first."""
        wanted = dict.fromkeys(term for query in queries for term in _terms(query))
        numbers = range(len(self._items))
        scores = [math.fsum(self._score(n, term) for term in wanted) for n in numbers]
        ranked = sorted(numbers, key=lambda n: -scores[n])
        return [self._items[n] for n in ranked[:most] if scores[n] > 0]

    def _score(self, number: int, term: str) -> float:
        found = self._terms[number][term]
        if not found:
            return 0.0
        holding = self._holding[term]
        rarity = math.log(1 + (len(self._terms) - holding + 0.5) / (holding + 0.5))
        length = 1 - _B + _B * self._lengths[number] / self._average
        return rarity * found * (_K1 + 1) / (found + _K1 * length)


def _terms(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if "가" <= word[0] <= "힣" and len(word) > 1:
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word
