"""Zip files as a stranger makes them: read as they are, or refused, and never anything else."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.action.github.artifacts import read_members
from lm_eval_so.errors import PublishError

NAMES = ("report.json", "comparison.json")
REPORT = b'{"report": 1}' * 20


def zipped(
    *members: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands there twice
        for name, data in members:
            archive.writestr(name, data, compress_type=kind)
    return file.getvalue()


def read(data: bytes, **options: int) -> dict[str, bytes]:
    return dict(read_members(io.BytesIO(data), NAMES, **options))


def moded(mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("report.json")
    info.create_system, info.external_attr = 3, mode << 16
    return info


def patched(data: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """Change the first entry of the list of contents; the second argument is where it starts."""
    made = bytearray(data)
    change(made, made.index(b"PK\x01\x02"))
    return bytes(made)


def put(offset: int, form: str, value: int) -> Callable[[bytearray, int], None]:
    return lambda data, at: struct.pack_into(form, data, at + offset, value)


HONEST = zipped(("report.json", REPORT), ("run/run.json", b"{}"), ("comparison.json", b"{}"))
ONE = zipped(("report.json", REPORT))


def overlapping() -> bytes:
    """Two entries of the list that name the same bytes."""
    end = len(ONE) - 22
    at = ONE.index(b"PK\x01\x02")
    entry = ONE[at:end]
    other = entry.replace(b"report.json", b"REPORT.json")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(entry), at, 0)
    return ONE[:at] + entry + other + tail


def with_locator() -> bytes:
    return ONE[:-22] + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + ONE[-22:]


def with_large_directory() -> bytes:
    return ONE[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 4_000_001, 0, 0)


def test_read_members__gives_the_named_files_of_the_root_alone():
    assert read(HONEST) == {"report.json": REPORT, "comparison.json": b"{}"}
    assert read(zipped(("report.json", REPORT), kind=zipfile.ZIP_STORED)) == {"report.json": REPORT}


@pytest.mark.parametrize(
    "name", ["../report.json", "/report.json", "./report.json", "a/report.json", "a\\report.json"]
)
def test_read_members__a_name_with_a_path_is_another_file(name):
    assert read(zipped((name, REPORT))) == {}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (zipped(("report.json", REPORT), ("report.json", b"{}")), "stands in it twice"),
        (zipped((moded(stat.S_IFLNK | 0o777), b"/etc/passwd")), "no regular file"),
        (zipped((moded(stat.S_IFIFO | 0o600), b"")), "no regular file"),
        (
            patched(zipped(("report.jsonXa", REPORT)), put(46 + 11, "<B", 0)),
            "no regular",
        ),
        (patched(ONE, put(8, "<H", 1)), "is encrypted"),
        (patched(ONE, put(8, "<H", 0x40)), "is encrypted"),
        (zipped(("report.json", REPORT), kind=zipfile.ZIP_LZMA), "unusual method"),
        (zipped(("report.json", REPORT), kind=zipfile.ZIP_BZIP2), "unusual method"),
        (patched(ONE, put(24, "<L", 0xFFFFFFF0)), "more than 200,000,000 bytes"),
        (patched(ONE, put(24, "<L", len(REPORT) - 1)), "damaged"),
        (patched(ONE, put(24, "<L", len(REPORT) + 1)), "damaged"),
        (patched(ONE, put(16, "<L", 7)), "damaged"),
        (patched(ONE, put(42, "<L", 1)), "damaged"),
        (overlapping(), "share their bytes"),
        (patched(HONEST, put(20, "<L", 1000)), "share their bytes"),
        (with_locator(), "no plain zip"),
        (with_large_directory(), "too many files"),
        (ONE + b"x", "no plain zip"),
        (ONE[:-2] + b"\x01\x00", "no plain zip"),
        (ONE[:-30], "no plain zip"),
        (b"", "no plain zip"),
        (b"PK\x05\x06" + b"\0" * 18, None),
    ],
)
def test_read_members__refuses_what_no_upload_makes(data, why):
    if why is None:
        assert read(data) == {}
        return
    with pytest.raises(PublishError) as caught:
        read(data)
    assert why in str(caught.value)


def test_read_members__a_bomb_is_refused_by_its_size_and_by_its_bytes():
    bomb = zipped(("report.json", b"0" * 100_000))
    assert len(bomb) < 400
    with pytest.raises(PublishError, match="more than 50,000 bytes"):
        read(bomb, largest=50_000)
    # a size that lies gives no more bytes than it says, and the checksum does not fit
    crc = zlib.crc32(b"0" * 10)
    lie = patched(patched(bomb, put(24, "<L", 10)), put(16, "<L", crc))
    assert read(lie, largest=50_000) == {"report.json": b"0" * 10}
    with pytest.raises(PublishError, match="damaged"):
        read(patched(bomb, put(24, "<L", 10)), largest=50_000)


@given(
    st.lists(
        st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    st.integers(0, 40),
)
def test_read_members__of_a_broken_file_gives_its_content_or_an_error(changes, cut):
    data = bytearray(HONEST)
    for at, value in changes:
        data[at] = value
    try:
        found = read(bytes(data[: len(data) - cut]), largest=10_000)
    except PublishError:
        return
    assert set(found) <= set(NAMES)
    assert found.get("report.json", REPORT) == REPORT
