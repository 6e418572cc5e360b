"""Unicode forms, width, and text in the columns of a terminal."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence


def nfc(text: str) -> str:
    """Return the composed form (NFC); the text itself if it is that already."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal: East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def in_columns(rows: Iterable[Sequence[str]], *, indent: int = 0) -> Iterator[str]:
    """Yield rows of equal length in columns, two spaces apart; wide letters count twice."""
    table = list(rows)
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
        yield (" " * indent + "  ".join(cells)).rstrip()


def cut_to_columns(text: str, columns: int) -> str:
    """Return the first grapheme clusters that fit into so many columns."""
    if width(text) <= columns:
        return text
    import regex  # noqa: PLC0415 - width alone is part of every command

    kept, used = "", 1
    for cluster in regex.findall(r"\X", text):
        used += width(cluster)
        if used > columns:
            break
        kept += cluster
    return f"{kept.rstrip()}…"


def wrap(text: str, columns: int) -> Iterator[str]:
    """Yield lines of whole words; a word longer than a line is cut."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if width(joined) <= columns:
            line = joined
            continue
        if line:
            yield line
        line = cut_to_columns(word, columns)
    if line:
        yield line
