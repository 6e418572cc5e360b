"""Words that only one of two texts has, marked; the page's script marks the same (`tests/data/marks.json`).

1. A text is cut into parts: a number with its points and commas, a syllable of Hangul (kana and Han
   likewise), a run of other letters and digits, a run of spaces, or any other single character.
2. Parts that both texts start with, and then those that both end with, are common. Of what is left
   the longest common run of parts is common. If more than 600 parts are left of either, nothing is marked.
3. Common parts between two changes that are no longer than the longer side of each of them, spaces not
   counted, belong to the change: they are the same by chance.
4. If less than a third of the words of the longer text is common, nothing is marked.
5. A mark starts and ends with a letter, digit or sign, never with a space. Where one text has nothing in
   place of the other's words, it has a gap.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_PART: Final = re.compile(
    r"[가-힣\u3040-\u30ff\u3400-\u9fff]"
    r"|\d+(?:[.,]\d+)*"
    r"|(?:(?![가-힣\u3040-\u30ff\u3400-\u9fff])[^\W_])+"
    r"|\s+|[\s\S]"
)
_WORD: Final = re.compile(r"[^\W_]")
_MOST_PARTS: Final = 600
_LEAST_IN_COMMON: Final = 1 / 3


class Mark(StrEnum):
    """Relation of a piece of a text to the other text."""

    SAME = "same"
    ONLY = "only"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text: the same in both, in this one only, or missing here."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of parts: common to both texts, or what each has in the place of the other's."""

    left: str
    right: str
    is_common: bool

    @property
    def size(self) -> int:
        """Characters of the longer side, spaces not counted."""
        return max(len("".join(side.split())) for side in (self.left, self.right))


def mark_words(before: str, now: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return the pieces of two texts; those of a text make the whole text again.

    Args:
        before: A text.
        now: The text in its place.
    """
    runs = _runs(_PART.findall(before), _PART.findall(now))
    if runs is None or _is_apart(runs, before, now):
        return _plain(before), _plain(now)
    sides = [(run.is_common, run.left, run.right) for run in runs]
    left = _pieces((common, text, other) for common, text, other in sides)
    right = _pieces((common, text, other) for common, other, text in sides)
    return tuple(left), tuple(right)


def _runs(left: Sequence[str], right: Sequence[str]) -> list[_Run] | None:
    """Return both texts as runs; None if they are too long to compare."""
    shorter = min(len(left), len(right))
    start = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if left[-1 - i] != right[-1 - i]), rest)
    a, b = left[start : len(left) - end], right[start : len(right) - end]
    if max(len(a), len(b)) > _MOST_PARTS:
        return None
    head, tail = "".join(left[:start]), "".join(left[len(left) - end :])
    found: list[_Run] = []
    for run in (_Run(head, head, True), *_aligned(a, b), _Run(tail, tail, True)):
        _add(found, run)
    return _without_chance(found)


def _aligned(a: Sequence[str], b: Sequence[str]) -> Iterator[_Run]:
    """Yield the parts of two texts along their longest common run, one a run.

    Source: Hirschberg (1977), J. ACM 24(4), 664–675: the recurrence; the table is kept whole.
    """
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        row, below, part = best[i], best[i + 1], a[i]
        for j in range(len(b) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if part == b[j] else max(below[j], row[j + 1])
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and a[i] == b[j]:
            yield _Run(a[i], b[j], True)
            i, j = i + 1, j + 1
        elif j >= len(b) or (i < len(a) and best[i + 1][j] >= best[i][j + 1]):
            yield _Run(a[i], "", False)
            i += 1
        else:
            yield _Run("", b[j], False)
            j += 1


def _add(found: list[_Run], run: _Run) -> None:
    """Append a run, joined with the last one if both are common or both are not."""
    if not run.left and not run.right:
        return
    if found and found[-1].is_common is run.is_common:
        last = found.pop()
        run = _Run(last.left + run.left, last.right + run.right, run.is_common)
    found.append(run)


def _without_chance(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs, with short common ones between two changes as part of the change.

    Source: Fraser (2006), Diff Strategies, semantic cleanup.
    """
    found: list[_Run] = []
    for run in runs:
        _add(found, run)
        while len(found) >= 3 and not found[-1].is_common:
            first, common, last = found[-3:]
            if common.size > min(first.size, last.size):
                break
            del found[-2:]
            found[-1] = _Run(
                first.left + common.left + last.left,
                first.right + common.right + last.right,
                False,
            )
    return found


def _is_apart(runs: Sequence[_Run], before: str, now: str) -> bool:
    common = sum(_words(run.left) for run in runs if run.is_common)
    return common / max(_words(before), _words(now), 1) < _LEAST_IN_COMMON


def _words(text: str) -> int:
    return sum(_WORD.search(part) is not None for part in _PART.findall(text))


def _plain(text: str) -> tuple[Piece, ...]:
    return (Piece(Mark.SAME, text),) if text else ()


def _pieces(runs: Iterator[tuple[bool, str, str]]) -> Iterator[Piece]:
    """Yield the pieces of one text: (common, its own part, the other's part) a run."""
    same = ""
    for is_common, text, other in runs:
        core = text.strip()
        if is_common or not (core or other.strip()):
            same += text
            continue
        # spaces stand beside the mark; a gap stands before those in its place
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        if not core:
            before, after = "", text
        if same + before:
            yield Piece(Mark.SAME, same + before)
        yield Piece(Mark.ONLY if core else Mark.GAP, core)
        same = after
    if same:
        yield Piece(Mark.SAME, same)
