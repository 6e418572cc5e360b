"""Detection of a file's encoding by its first bytes, and for Korean by the decoded characters."""

import codecs
from collections.abc import Sequence

HEAD_BYTES = 1 << 20
"""Bytes of a file that decide its encoding."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it is tried before
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
    return sum(_decoded(line, encoding) is not None for line in lines) / len(lines)


def _reads_as_korean(lines: Sequence[bytes]) -> bool:
    """Return whether text decoded as CP949 is Korean, mostly in common syllables.

    CP949 decodes nearly any bytes. Common syllables lie in the block of KS X 1001 (lead byte
    B0–C8, trail byte from A1); text in another encoding falls all over the rest.
    """
    text = "".join(filter(None, (_decoded(line, "cp949") for line in lines)))
    foreign = [char for char in text if not char.isascii()]
    hangul = [char for char in foreign if "가" <= char <= "힣"]
    common = sum(_is_in_ks_x_1001(char) for char in hangul)
    return bool(hangul) and len(hangul) >= 0.5 * len(foreign) and common >= 0.4 * len(hangul)


def _is_in_ks_x_1001(char: str) -> bool:
    lead, trail = char.encode("cp949")
    return 0xB0 <= lead <= 0xC8 and trail >= 0xA1


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None
