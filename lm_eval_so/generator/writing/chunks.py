"""Chunks of documents: the passages that a question is written from, each one piece of the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lm_eval_so.core.hashing import digest
from lm_eval_so.generator.clean import language_of
from lm_eval_so.generator.documents.block import Document, Section, Unit

_MOST = 1200
"""Most characters of a chunk."""
_FEWEST = 80
"""Fewest characters of a chunk that is not joined to the next section."""
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Consecutive units of one section, or of a short one and the next."""

    document: Document
    units: tuple[Unit, ...]

    @property
    def start(self) -> int:
        """First code point in the document's text."""
        return self.units[0].start

    @property
    def end(self) -> int:
        """End in the document's text, exclusive."""
        return self.units[-1].end

    @property
    def path(self) -> tuple[str, ...]:
        """Heading path of its first unit."""
        return self.units[0].path

    @property
    def own_text(self) -> str:
        """The text without the header row of a table that began before."""
        return self.document.text[self.start : self.end]

    @property
    def text(self) -> str:
        """The text of the document from start to end, below the header row of a table that began before."""
        header = self.units[0].header
        return f"{header}\n{self.own_text}" if header else self.own_text

    @property
    def with_heading(self) -> str:
        """The text below its own heading, whose words count when others are compared with it."""
        return "\n".join([*self.path[-1:], self.text])

    @property
    def place(self) -> str:
        """File and heading, for people: `returns.docx › 1. Period`."""
        return place_of(self.document, self.path)

    @property
    def language(self) -> str:
        """Language of the text by its scripts."""
        return language_of(self.text)

    @property
    def sha256(self) -> str:
        """Digest of heading path and text, wherever they stand."""
        return digest([self.path, self.text])


def place_of(document: Document, path: Sequence[str]) -> str:
    """Return a place in a document for people: file and last heading."""
    return f"{document.file} › {path[-1]}" if path else document.file


def by_section(document: Document) -> Iterator[tuple[Section, list[Unit]]]:
    """Yield every section of a document with its units."""
    units = {n: [*found] for n, found in groupby(document.units, key=lambda unit: unit.section)}
    yield from ((section, units.get(n, [])) for n, section in enumerate(document.sections))


def chunks_of(document: Document) -> tuple[Chunk, ...]:
    """Return the chunks of a document in order: every unit lies in one, or in the pieces of a long one."""
    grouped: list[list[Unit]] = []
    for units in _sections(document):
        grouped.append([])
        for piece in (piece for unit in units for piece in _pieces(unit, document.text)):
            if grouped[-1] and piece.end - grouped[-1][0].start > _MOST:
                grouped.append([])
            grouped[-1].append(piece)
    return tuple(Chunk(document=document, units=tuple(units)) for units in grouped)


def _sections(document: Document) -> Iterator[list[Unit]]:
    """Yield the units of each section; those of a short one with those of the next below its parent."""
    waiting: list[Unit] = []
    for section, units in by_section(document):
        parent = waiting[-1].path[:-1] if waiting else ()
        if section.path[: len(parent)] != parent:
            yield waiting
            waiting = []
        waiting += units
        if waiting and waiting[-1].end - waiting[0].start >= _FEWEST:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _pieces(unit: Unit, text: str) -> Iterator[Unit]:
    """Yield a unit, or pieces of it that end where sentences do, each of at most `_MOST` characters."""
    start = unit.start
    while unit.end - start > _MOST:
        ends = [m.start() for m in _SENTENCE_END.finditer(text, start, start + _MOST)]
        end = next((end for end in reversed(ends) if end > start), start + _MOST)
        yield replace(unit, text=text[start:end], start=start, end=end)
        start = end + len(text[end : unit.end]) - len(text[end : unit.end].lstrip())
    if start < unit.end:
        yield replace(unit, text=text[start : unit.end], start=start)


def sentence_spans(text: str, unit: Unit) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence of a unit, in code points of the document's text."""
    start = unit.start
    for match in _SENTENCE_END.finditer(text, unit.start, unit.end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < unit.end:
        yield start, unit.end
