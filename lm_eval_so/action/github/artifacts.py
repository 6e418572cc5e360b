"""Artifacts of workflow runs: found by name, downloaded with a limit, read as a stranger's zip files.

Nothing is extracted: a few named files are read from the root, and nothing else. What an honest
archive never has ends the reading, so that no two readers could see different contents in it.
"""

import stat
import struct
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import requests
from github.Artifact import Artifact as FoundArtifact
from github.PaginatedList import PaginatedList
from github.Repository import Repository
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from lm_eval_so.action.github.failures import RequestFailed, translated
from lm_eval_so.errors import PublishError

LARGEST_ARCHIVE: Final = 100_000_000
"""Largest zip file that is downloaded, in bytes."""

_MOST_OF_A_NAME: Final = 1000
"""Artifacts of one name that are looked through: a run has one for each attempt."""
_AT_ONCE: Final = 1 << 16
_SILENCE_S: Final = 15
_LONGEST_S: Final = 300.0
LARGEST_MEMBER: Final = 200_000_000
"""Largest unpacked size of a file that is read, in bytes."""

_LARGEST_DIRECTORY: Final = 4_000_000
"""Largest list of contents in bytes: about 40,000 files, which take 30 MB as objects."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact that can be downloaded."""

    id: int
    name: str
    size: int
    """Size of the zip file in bytes, as GitHub says."""


class Artifacts:
    """The artifacts of a repository."""

    def __init__(self, repository: Repository, retry: Retry) -> None:
        self._repository = repository
        self._retry = retry

    def find(self, run_id: int, name: str) -> Artifact | None:
        """Return the newest artifact of a run with this name; None if there is none, or it has expired.

        Args:
            run_id: Id of the workflow run.
            name: Exact name of the artifact.

        Raises:
            RequestFailed: If GitHub cannot be asked.
        """
        with translated():
            listed = PaginatedList(
                FoundArtifact,
                self._repository.requester,
                f"{self._repository.url}/actions/runs/{run_id}/artifacts",
                firstParams={"name": name},
                list_item="artifacts",
            )
            newest = None
            for _, each in zip(range(_MOST_OF_A_NAME), listed, strict=False):
                if each.name == name and (newest is None or each.id > newest.id):
                    newest = each
            if newest is None or newest.expired:
                return None
            return Artifact(id=newest.id, name=newest.name, size=newest.size_in_bytes)

    def read(
        self, artifact: Artifact, names: Collection[str], *, largest: int = LARGEST_ARCHIVE
    ) -> Mapping[str, bytes]:
        """Download an artifact, and read named files from its root; nothing is extracted.

        Args:
            artifact: The artifact, from `find`.
            names: Names of the files, without a folder.
            largest: Largest zip file that is downloaded, in bytes.

        Returns:
            The content by name, of those names that are there.

        Raises:
            RequestFailed: If it cannot be downloaded.
            PublishError: If it is too large, or its files cannot be read safely.
        """
        if artifact.size > largest:
            raise _too_large(artifact, largest)
        return read_members(self._download(artifact, largest), names)

    def _download(self, artifact: Artifact, largest: int) -> BytesIO:
        with translated():
            url = f"{self._repository.url}/actions/artifacts/{artifact.id}/zip"
            headers, _ = self._repository.requester.requestJsonAndCheck("GET", url)
        # The address holds its own permission and is another host's, so the token stays here.
        address = str(headers.get("location", ""))
        if urlsplit(address).scheme not in {"https", self._repository.requester.scheme}:
            raise RequestFailed("GitHub gave no address for the artifact", status=None)
        file, until = BytesIO(), time.monotonic() + _LONGEST_S
        with translated(), self._open(address) as pieces:
            for piece in pieces:
                file.write(piece)
                if file.tell() > largest:
                    raise _too_large(artifact, largest)
                if time.monotonic() > until:
                    raise RequestFailed("the artifact comes too slowly", status=None)
        return file

    @contextmanager
    def _open(self, address: str) -> Iterator[Iterator[bytes]]:
        """Request an address without any credentials, and stream its body as it is sent."""
        with requests.Session() as session:
            session.auth = lambda request: request  # without it requests sends what .netrc holds
            session.mount(address, HTTPAdapter(max_retries=self._retry))
            with session.get(
                address,
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=_SILENCE_S,
                allow_redirects=False,
            ) as response:
                is_as_sent = "Content-Encoding" not in response.headers
                if response.status_code != requests.codes.ok or not is_as_sent:
                    what = "the store of artifacts refuses the download"
                    raise RequestFailed(what, status=response.status_code)
                yield response.iter_content(_AT_ONCE)


def _too_large(artifact: Artifact, largest: int) -> PublishError:
    what = f'the artifact "{artifact.name}" has more than {largest:,} bytes'
    hint = "upload report.json and comparison.json alone"
    return PublishError(what, hint=hint)


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
        if after[0] < before[1]:
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
