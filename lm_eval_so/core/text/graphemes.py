"""What people see as one character."""

import re

import regex

_ONE_BY_ONE = re.compile(r"[\x00-\x0c\x0e-\x7e가-힣]*").fullmatch
"""Characters that are one grapheme each, whatever stands beside them of their kind."""
_GRAPHEME = regex.compile(r"\X")


def count_graphemes(text: str) -> int:
    """Count what people see as one character.

    Source: Unicode Standard Annex #29.
    """
    return (
        len(text)
        if text.isascii() or _ONE_BY_ONE(text)
        else sum(1 for _ in _GRAPHEME.finditer(text))
    )
