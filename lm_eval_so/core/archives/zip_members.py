"""Zip files of strangers: a few members are read, nothing is extracted.

What an honest archive never has ends the reading, so that no two readers could see different contents in it.
"""

import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from itertools import pairwise
from typing import BinaryIO, Final

LARGEST_MEMBER: Final = 200_000_000
"""Largest unpacked size of a file that is read, in bytes."""

_AT_ONCE: Final = 1 << 16
_LARGEST_DIRECTORY: Final = 4_000_000
"""Largest list of contents in bytes: about 40,000 files, which take 30 MB as objects."""
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\x05\x06"
_LOCATOR_64: Final = 20
_LOCATOR_MARK: Final = b"PK\x06\x07"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LOCAL_MARK: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 0x41
_ZSTANDARD: Final = 93
_READABLE: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
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


class UnusableZipError(Exception):
    """A zip file that cannot be read safely; its text says why."""


class NoZstandardError(UnusableZipError):
    """A file is packed by Zstandard, and no library for that is installed."""


def read_members(
    file: BinaryIO,
    wanted: Callable[[str], bool],
    *,
    largest: int = LARGEST_MEMBER,
    together: int | None = None,
    zstandard: bool = False,
) -> Mapping[str, bytes]:
    """Read some files of a zip file.

    Args:
        file: The zip file, from its start.
        wanted: Function that says of a full name whether that file is read.
        largest: Largest unpacked size of each file, in bytes.
        together: Largest unpacked size of all of them; default: that of each alone.
        zstandard: Whether files may be packed by Zstandard, too.

    Returns:
        The content by name.

    Raises:
        NoZstandardError: If the library for that is missing.
        UnusableZipError: If the file is no plain zip, or a file to read is there twice, is no regular
            file, is encrypted, too large or damaged, or shares its bytes with another.
    """
    try:
        _refuse_unusual_end(file)
        with zipfile.ZipFile(file) as archive:
            found = [each for each in archive.infolist() if wanted(each.filename)]
            _refuse_overlap(archive.infolist(), end=archive.start_dir)
            methods = _READABLE | {_ZSTANDARD} if zstandard else _READABLE
            twice = Counter(each.filename for each in found)
            for member in found:
                _refuse(member, largest, methods, count=twice[member.filename])
            if together is not None and sum(each.file_size for each in found) > together:
                raise UnusableZipError(f"it unpacks to more than {together:,} bytes")
            return {each.filename: _read(archive, file, each) for each in found}
    except _BROKEN as error:
        raise UnusableZipError(f"it is damaged ({type(error).__name__})") from None


def _refuse_unusual_end(file: BinaryIO) -> None:
    """Refuse a list of contents that is too large, or that readers may find in different places."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _LOCATOR_64))
    tail = file.read()
    end = tail[-_END.size :]
    is_end = len(end) == _END.size and end.startswith(_END_MARK)
    *_, directory, _, comment = _END.unpack(end) if is_end else (0, 0, 1)
    if comment or tail[: -_END.size].startswith(_LOCATOR_MARK):
        raise UnusableZipError("it is no plain zip file")
    if directory > _LARGEST_DIRECTORY:
        raise UnusableZipError("it lists too many files")


def _refuse_overlap(members: list[zipfile.ZipInfo], *, end: int) -> None:
    """Refuse files that share bytes, by which a small archive unpacks to a huge one."""
    for before, after in pairwise([*sorted(_spans(members)), (end, end)]):
        if after[0] < before[1]:
            raise UnusableZipError("files in it share their bytes")


def _spans(members: list[zipfile.ZipInfo]) -> Iterator[tuple[int, int]]:
    for each in members:
        yield each.header_offset, each.header_offset + _LOCAL.size + each.compress_size


def _refuse(member: zipfile.ZipInfo, largest: int, methods: frozenset[int], *, count: int) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if count > 1:
        raise UnusableZipError(f"{name} stands in it twice")
    if kind not in {0, stat.S_IFREG} or member.orig_filename != name:
        raise UnusableZipError(f"{name} in it is no regular file")
    if member.flag_bits & _ENCRYPTED:
        raise UnusableZipError(f"{name} in it is encrypted")
    if member.compress_type not in methods:
        raise UnusableZipError(f"{name} in it is packed by an unusual method")
    if member.file_size > largest:
        raise UnusableZipError(f"{name} in it has more than {largest:,} bytes")


def _read(archive: zipfile.ZipFile, file: BinaryIO, member: zipfile.ZipInfo) -> bytes:
    """Read a file: no more bytes than the size that was checked, and with their checksum."""
    if member.compress_type == _ZSTANDARD:
        data = _read_zstandard(file, member)
    else:
        with archive.open(member) as stream:
            data = b"".join(iter(lambda: stream.read(_AT_ONCE), b""))
    if len(data) != member.file_size:
        raise zipfile.BadZipFile
    return data


def _read_zstandard(file: BinaryIO, member: zipfile.ZipInfo) -> bytes:
    try:
        library = import_module("zstandard")  # `zipfile` knows this method from Python 3.14 on
    except ImportError:
        raise NoZstandardError(f"{member.filename} in it is packed by Zstandard") from None
    file.seek(member.header_offset)
    mark, *_, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    if mark != _LOCAL_MARK:
        raise zipfile.BadZipFile
    file.seek(name + extra, 1)
    packed = BytesIO(file.read(member.compress_size))
    try:
        # the window is memory that the archive asks for
        reader = library.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            packed, read_across_frames=True
        )
        data: bytes = reader.read(member.file_size + 1)
    except library.ZstdError:
        raise zipfile.BadZipFile from None
    if zlib.crc32(data) != member.CRC:
        raise zipfile.BadZipFile
    return data
