"""A zip file from anywhere: a few named files of its root, and nothing else of it.

Nothing is extracted. What an honest archive never has ends the reading, so that no two readers of
the file could see different contents in it.
"""

import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import BinaryIO, Final

from lm_eval_so.errors import PublishError

LARGEST_MEMBER: Final = 200_000_000
"""Largest unpacked size of a file that is read, in bytes."""

_LARGEST_DIRECTORY: Final = 4_000_000
"""Largest list of contents in bytes: about 40,000 files, which take 30 MB as objects."""
_AT_ONCE: Final = 1 << 20
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\x05\x06"
_LOCATOR_64: Final = 20
_LOCATOR_MARK: Final = b"PK\x06\x07"
_LOCAL_HEADER: Final = 30
_ENCRYPTED: Final = 0x41
_READABLE: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_HINT: Final = "upload the folder report_dir as it is, with actions/upload-artifact"
# everything that `zipfile` was seen to raise at broken files
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
)


def read_members(
    file: BinaryIO, names: Collection[str], *, largest: int = LARGEST_MEMBER
) -> Mapping[str, bytes]:
    """Read named files from the root of a zip file.

    Args:
        file: The zip file, from its start.
        names: Names without a folder.
        largest: Largest unpacked size of each file, in bytes.

    Returns:
        The content by name, of those names that are there.

    Raises:
        PublishError: If the file is no plain zip, or a file to read is there twice, is no regular
            file, is encrypted, too large or damaged, or shares its bytes with another.
    """
    try:
        _refuse_unusual_end(file)
        with zipfile.ZipFile(file) as archive:
            found = [each for each in archive.infolist() if each.filename in names]
            _refuse_overlap(archive.infolist(), end=archive.start_dir)
            for member in found:
                _refuse(member, largest, found)
            return {each.filename: _read(archive, each) for each in found}
    except _BROKEN as error:
        raise _unusable(f"it is damaged ({type(error).__name__})") from None


def _refuse_unusual_end(file: BinaryIO) -> None:
    """Refuse a list of contents that is too large, or that readers may find in different places."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _LOCATOR_64))
    tail = file.read()
    end = tail[-_END.size :]
    is_end = len(end) == _END.size and end.startswith(_END_MARK)
    *_, directory, _, comment = _END.unpack(end) if is_end else (0, 0, 1)
    if comment or tail[: -_END.size].startswith(_LOCATOR_MARK):
        raise _unusable("it is no plain zip file")
    if directory > _LARGEST_DIRECTORY:
        raise _unusable("it lists too many files")


def _refuse_overlap(members: list[zipfile.ZipInfo], *, end: int) -> None:
    """Refuse files that share bytes, by which a small archive unpacks to a huge one."""
    for before, after in pairwise([*sorted(_spans(members)), (end, end)]):
        if before[0] < 0 or after[0] < before[1]:
            raise _unusable("files in it share their bytes")


def _spans(members: list[zipfile.ZipInfo]) -> Iterator[tuple[int, int]]:
    for each in members:
        yield each.header_offset, each.header_offset + _LOCAL_HEADER + each.compress_size


def _refuse(member: zipfile.ZipInfo, largest: int, found: list[zipfile.ZipInfo]) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if Counter(each.filename for each in found)[name] > 1:
        raise _unusable(f"{name} stands in it twice")
    if kind not in {0, stat.S_IFREG} or member.orig_filename != name:
        raise _unusable(f"{name} in it is no regular file")
    if member.flag_bits & _ENCRYPTED:
        raise _unusable(f"{name} in it is encrypted")
    if member.compress_type not in _READABLE:
        raise _unusable(f"{name} in it is packed by an unusual method")
    if member.file_size > largest:
        raise _unusable(f"{name} in it has more than {largest:,} bytes")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read a file; `zipfile` gives no more bytes than the size that was checked, and their checksum."""
    with archive.open(member) as stream:
        data = b"".join(iter(lambda: stream.read(_AT_ONCE), b""))
    if len(data) != member.file_size:
        raise zipfile.BadZipFile
    return data


def _unusable(why: str) -> PublishError:
    return PublishError(f"the artifact cannot be used: {why}", hint=_HINT)
