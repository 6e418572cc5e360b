"""Look-ups: tests that need no model, a cell of a table by row and column, or a section by its heading."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lm_eval_so.core.hashing import u64
from lm_eval_so.generator.documents.block import Document, Unit
from lm_eval_so.generator.writing.candidate import Candidate
from lm_eval_so.generator.writing.chunks import Chunk, by_section, sentence_spans
from lm_eval_so.generator.writing.likeness import without_numbering
from lm_eval_so.generator.writing.slots import Slot, in_turn

_IN_BRACKETS = re.compile(r"^[(\[](.+)[)\]]$")
_TOLD = 2
"""Sentences of a section that answer its heading."""


class LookUp(NamedTuple):
    """A test made of a document's form alone."""

    slot: Slot
    said: Candidate


def look_ups(documents: Sequence[Document], seed: int) -> Iterator[LookUp]:
    """Yield every look-up, one of each document in turn: cells of tables, then headings."""

    def order(each: LookUp) -> tuple[int, int]:
        chunk = each.slot.chunk
        return u64(seed, "look_up", chunk.sha256, each.slot.nth), chunk.start

    for kind in (_cells, _headings):
        yield from in_turn(documents, seed, kind, order)


def _cells(document: Document) -> Iterator[LookUp]:
    for unit in document.units:
        if unit.kind != "row" or not unit.header:
            continue
        (_, head), *columns = unit.named_cells() or (("", ""),)
        for number, (column, cell) in enumerate(columns):
            if any(map(str.isalnum, cell)) and all((head, column)):
                said = Candidate(
                    question=f"{head} {column}?",
                    answer=cell,
                    quotes=(unit.text,),
                    must_say=(cell,) if any(map(str.isdecimal, cell)) else (),
                )
                yield _look_up(document, [unit], said, number)


def _headings(document: Document) -> Iterator[LookUp]:
    for section, of_section in by_section(document):
        units = [unit for unit in of_section if unit.kind in {"paragraph", "item"}]
        heading = _plain(section.title)
        spans = [span for unit in units for span in sentence_spans(document.text, unit)][:_TOLD]
        if not heading or not spans:
            continue
        quotes = tuple(document.text[start:end] for start, end in spans)
        said = Candidate(question=f"{heading}?", answer=" ".join(quotes), quotes=quotes)
        yield _look_up(document, [u for u in units if u.start < spans[-1][1]], said, 0)


def _plain(heading: str) -> str:
    """Return a heading without its number, brackets and end mark."""
    text = without_numbering(heading).strip()
    inside = _IN_BRACKETS.match(text)
    return (inside[1] if inside else text).rstrip(" ?.:!")


def _look_up(document: Document, units: Sequence[Unit], said: Candidate, nth: int) -> LookUp:
    chunk = Chunk(document=document, units=tuple(units))
    return LookUp(Slot(type="fact", chunks=(chunk,), nth=nth), said)
