"""Artifacts of workflow runs: found by name, downloaded with a limit, read as a stranger's zip files."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import requests
from github.Artifact import Artifact as FoundArtifact
from github.PaginatedList import PaginatedList
from github.Repository import Repository
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from lm_eval_so.action.github.failures import RequestFailed, translated
from lm_eval_so.core.archives import zip_members
from lm_eval_so.core.archives.zip_members import LARGEST_MEMBER
from lm_eval_so.errors import PublishError

LARGEST_ARCHIVE: Final = 100_000_000
"""Largest zip file that is downloaded, in bytes."""

_MOST_OF_A_NAME: Final = 1000
"""Artifacts of one name that are looked through: a run has one for each attempt."""
_AT_ONCE: Final = 1 << 16
_SILENCE_S: Final = 15
_LONGEST_S: Final = 300.0
_HINT: Final = "upload the folder report_dir as it is, with actions/upload-artifact"


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
        PublishError: If the file is no plain zip, or a file to read cannot be read safely.
    """
    try:
        return zip_members.read_members(file, names.__contains__, largest=largest)
    except zip_members.UnusableZipError as error:
        what = f"the artifact cannot be used: {error}"
        raise PublishError(what, hint=_HINT) from None
