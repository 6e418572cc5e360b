"""Parts of a question that no twin changes: addresses, codes and figures."""

import re
from collections.abc import Callable, Iterator

_ADDRESS = r"\w+://\S+|www\.\S+|\S+@\S+"
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9]|[-._:/+%#&,'’](?=[A-Za-z0-9]))*%?"
_TOKEN = re.compile(f"{_ADDRESS}|{_WORD}")
_PLAIN = re.compile(r"[A-Za-z][a-z]*(?:['’][a-z]+)?")
"""A word as others, and no code: lower case, but for its first letter."""
_AROUND = re.compile(rf"(\s*(?:{_ADDRESS})\s*)")


def untouched(text: str) -> list[tuple[int, int]]:
    """Return the places of addresses, of numbers in figures, and of Latin names and codes that are no plain words."""
    return [each.span() for each in _TOKEN.finditer(text) if not _PLAIN.fullmatch(each[0])]


def plain_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of Latin words that are neither addresses nor codes."""
    yield from (each.span() for each in _TOKEN.finditer(text) if _PLAIN.fullmatch(each[0]))


def outside_addresses(text: str, change: Callable[[str], str]) -> str:
    """Change a text but for its addresses and the spaces around them."""
    parts = _AROUND.split(text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def is_kept(text: str, changed: str) -> bool:
    """Return whether a changed text has all that must not be touched, in its order."""
    position = 0
    for start, end in untouched(text):
        found = changed.find(text[start:end], position)
        if found < 0:
            return False
        position = found + end - start
    return True
