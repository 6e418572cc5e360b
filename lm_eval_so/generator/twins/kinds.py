"""The kinds of twins: the keyboard, no space bar, no politeness, no capitals."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from lm_eval_so.core.text import is_syllable
from lm_eval_so.core.text.korean import close_spaces
from lm_eval_so.core.text.speech import speech_of
from lm_eval_so.generator.twins.keyboard import keyboard_mode, pieces, typo
from lm_eval_so.generator.twins.untouched import is_kept, outside_addresses, plain_words

Kind = Callable[[str, int], str | None]
"""Takes a question and the number that decides on the place; None if it changes nothing."""

_CASUAL = {
    "아니에요": "아니야",
    "이에요": "이야",
    "예요": "야",
    "주세요": "줘",
    "마세요": "마",
    "세요": "셔",
    "죠": "지",
    "인가요": "인가",
    "나요": "나",
    "까요": "까",
    "요": "",
}
"""Polite endings and their casual form, the longest first where one ends as another does."""


def kinds_for(texts: Iterable[str]) -> Mapping[str, Kind]:
    """Return the kinds by name, in the order in which they take turns.

    None of them touches an address, a code or a figure.

    Args:
        texts: Texts of the dataset, whose words no slip may make of another.
    """
    ways: dict[str, Callable[[str, int], str]] = {
        "typo": partial(typo, known=pieces(texts)),
        "keyboard_mode": keyboard_mode,
        "no_spaces": no_spaces,
        "register": register,
        "plain_case": plain_case,
    }
    return {name: partial(_changed, way) for name, way in ways.items()}


def _changed(way: Callable[[str, int], str], text: str, number: int) -> str | None:
    changed = way(text, number)
    return changed if changed not in ("", text) and is_kept(text, changed) else None


def no_spaces(text: str, number: int) -> str:  # noqa: ARG001 - as the other kinds are called
    """Return a text without the spaces beside Hangul."""
    return outside_addresses(text, close_spaces)


def register(text: str, number: int) -> str:  # noqa: ARG001 - as the other kinds are called
    """Return a text whose last sentence is casual and no longer polite: 되나요? → 되나?"""
    end = len(text)
    while end and not is_syllable(text[end - 1]):
        end -= 1
    if any(char.isascii() and char.isalnum() for char in text[end:]):
        return text
    start = end
    while start and is_syllable(text[start - 1]):
        start -= 1
    word = text[start:end]
    if speech_of(word) != "haeyo":
        return text
    ending = next(each for each in _CASUAL if word.endswith(each))
    casual = word.removesuffix(ending) + _CASUAL[ending]
    return text[:start] + casual + text[end:] if casual else text


def plain_case(text: str, number: int) -> str:  # noqa: ARG001 - as the other kinds are called
    """Return a Latin text in lower case and without its end mark; codes stay."""
    if any(map(is_syllable, text)):
        return text
    chars = [*text]
    for start, end in plain_words(text):
        chars[start:end] = text[start:end].lower()
    return "".join(chars).rstrip().rstrip("?!.")
