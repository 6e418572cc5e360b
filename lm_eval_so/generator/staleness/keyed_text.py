"""Texts by their keys: what stands in some documents, however it is wrapped, split, merged or moved."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from lm_eval_so.core.text.sentences import sentences
from lm_eval_so.generator.documents.block import Section, Unit
from lm_eval_so.generator.personal import without_numbers
from lm_eval_so.generator.writing.likeness import key, without_numbering

_JOINS_NUMBERS: Final = frozenset("0123456789.:/-~%+")
"""Characters that, beside a digit of a key, belong to its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedUnit:
    """A unit with its key, and those of its sentences: of a row its header and itself, of code the whole."""

    unit: Unit
    key: str
    sentences: tuple[str, ...]

    @property
    def heading(self) -> str:
        """Key of its heading without numbering; empty before the first heading."""
        return heading_key(self.unit.path[-1]) if self.unit.path else ""


def read_key(text: str) -> str:
    """Return the key of a text as it reads; the numbers of placeholders for personal data do not count."""
    return key(without_numbers(text))


def heading_key(title: str) -> str:
    """Return the key of a heading without its numbering: those of "2. Fees" and "제3조 Fees" are equal."""
    return key(without_numbering(title)) or key(title)


def keyed_unit(unit: Unit) -> KeyedUnit:
    """Return a unit with its keys."""
    whole = read_key(unit.text)
    if unit.kind == "row":
        header = (read_key(unit.header),) if unit.header else ()
        return KeyedUnit(unit=unit, key=whole, sentences=(*header, whole))
    found = () if unit.kind == "code" else map(read_key, sentences(unit.text))
    return KeyedUnit(unit=unit, key=whole, sentences=(*filter(None, found),) or (whole,))


class KeyedText:
    """One document by its keys."""

    def __init__(self, file: str, units: Sequence[Unit], sections: Sequence[Section]) -> None:
        self.file = file
        self.units = tuple(map(keyed_unit, units))
        self.headings = frozenset(heading_key(s.title) for s in sections if s.title)
        """Keys of its headings, without their numbering."""
        self.sentences = frozenset(each for unit in self.units for each in unit.sentences)
        """Keys of its sentences, header rows included."""

    @cached_property
    def joined(self) -> str:
        """The keys of its units, one after the other."""
        return "".join(unit.key for unit in self.units)

    @cached_property
    def bounds(self) -> frozenset[int]:
        """The places in `joined` where a unit or a sentence begins or ends."""
        found, start = {0}, 0
        for unit in self.units:
            place = 0
            for sentence in unit.sentences:
                at = unit.key.find(sentence, place)
                if at >= 0:
                    place = at + len(sentence)
                    found |= {start + at, start + place}
            start += len(unit.key)
            found.add(start)
        return frozenset(found)


class Body:
    """Documents together: all that a team's documents say at one time."""

    def __init__(self, texts: Iterable[KeyedText]) -> None:
        self.texts = tuple(texts)
        self._known: dict[str, bool] = {}

    @cached_property
    def sentences(self) -> frozenset[str]:
        """Keys of all sentences."""
        return frozenset().union(*(text.sentences for text in self.texts))

    @cached_property
    def headings(self) -> frozenset[str]:
        """Keys of all headings, and of paragraphs, since some formats cannot tell them apart."""
        units = (unit.key for _, unit in self.units() if unit.unit.kind == "paragraph")
        return frozenset(units).union(*(text.headings for text in self.texts))

    def units(self) -> Iterator[tuple[KeyedText, KeyedUnit]]:
        """Yield every unit with its document."""
        for text in self.texts:
            yield from ((text, unit) for unit in text.units)

    def has_sentence(self, sentence: str) -> bool:
        """Return whether a sentence stands in them, or several of theirs make it up."""
        if sentence not in self._known:
            self._known[sentence] = sentence in self.sentences or any(
                text.joined.startswith(sentence, start) and start + len(sentence) in text.bounds
                for text in self.texts
                if sentence in text.joined
                for start in text.bounds
            )
        return self._known[sentence]

    def runs_on(self, wanted: str) -> bool:
        """Return whether a key stands somewhere, over the ends of units if need be."""
        return any(
            is_whole(wanted, text.joined, start, text.bounds)
            for text in self.texts
            for start in _places(wanted, text.joined)
        )


def holds(unit: KeyedUnit, wanted: str) -> bool:
    """Return whether a unit has a key in it."""
    return any(is_whole(wanted, unit.key, start) for start in _places(wanted, unit.key))


def is_whole(wanted: str, text: str, start: int, bounds: frozenset[int] = frozenset()) -> bool:
    """Return whether a key at a place of another cuts no number in two: 3 is not in 30, nor in 3.5.

    Args:
        wanted: The key.
        text: The other key.
        start: Place of the key in it.
        bounds: Places where texts meet, which cut no number.
    """
    end = start + len(wanted)
    before, after = text[start - 1 : start], text[end : end + 1]
    is_cut_before = wanted[0].isdecimal() and before in _JOINS_NUMBERS and bool(before)
    is_cut_after = wanted[-1].isdecimal() and after in _JOINS_NUMBERS and bool(after)
    return (not is_cut_before or start in bounds) and (not is_cut_after or end in bounds)


def _places(wanted: str, text: str) -> Iterator[int]:
    start = text.find(wanted) if wanted else -1
    while start >= 0:
        yield start
        start = text.find(wanted, start + 1)
