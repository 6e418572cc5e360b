"""A quote held against documents as they are now: does it stand, and what is around it?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal

from lm_eval_so.core.text.edits import best_place
from lm_eval_so.core.text.numbers import amounts
from lm_eval_so.generator.documents.block import Unit
from lm_eval_so.generator.staleness.keyed_text import (
    Body,
    KeyedText,
    KeyedUnit,
    holds,
    keyed_unit,
    read_key,
)
from lm_eval_so.generator.writing.likeness import key, keyed

State = Literal["same", "near", "changed", "gone"]
_SEVERITY: Final = ("same", "near", "changed", "gone")
"""States, the worst one last."""
_ALIKE: Final = 0.6
"""Least likeness of a quote and of what it has become."""
_FIGURES: Final = re.compile(r"[0-9]+(?:[.,:/~-][0-9]+)*%?")
_END: Final = re.compile(r"[.!?。](?=\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A piece of a document that a test rests on, inside of one unit."""

    text: str
    unit: Unit | None
    """The unit that it lies in; None if that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A quote in the documents now."""

    state: State
    file: str | None = None
    """Document in which it stands, or in which it became something else; None if it is gone."""
    unit: Unit | None = None
    """The unit there; None if it stands over the ends of units."""
    old: str = ""
    new: str | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Place among held quotes: the worst state last, then the most numbers that changed."""
        return _SEVERITY.index(self.state), len(self.numbers)

    @property
    def numbers(self) -> tuple[tuple[str, str], ...]:
        """The numbers that changed, as pairs of old and new; an empty text where one side has none."""
        return changed_numbers(self.old, self.new) if self.state == "changed" and self.new else ()


def quotes_of(start: int, end: int, text: str, units: tuple[Unit, ...]) -> Iterator[Quote]:
    """Yield the parts of a span of a document, one a unit; of a row always the whole row.

    Args:
        start: First code point of the span.
        end: End of it, exclusive.
        text: Text of the document.
        units: Units of the document.
    """
    inside = [unit for unit in units if unit.start < end and start < unit.end]
    if not inside:
        yield Quote(text=text[start:end], unit=None)
    for unit in inside:
        if unit.kind == "row":
            yield Quote(text=unit.text, unit=unit)
        elif key(part := text[max(start, unit.start) : min(end, unit.end)]):
            yield Quote(text=part, unit=unit)


def hold(quote: Quote, old: Body, new: Body) -> Held:
    """Return what became of a quote.

    `same` if it stands and, around one of its places: every sentence of its old unit still stands somewhere,
    every sentence of the new unit stood before, and the heading is an old one or the same. So moves, other
    formats, wrapping, merged and split paragraphs, and new numbers of sections change nothing.
    """
    wanted = read_key(quote.text)
    unit = None if quote.unit is None else keyed_unit(quote.unit)
    is_row = unit is not None and unit.unit.kind == "row"
    places = [
        (text, found)
        for text, found in new.units()
        if (wanted == found.key if is_row else holds(found, wanted))
    ]
    if not places:
        if new.has_sentence(wanted) if is_row else new.runs_on(wanted):
            return Held(state="same", old=quote.text)
        return _became(quote, unit, wanted, new)
    has_all = unit is None or all(_still_stands(each, old, new) for each in unit.sentences)
    for text, found in places if has_all else ():
        if _is_unmoved(wanted, unit, found, old, new):
            stands = quote.text
            return Held(state="same", file=text.file, unit=found.unit, old=stands, new=stands)
    text, found = max(places, key=lambda each: _common(unit, each[1]))
    return Held(
        state="near",
        file=text.file,
        unit=found.unit,
        old=_with_header(quote.unit) or quote.text,
        new=_with_header(found.unit),
    )


def _is_unmoved(
    wanted: str, unit: KeyedUnit | None, found: KeyedUnit, old: Body, new: Body
) -> bool:
    """Return whether nothing is around a quote at one of its places that was not there before."""
    if unit is None:
        return True
    if not all(each == wanted or old.has_sentence(each) for each in found.sentences):
        return False
    if not unit.heading:  # a heading above what had none changes what it says
        return not found.heading or found.heading in old.headings
    return unit.heading in new.headings or found.heading in old.headings


def _still_stands(sentence: str, old: Body, new: Body) -> bool:
    if new.has_sentence(sentence):
        return True
    # paragraphs without full stops that became one: their sentences end nowhere
    merged = (each for each in new.sentences - old.sentences if sentence in each)
    return any(old.has_sentence(each) for each in merged)


def _became(quote: Quote, unit: KeyedUnit | None, wanted: str, new: Body) -> Held:
    """Return the unit that is most like a quote that no longer stands."""
    head = _head(unit.unit) if unit is not None else ""
    alike: list[tuple[tuple[bool, float, bool], KeyedText, KeyedUnit]] = []
    for text, found in new.units():
        likeness = best_place(wanted, found.key, at_least=_ALIKE)[0]
        is_beside = unit is not None and found.heading == unit.heading
        is_same_row = head != "" and head == _head(found.unit)
        if likeness >= _ALIKE or (is_same_row and is_beside):
            alike.append(((is_same_row, likeness, is_beside), text, found))
    if not alike:
        return Held(state="gone", old=quote.text)
    _, text, found = max(alike, key=lambda each: each[0])
    return Held(
        state="changed",
        file=text.file,
        unit=found.unit,
        old=quote.text,
        new=_sentences_like(found.unit, key(quote.text)),
    )


def _head(unit: Unit) -> str:
    """Return the key of the first cell of a row; empty for other units."""
    cells = unit.named_cells() if unit.kind == "row" else ()
    return key(cells[0][1]) if cells else ""


def _common(unit: KeyedUnit | None, found: KeyedUnit) -> tuple[int, bool]:
    """Return how much of what was around a quote is around one of its places."""
    if unit is None:
        return 0, False
    return len({*unit.sentences} & {*found.sentences}), unit.heading == found.heading


def _with_header(unit: Unit | None) -> str:
    if unit is None:
        return ""
    return f"{unit.header}\n{unit.text}" if unit.header else unit.text


def _sentences_like(unit: Unit, wanted: str) -> str:
    """Return the sentences of a unit that are most like a key; of a row all."""
    known = keyed(unit.text)
    _, first, last = best_place(wanted, known.key)
    if unit.kind == "row" or first >= last:
        return unit.text
    start, end = known.places[first], known.places[last - 1] + 1
    ends = [match.end() for match in _END.finditer(unit.text)]
    begin = max((each for each in ends if each <= start), default=0)
    stop = min((each for each in ends if each >= end), default=len(unit.text))
    return unit.text[begin:stop].strip()


def changed_numbers(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """Return the numbers of two texts that one of them has more often, in order, as pairs of old and new."""
    left, added = _numbers(old), _numbers(new)
    for number in [*left]:
        twin = next((each for each in added if each[0] == number[0]), None)
        if twin is not None:
            left.remove(number)
            added.remove(twin)
    pairs = zip_longest((text for _, text in left), (text for _, text in added), fillvalue="")
    return tuple(pairs)


def _numbers(text: str) -> list[tuple[str, str]]:
    """Return (key, number as it is written, with its unit if that is a known one) of a text, in order."""
    with_units = amounts(text)
    found = []
    for match in _FIGURES.finditer(text):
        as_written = next((a for a in with_units if text.startswith(a, match.start())), match[0])
        found.append((key(as_written), as_written))
    return found
