"""Lengths of texts in the units that people count, graphemes among them; emoji."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

import regex

from lm_eval_so.core.text.forms import nfc
from lm_eval_so.core.text.korean import is_syllable
from lm_eval_so.core.text.sentences import paragraphs, sentences

_ONE_BY_ONE = re.compile(r"[\x00-\x0c\x0e-\x7e가-힣]*").fullmatch
"""Characters that are one grapheme each beside any others of their kind."""
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(
    r"[\p{Emoji_Presentation}\p{Regional_Indicator}]|\p{Emoji}\uFE0F|\u20E3"
    r"|[\p{Emoji}--\p{ASCII}&&[\u2600-\u27BF]]",
    regex.V1,
)
LengthUnit = Literal[
    "graphemes",
    "chars",
    "syllables",
    "words",
    "sentences",
    "lines",
    "paragraphs",
    "bytes",
    "bytes_cp949",
]
_COUNTS: Final[Mapping[LengthUnit, Callable[[str, str], int]]] = {
    "graphemes": lambda counted, _: count_graphemes(counted),
    "chars": lambda counted, _: len(counted),
    "syllables": lambda counted, _: sum(map(is_syllable, counted)),
    "words": lambda _, whole: len(whole.split()),
    "sentences": lambda _, whole: len(sentences(whole)),
    "lines": lambda _, whole: sum(1 for line in whole.splitlines() if line.strip()),
    "paragraphs": lambda _, whole: len(paragraphs(whole)),
    "bytes": lambda counted, _: len(counted.encode("utf-8", "replace")),
    "bytes_cp949": lambda counted, _: len(counted.encode("cp949", "replace")),
}


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


def count_units(text: str, unit: LengthUnit, *, count_spaces: bool = True) -> int:
    """Count the units of a text, in NFC and without spaces around it.

    Args:
        text: The text.
        unit: graphemes: characters as people see them; chars: code points; syllables: Hangul
            syllables; words: separated by spaces (어절); lines: lines that are not blank;
            paragraphs: separated by blank lines; bytes: bytes in UTF-8; bytes_cp949: bytes of an
            SMS, with one for a character that CP949 lacks.
        count_spaces: Whether spaces and line ends count, in characters and bytes.
    """
    known = nfc(text).strip()
    return _COUNTS[unit](known if count_spaces else "".join(known.split()), known)
