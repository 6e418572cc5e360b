"""Places where documents disagree: nearly the same words, with other numbers."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.text.edits import common_length
from lm_eval_so.core.words import say
from lm_eval_so.generator.documents.block import Document, Unit, in_force
from lm_eval_so.generator.writing.chunks import Chunk, chunks_of
from lm_eval_so.generator.writing.likeness import key, numbers_of

_FEWEST = 12
"""Fewest characters of a unit that is compared."""
_ALIKE = 0.85
"""Least share of the characters of two units, digits masked, that they have in common, in order."""
_SHOWN = 8
"""Most numbers of a line."""
_NUMBER = re.compile(r"[0-9]+(?:[.,:~-][0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two units of different documents that tell other numbers in nearly the same words."""

    documents: tuple[Document, Document]
    """The document that holds comes first, if one supersedes the other."""
    units: tuple[Unit, Unit]
    is_settled: bool
    """Whether the first document supersedes the second."""

    @property
    def numbers(self) -> tuple[str, str]:
        """The first numbers that differ, as they are written."""
        pairs = zip(*(_NUMBER.findall(unit.text) for unit in self.units), strict=False)
        return next(((a, b) for a, b in pairs if a != b), ("", ""))


def conflicts(documents: Sequence[Document]) -> Iterator[Conflict]:
    """Yield the places where documents in force disagree with one another, or with one that they supersede."""
    valid = {document.file for document in in_force(documents)}
    for pair in combinations(documents, 2):
        one, other = pair if pair[0].file in valid else pair[::-1]
        is_settled = one.replaces(other)
        if one.file in valid and (other.file in valid or is_settled):
            for units in differing(one.units, other.units):
                yield Conflict(documents=(one, other), units=units, is_settled=is_settled)


def differing(ours: Sequence[Unit], theirs: Sequence[Unit]) -> Iterator[tuple[Unit, Unit]]:
    """Yield units that tell other numbers in nearly the same words; rows only if their first cells are equal."""
    others: defaultdict[Any, list[tuple[Unit, str]]] = defaultdict(list)
    for head, twin, masked in _comparable(theirs):
        others[head].append((twin, masked))
    for head, unit, masked in _comparable(ours):
        for twin, as_masked in others[head]:
            if _is_alike(masked, as_masked) and numbers_of(unit.text) != numbers_of(twin.text):
                yield unit, twin


def _comparable(units: Sequence[Unit]) -> Iterator[tuple[Any, Unit, str]]:
    """Yield each unit with numbers: what must be equal in another one, the unit, and its key without the numbers."""
    for unit in units:
        if len(unit.text) >= _FEWEST and numbers_of(unit.text):
            head = unit.named_cells()[:1] if unit.kind == "row" else None
            yield head, unit, _NUMBER.sub("0", key(unit.text))


def _is_alike(masked: str, other: str) -> bool:
    least = _ALIKE * (len(masked) + len(other)) / 2
    return min(len(masked), len(other)) >= least and common_length(masked, other) >= least


def superseded_passages(documents: Sequence[Document]) -> list[tuple[Chunk, Chunk]]:
    """Return the passage that holds and the one that it supersedes, for each place where they disagree."""
    chunks = {document.file: chunks_of(document) for document in documents}

    def passage(each: Conflict, side: int) -> Chunk:
        start = each.units[side].start
        of_document = chunks[each.documents[side].file]
        return next(chunk for chunk in of_document if chunk.start <= start < chunk.end)

    settled = (each for each in conflicts(documents) if each.is_settled)
    return [(passage(each, 0), passage(each, 1)) for each in settled]


def conflict_lines(documents: Sequence[Document], language: Language) -> list[tuple[str, bool]]:
    """Return a line for each two documents that disagree, and whether one of them supersedes the other."""
    numbers: dict[tuple[str, str, bool], list[str]] = {}
    for each in conflicts(documents):
        newer, older = each.documents
        pair = (newer.file, older.file, each.is_settled)
        numbers.setdefault(pair, []).append("/".join(each.numbers))
    lines = []
    for (one, other, is_settled), told in numbers.items():
        code = "sources.supersedes" if is_settled else "sources.disagree"
        shown = ", ".join(told[:_SHOWN] + ["…"] * (len(told) > _SHOWN))
        figures = {"one": one, "other": other, "n": len(told), "numbers": shown}
        lines.append((say(code, language, figures), is_settled))
    return lines
