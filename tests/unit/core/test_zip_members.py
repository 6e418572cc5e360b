"""Members of zip files that Zstandard packs; all else is tested with the artifacts."""

import io
import struct
import zipfile
import zlib

import pytest
import zstandard

from lm_eval_so.core.archives.zip_members import UnusableZipError, read_members

TEXT = "가나다라" * 1000


def packed(data: bytes, *, size: int, crc: int) -> io.BytesIO:
    """Return a zip file with one member as given, which calls itself packed by Zstandard."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.json", data)
    whole = bytearray(made.getvalue())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = whole.rindex(mark)
        struct.pack_into("<H", whole, start + at, 93)
        struct.pack_into("<L", whole, start + at + 6, crc)
        struct.pack_into("<L", whole, start + at + 14, size)
    return io.BytesIO(whole)


def frames(*texts: str) -> bytes:
    return b"".join(zstandard.compress(text.encode()) for text in texts)


@pytest.mark.parametrize(
    ("said", "size", "crc", "why"),
    [
        (frames(TEXT), 0, 0, None),
        (frames(TEXT[:500], TEXT[500:]), 0, 0, None),  # of several frames
        (frames(TEXT), -1, 0, "it is damaged"),  # unpacks to more than it says
        (frames(TEXT), 1, 0, "it is damaged"),
        (frames(TEXT), 0, 1, "it is damaged"),
        (b"no frame", 0, 0, "it is damaged"),
        (frames(TEXT), 1 << 31, 0, "has more than"),
    ],
)
def test_read_members__of_zstandard(said, size, crc, why) -> None:
    data = TEXT.encode()
    file = packed(said, size=len(data) + size, crc=zlib.crc32(data) + crc)
    if why is None:
        assert read_members(file, bool, zstandard=True) == {"a.json": data}
        with pytest.raises(UnusableZipError, match="unusual method"):
            read_members(file, bool)
        with pytest.raises(UnusableZipError, match="unpacks to more than 100 bytes"):
            read_members(file, bool, zstandard=True, together=100)
    else:
        with pytest.raises(UnusableZipError, match=why):
            read_members(file, bool, zstandard=True)
