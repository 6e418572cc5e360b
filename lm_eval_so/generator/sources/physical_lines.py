"""Physical lines of a text in any encoding: streamed, numbered, decoded strictly."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 1 << 20
"""Longest record, in bytes."""

_BLOCK = 1 << 16
_Texts = Iterator[tuple[str, int | None, int]]


class Line(NamedTuple):
    """One line with its line end."""

    number: int
    text: str
    """Text with U+FFFD for bytes that cannot be decoded; a line that is too long is cut."""
    bad_byte: int | None
    """First byte of the line, from 0, that cannot be decoded."""
    size: int
    """Bytes."""


def read_lines(path: Path, encoding: str) -> Iterator[Line]:
    r"""Yield the lines of a file; LF, CRLF and CR end a line, a BOM is left out.

    Raises:
        OSError: If the file cannot be read.
        UnicodeError: If a file with several bytes a unit ends in the middle of one.
    """
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    if "\n".encode(encoding) == b"\n":
        texts: _Texts = (_decoded(line, encoding) for line in _byte_lines(path))
    else:
        texts = _wide_lines(path, encoding)
    for number, (text, bad_byte, size) in enumerate(texts, start=1):
        yield Line(number, text.removeprefix("\ufeff") if number == 1 else text, bad_byte, size)


def _byte_lines(path: Path) -> Iterator[bytes]:
    rest = b""
    with path.open("rb") as data:
        while block := data.read(_BLOCK):
            lines = (rest + block).splitlines(keepends=True)
            rest = lines.pop()
            yield from lines
            if not rest.endswith((b"\n", b"\r")):
                rest = rest[: MOST_BYTES + 1]  # too long already: the rest of it is not kept
    if rest:
        yield rest


def _decoded(line: bytes, encoding: str) -> tuple[str, int | None, int]:
    try:
        return line.decode(encoding), None, len(line)
    except UnicodeDecodeError as error:
        return line.decode(encoding, "replace"), error.start, len(line)


def _wide_lines(path: Path, encoding: str) -> _Texts:
    # UTF-16 is decoded unit by unit, so that a half of a pair spoils its own line only
    errors = "surrogatepass" if encoding.startswith("utf") else "strict"
    with path.open(encoding=encoding, errors=errors, newline="") as file:
        for text in file:
            size = len(text) * 2
            if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
                yield text, None, size
                continue
            start = next(i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff")
            whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            yield whole, len(text[:start].encode("utf-16-le")), size
