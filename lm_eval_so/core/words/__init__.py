"""Wording for people, in English and Korean.

They are JSON files in this folder, one a topic and language, with the same keys and slots in both.
A slot is `{name}`; in Korean `{name:은/는}` adds the particle that fits the value, in English
`{name:sample/samples}` the noun that fits a number.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.text import josa

Wording: TypeAlias = Mapping[str, str]
"""One text in every language, by the language's code."""

_PLACES = ("sheet", "page", "row", "line")
_SLOT = re.compile(r"\{(\w+)(?::([^}]+))?\}")


def say(code: str, language: Language, figures: Mapping[str, object] | None = None) -> str:
    """Return the text of a code, filled in.

    Args:
        code: Key of the text, as "comparison.pass".
        language: Language of the text.
        figures: Value of each slot, already formatted.

    Raises:
        KeyError: If there is no such text, or a slot has no figure.
    """
    given = figures or {}

    def fill(match: re.Match[str]) -> str:
        value = str(given[match[1]])
        if not match[2]:
            return value
        if language is Language.KO:
            return value + josa(value, match[2])
        one, many = match[2].split("/")
        return f"{value} {one if value == '1' else many}"

    return _SLOT.sub(fill, texts(language)[code])


def place_in_file(at: Mapping[str, object], language: Language) -> str:
    """Return a place in a file in words, as "page 3, line 7"; empty if none is known."""
    return ", ".join(
        say(f"review_page.at_{key}", language, {"n": at[key]}) for key in _PLACES if key in at
    )


def in_each(make: Callable[[Language], str]) -> Wording:
    """Return one text in every language.

    Args:
        make: Function from a language to the text.
    """
    return {language.value: make(language) for language in Language}


def say_in_each(code: str, figures: Mapping[str, object] | None = None) -> Wording:
    """Return the text of a code in every language.

    Args:
        code: Key of the text, as "metrics.not_json".
        figures: Value of each slot, already formatted, or such a text in every language.

    Raises:
        KeyError: If there is no such text, or a slot has no figure.
    """
    given = figures or {}

    def made(language: Language) -> str:
        return say(code, language, {key: _picked(told, language) for key, told in given.items()})

    return in_each(made)


def joined(separator: str, parts: Iterable[str | Wording]) -> Wording:
    """Return texts joined to one, in every language."""
    told = list(parts)
    return in_each(lambda language: separator.join(str(_picked(each, language)) for each in told))


def told_in(told: str | Wording, language: Language) -> str:
    """Return a text in a language; one without languages, as a quotation, is as it is."""
    if isinstance(told, str):
        return told
    return told.get(language) or next(iter(told.values()), "")


def _picked(told: object, language: Language) -> object:
    return told_in(told, language) if isinstance(told, Mapping) else told


def counted(n: int, noun: str, many: str | None = None) -> str:
    """Return a number and an English noun in its form: "1 row", "1,200 rows", "1 row has".

    Args:
        n: The number.
        noun: Words for one.
        many: Words for another number; default: those for one with an s.
    """
    return f"{n:,} {noun if n == 1 else many or f'{noun}s'}"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Return all texts of a language by code: "<file>.<key>"."""
    found: dict[str, str] = {}
    for file in sorted(files(__name__).joinpath(language.value).iterdir(), key=lambda f: f.name):
        topic = file.name.removesuffix(".json")
        found |= {
            f"{topic}.{key}": text for key, text in json.loads(file.read_text("utf-8")).items()
        }
    return found


def texts_of(topic: str, language: Language) -> Mapping[str, str]:
    """Return the texts of a topic by key, with their slots as they are."""
    start = f"{topic}."
    return {k.removeprefix(start): v for k, v in texts(language).items() if k.startswith(start)}
