"""Lines of text, as TXT, PDF and HWPX have them, to blocks: paragraphs, items, and headings by their wording."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lm_eval_so.core.text import width
from lm_eval_so.generator.documents.block import At, Block

_ARTICLE: Final = re.compile(
    r"(제\s?[0-9]{1,4}\s?(편|장|절|관|조)(?:의\s?[0-9]{1,3})?"
    r"(?:\s?[(（【][^()（）【】]{1,60}[)）】])?)(?:\s+(.*))?"
)
_RANKS: Final = "편장절관조"
_ARTICLE_TITLED: Final = re.compile(r".*[)）】]")
_BULLET: Final = re.compile(r"[-*+•·∙▪◦‣○●■□◆▶▷]\s+(.+)")
_NUMBERED: Final = re.compile(r"([0-9]{1,3})[.)]\s+(.+)")
_STARTS: Final = re.compile(r"[①-⑳㉠-㉻※]|\([0-9가-하]{1,2}\)\s|[가-하][.)]\s")
"""Beginnings of a paragraph of its own, which stay in its text."""
_SENTENCE_END: Final = re.compile(r"[.!?。:;][\"'”’」』)\]]*$")
_PARTED: Final = re.compile("[A-Za-z]-$")
_LONGEST_TITLE: Final = 60
_LONGEST_HEADING: Final = 100
_SHORT: Final = 0.85
"""A line that ends a sentence and is shorter than this share of a full one ends its paragraph."""
_LABEL: Final = 0.6
"""So does any line that is shorter than this share."""
_FEWEST_FULL: Final = 40
"""Columns of a full line at least: shorter lines are a list, wrapped nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """One line of a text."""

    text: str
    at: At = field(default_factory=dict)
    starts: bool = False
    """Whether a paragraph certainly begins with it."""
    level: int = 1
    """Depth of an item, by its indentation."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A heading at the beginning of a line, with its rank: the lower the higher."""

    rank: int
    title: str
    rest: str
    is_sure: bool = False
    """Whether it is one in the middle of a paragraph, too."""


def read_text(text: str, patterns: Sequence[re.Pattern[str]] = ()) -> list[Block]:
    """Return the blocks of a plain text: a blank line ends a paragraph, a list item is a line with a mark.

    Args:
        text: The text.
        patterns: Patterns of headings, as `blocks_of` takes them.
    """
    lines: list[TextLine] = []
    starts = True
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            starts = True
            continue
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        at = {"line": number}
        lines.append(TextLine(text=line.strip(), at=at, starts=starts, level=indent // 2 + 1))
        starts = False
    return blocks_of(lines, patterns)


def with_starts(lines: Sequence[TextLine]) -> list[TextLine]:
    """Return lines that were wrapped at a width, marked where a paragraph begins.

    It begins after a line that ends a sentence and is not full, and after a line that is far from full.
    """
    widths = sorted(width(line.text) for line in lines)
    full = widths[int(len(widths) * 0.9)] if widths else 0
    marked: list[TextLine] = []
    before: TextLine | None = None
    for line in lines:
        share = width(before.text) / full if before is not None and full else 0
        ends = before is not None and _SENTENCE_END.search(before.text) is not None
        starts = full < _FEWEST_FULL or share < (_SHORT if ends else _LABEL)
        marked.append(replace(line, starts=line.starts or starts))
        before = line
    return marked


def blocks_of(lines: Iterable[TextLine], patterns: Sequence[re.Pattern[str]] = ()) -> list[Block]:
    """Return the blocks of lines: what belongs together is joined by a space.

    Headings are lines that one of the patterns matches, lines as 제1조 (목적), and 제1조, 제2장, 제3절 at the beginning of
    a paragraph; what follows the title of an article on its line is a paragraph. A short first line without the end of a sentence is the title.

    Args:
        lines: Lines without blank ones.
        patterns: Patterns of headings, matched at the beginning of a line; the first is the highest.
    """
    # texts of each block are joined at the end: a paragraph may have thousands of lines
    found: list[tuple[Block, int | None, list[str]]] = []
    before = ""
    for line in lines:
        begins = line.starts or not found or found[-1][0].kind == "heading"
        heading = _heading(line.text, patterns)
        block = _block(line)
        if heading is not None and (heading.is_sure or begins or _SENTENCE_END.search(before)):
            title = Block(kind="heading", text=heading.title, at=line.at)
            found.append((title, heading.rank, [heading.title]))
            block = _block(replace(line, text=heading.rest))
            begins = True
        if not block.text:
            continue
        if begins or block.kind == "item" or _STARTS.match(line.text):
            found.append((block, None, [block.text]))
        else:
            is_parted = _PARTED.search(before) and line.text[:1].islower()
            found[-1][2].extend(("" if is_parted else " ", line.text))
        before = line.text
    return _levelled([(replace(block, text="".join(texts)), rank) for block, rank, texts in found])


def with_marks(blocks: Sequence[Block], patterns: Sequence[re.Pattern[str]] = ()) -> list[Block]:
    """Return blocks with paragraphs that read as headings or items turned into such, as `blocks_of` does.

    Args:
        blocks: Blocks of a format whose headings and lists may be plain paragraphs, typed by hand.
        patterns: As in `blocks_of`.
    """
    found: list[tuple[Block, int | None]] = []
    for block in blocks:
        if block.kind != "paragraph":
            found.append((block, None))
            continue
        text = " ".join(block.text.split())
        heading = _heading(text, patterns)
        if heading is None:
            found.append((_block(TextLine(text=text, at=block.at)), None))
            continue
        found.append((Block(kind="heading", text=heading.title, at=block.at), heading.rank))
        if heading.rest:
            found.append((_block(TextLine(text=heading.rest, at=block.at)), None))
    return _levelled(found)


def _heading(text: str, patterns: Sequence[re.Pattern[str]]) -> _Found | None:
    if len(text) <= _LONGEST_HEADING:
        for rank, pattern in enumerate(patterns):
            if pattern.match(text):
                return _Found(rank, text, "", is_sure=True)
    match = _ARTICLE.fullmatch(text)
    if match is None:
        return None
    title, kind, rest = match[1], match[2], match[3] or ""
    rank = len(patterns) + _RANKS.index(kind)
    if _ARTICLE_TITLED.fullmatch(title):
        return _Found(rank, title, rest, is_sure=not rest)
    # without a title in brackets, what follows is the title, unless it is a sentence
    is_title = len(text) <= _LONGEST_TITLE and not _SENTENCE_END.search(text)
    return _Found(rank, text, "") if is_title else None


def _block(line: TextLine) -> Block:
    if bullet := _BULLET.fullmatch(line.text):
        return Block(kind="item", text=bullet[1], level=line.level, mark="-", at=line.at)
    if item := _NUMBERED.fullmatch(line.text):
        return Block(kind="item", text=item[2], level=line.level, mark=f"{item[1]}.", at=line.at)
    return Block(kind="paragraph", text=line.text, at=line.at)


def _levelled(found: Sequence[tuple[Block, int | None]]) -> list[Block]:
    """Return the blocks with the levels of their headings: the title 1, then the ranks that occur."""
    blocks = [block for block, _ in found]
    has_headings = any(block.kind == "heading" and rank is None for block, rank in found)
    lowest = 0
    if blocks and not has_headings and found[0][1] is None and _is_title(blocks):
        blocks[0] = replace(blocks[0], kind="heading", level=1)
        lowest = 1
    if has_headings:
        lowest = max(b.level for b, rank in found if b.kind == "heading" and rank is None)
    ranks = sorted({rank for _, rank in found if rank is not None})
    return [
        block if rank is None else replace(block, level=min(lowest + ranks.index(rank) + 1, 6))
        for block, (_, rank) in zip(blocks, found, strict=True)
    ]


def _is_title(blocks: Sequence[Block]) -> bool:
    first = blocks[0]
    is_short = len(first.text) <= _LONGEST_TITLE and not _SENTENCE_END.search(first.text)
    return (
        len(blocks) > 1
        and first.kind == "paragraph"
        and is_short
        and any(map(str.isalpha, first.text))
    )
