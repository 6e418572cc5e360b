"""Graphemes, the characters that people see, and emoji."""

import re

import regex

_ONE_BY_ONE = re.compile(r"[\x00-\x0c\x0e-\x7e가-힣]*").fullmatch
"""Characters that are one grapheme each beside any others of their kind."""
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(
    r"[\p{Emoji_Presentation}\p{Regional_Indicator}]|\p{Emoji}\uFE0F|\u20E3"
    r"|[\p{Emoji}--\p{ASCII}&&[\u2600-\u27BF]]",
    regex.V1,
)


def count_graphemes(text: str) -> int:
    """Count the graphemes of a text.

    Source: Unicode Standard Annex #29.
    """
    return (
        len(text)
        if text.isascii() or _ONE_BY_ONE(text)
        else sum(1 for _ in _GRAPHEME.finditer(text))
    )


def has_emoji(text: str) -> bool:
    """Return whether a text has an emoji: a picture, flag, keycap, or a sign with U+FE0F.

    Signs of U+2600 … U+27BF that are emoji count as they are (☎, ✔, ❤); ©, ®, ™ and arrows do not.

    Source: Unicode Technical Standard #51.
    """
    return _EMOJI.search(text) is not None
