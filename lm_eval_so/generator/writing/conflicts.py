"""Places where documents disagree: nearly the same words, with other numbers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from lm_eval_so.core.text.edits import common_length
from lm_eval_so.core.words import counted
from lm_eval_so.generator.documents.block import Document, Unit
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.rules import numbers_of

_FEWEST = 12
"""Fewest characters of a unit that is compared."""
_ALIKE = 0.85
"""Least share of the characters of two units, digits masked, that they have in common, in order."""
_NUMBER = re.compile(r"[0-9]+(?:[.,:~-][0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two units of different documents that tell other numbers in nearly the same words."""

    files: tuple[str, str]
    numbers: tuple[str, str]
    """The first numbers that differ, as they are written."""


def conflicts(documents: Sequence[Document]) -> Iterator[Conflict]:
    """Yield the places where documents disagree; rows are compared only if their first cells are equal.

    Args:
        documents: The documents.
    """
    units = {id(document): _comparable(document) for document in documents}
    for one, other in combinations(documents, 2):
        for unit, masked in units[id(one)]:
            for twin, as_masked in units[id(other)]:
                if _is_alike(unit, masked, twin, as_masked) and _disagree(unit, twin):
                    yield Conflict(files=(one.file, other.file), numbers=_first(unit, twin))


def _comparable(document: Document) -> list[tuple[Unit, str]]:
    units = [u for u in document.units if len(u.text) >= _FEWEST and numbers_of(u.text)]
    return [(unit, _NUMBER.sub("0", key(unit.text))) for unit in units]


def _is_alike(unit: Unit, masked: str, twin: Unit, as_masked: str) -> bool:
    whole = len(masked) + len(as_masked)
    if unit.kind == "row" or twin.kind == "row":
        heads = [each.named_cells()[:1] for each in (unit, twin) if each.kind == "row"]
        if len(heads) != 2 or heads[0] != heads[1]:
            return False
    if 2 * min(len(masked), len(as_masked)) < _ALIKE * whole:
        return False
    return 2 * common_length(masked, as_masked) >= _ALIKE * whole


def _disagree(unit: Unit, twin: Unit) -> bool:
    return numbers_of(unit.text) != numbers_of(twin.text)


def _first(unit: Unit, twin: Unit) -> tuple[str, str]:
    pairs = zip(_NUMBER.findall(unit.text), _NUMBER.findall(twin.text), strict=False)
    return next(((a, b) for a, b in pairs if a != b), ("", ""))


def conflict_lines(documents: Sequence[Document]) -> list[str]:
    """Return a line for each two documents that disagree: `a.md and b.md disagree in 4 places: 7/10, …`.

    Args:
        documents: The documents.
    """
    found = list(conflicts(documents))
    lines = []
    for files in dict.fromkeys(each.files for each in found):
        numbers = ["/".join(each.numbers) for each in found if each.files == files]
        places = counted(len(numbers), "place")
        lines.append(f"{files[0]} and {files[1]} disagree in {places}: {', '.join(numbers)}")
    return lines
