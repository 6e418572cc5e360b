"""Sentences, paragraphs and lines of an answer, without its Markdown."""

import re
from typing import Final

from lm_eval_so.core.text.profiles import basic

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_OF_TEXT: Final = frozenset({"", "text", "txt", "plain", "plaintext", "md", "markdown"})
"""Info strings of fences that hold no code."""
_MARKS: Final = re.compile(r"(?:>|#{1,6}(?= )|(?:[-*+·◦▪‣]|[0-9]{1,3}[.)])(?= )| )*")
_END: Final = re.compile(r"(?<=[.!?。]) ")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each after the profile `basic`.

    Fenced code is left out, and the marks of lists, headings and quotations are removed. The end of a
    line and . ! ? or 。 before a space end a sentence; a piece without a letter or digit is none.
    """
    pieces = [
        piece
        for line in without_fences(text).splitlines()
        for piece in _END.split(without_marks(basic(line)))
    ]
    return [piece for piece in pieces if any(map(str.isalnum, piece))]


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, separated by blank lines."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines).strip() for lines in found if lines]


def without_fences(text: str, *, keeps_text: bool = False) -> str:
    """Return a text without fenced code blocks; an unclosed block reaches to the end.

    Args:
        text: The text.
        keeps_text: Whether the lines of blocks that name no programming language stay.

    Source: CommonMark 0.31, §4.5.
    """
    kept, fence, is_kept = [], "", False
    for line in text.splitlines():
        match = _FENCE.match(line)
        after = line[match.end() :].strip() if match else ""
        if not fence and match:
            fence, is_kept = match[1], keeps_text and after.lower() in _OF_TEXT
        elif match and fence and match[1].startswith(fence) and not after:
            fence = ""
        elif not fence or is_kept:
            kept.append(line)
    return "\n".join(kept)


def without_marks(line: str) -> str:
    """Return a line without the marks of lists, headings and quotations at its beginning."""
    match = _MARKS.match(line)
    return line[match.end() :] if match else line
