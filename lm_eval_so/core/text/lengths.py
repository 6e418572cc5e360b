"""Length of a text in the units that people count."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from lm_eval_so.core.text.forms import nfc
from lm_eval_so.core.text.graphemes import count_graphemes
from lm_eval_so.core.text.korean import is_syllable
from lm_eval_so.core.text.sentences import paragraphs, sentences

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
