"""Encodings: detected by the first bytes of a file, and its physical lines, streamed and decoded."""

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lm_eval_so.generator.sources.base import BadFileError, Reason

HEAD_BYTES = 1 << 20
"""Bytes of a file that decide its encoding."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it is tried before
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MOST_BYTES = 1 << 20
"""Longest record, in bytes."""
_BLOCK = 1 << 16
_Texts = Iterator[tuple[str, int | None, int]]


def detect_encoding(head: bytes) -> str | None:
    """Return the encoding of a text by its beginning.

    Args:
        head: The first `HEAD_BYTES` bytes, or the whole file if it is shorter.

    Returns:
        A Python codec name, or None if not detected.
    """
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if wide := _utf16_without_bom(head):
        return wide
    lines = head.splitlines()
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        lines.pop()  # cut anywhere, perhaps inside a character
    foreign = [line for line in lines if not line.isascii()]
    if not foreign or _share_decoded(foreign, "utf-8") > 0.5:
        return "utf-8"
    if _share_decoded(foreign, "cp949") > 0.5 and _reads_as_korean(foreign):
        return "cp949"
    return None


def is_encoding(name: str) -> bool:
    """Return whether Python knows an encoding."""
    try:
        b"a".decode(name, "replace")
    except (LookupError, ValueError):
        return False
    return True


def _utf16_without_bom(head: bytes) -> str | None:
    # spaces, digits and line ends are ASCII in any language, so one byte of each pair is often 0
    first, second = head[0::2].count(0), head[1::2].count(0)
    if (first + second) * 20 < len(head) or first + second == 0:
        return None
    if second > 4 * first:
        return "utf-16-le"
    return "utf-16-be" if first > 4 * second else None


def _share_decoded(lines: Sequence[bytes], encoding: str) -> float:
    return sum(_text_or_none(line, encoding) is not None for line in lines) / len(lines)


def _reads_as_korean(lines: Sequence[bytes]) -> bool:
    """Return whether text decoded as CP949 is Korean, mostly in common syllables.

    CP949 decodes nearly any bytes. Common syllables lie in the block of KS X 1001 (lead byte
    B0–C8, trail byte from A1); text in another encoding falls all over the rest.
    """
    text = "".join(filter(None, (_text_or_none(line, "cp949") for line in lines)))
    foreign = [char for char in text if not char.isascii()]
    hangul = [char for char in foreign if "가" <= char <= "힣"]
    common = sum(_is_in_ks_x_1001(char) for char in hangul)
    return bool(hangul) and len(hangul) >= 0.5 * len(foreign) and common >= 0.4 * len(hangul)


def _is_in_ks_x_1001(char: str) -> bool:
    lead, trail = char.encode("cp949")
    return 0xB0 <= lead <= 0xC8 and trail >= 0xA1


def _text_or_none(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


class Line(NamedTuple):
    """One line with its line end."""

    number: int
    text: str
    """Text with U+FFFD for bytes that cannot be decoded; a line that is too long is cut."""
    bad_byte: int | None
    """First byte of the line, from 0, that cannot be decoded."""
    size: int
    """Bytes."""


def read_lines(path: Path, encoding: str, most: int = MOST_BYTES) -> Iterator[Line]:
    r"""Yield the lines of a file; LF, CRLF and CR end a line, a BOM is left out.

    Args:
        path: The file.
        encoding: A Python codec name.
        most: Longest line in bytes; the rest of a longer one is not kept.

    Raises:
        OSError: If the file cannot be read.
        UnicodeError: If a file with several bytes a unit ends in the middle of one.
    """
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    if "\n".encode(encoding) == b"\n":
        texts: _Texts = (_decoded(line, encoding) for line in _byte_lines(path, most))
    else:
        texts = _wide_lines(path, encoding)
    for number, (text, bad_byte, size) in enumerate(texts, start=1):
        yield Line(number, text.removeprefix("\ufeff") if number == 1 else text, bad_byte, size)


def refuse_bad(line: Line, encoding: str | None, most: int = MOST_BYTES) -> None:
    """Refuse a line that is too long, or has bytes that are invalid in its encoding.

    Raises:
        BadFileError: With the place in the line.
    """
    if line.size > most:
        raise BadFileError(Reason.TOO_LARGE, f"the record is longer than {most:,} bytes")
    if line.bad_byte is not None:
        what, hint = f"no {encoding} at byte {line.bad_byte}", "save the file in one encoding"
        at = {"line": line.number, "byte": line.bad_byte}
        raise BadFileError(Reason.BAD_ENCODING, what, hint, at=at)


def _byte_lines(path: Path, most: int) -> Iterator[bytes]:
    rest = b""
    with path.open("rb") as data:
        while block := data.read(_BLOCK):
            lines = (rest + block).splitlines(keepends=True)
            rest = lines.pop()
            yield from lines
            if not rest.endswith((b"\n", b"\r")):
                rest = rest[: most + 1]  # too long already: the rest of it is not kept
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
