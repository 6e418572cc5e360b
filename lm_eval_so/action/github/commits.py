"""Commits of a repository: how they follow each other, and the files in them."""

import json
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote

import requests
from github import GithubException
from github.Repository import Repository
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from lm_eval_so.action.github.failures import RequestFailed, translated

T = TypeVar("T")

_TIMEOUT_S: Final = 15
_RAW: Final = "application/vnd.github.raw+json"
_LARGEST_BYTES: Final = 100 * 1024 * 1024
"""Size up to which GitHub serves a file in this way."""
_PIECE: Final = 1 << 20
_GONE: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""Answers about a commit that is not there: unknown, of an empty repository, no commit at all."""


class Commits:
    """The commits of a repository; each call is one request, and raises `RequestFailed`.

    Args:
        repository: The repository.
        retry: Rule by which a failed read is repeated.
    """

    def __init__(self, repository: Repository, retry: Retry) -> None:
        self._repository = repository
        self._retry = retry

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of a commit in order; none if it is not there."""
        found = self._repository.get_commit(commit, commit_files_per_page=1)
        try:
            with translated():
                return tuple(parent.sha for parent in found.parents)
        except RequestFailed as error:
            return _unless_gone(error, ())

    def tip(self, branch: str | None) -> str | None:
        """Return the newest commit of a branch; None if it is not there, or none is named."""
        if branch is None:
            return None
        found = self._repository.get_commit(f"heads/{branch}", commit_files_per_page=1)  # no tag
        try:
            with translated():
                return found.complete().sha  # its address names the branch
        except RequestFailed as error:
            return _unless_gone(error, None)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits; None if there is none, or one is not there."""
        found = self._repository.compare(one, other, comparison_commits_per_page=1)
        try:
            with translated():
                return found.merge_base_commit.sha
        except RequestFailed as error:
            return _unless_gone(error, None)

    def line(self, commit: str, *, most: int) -> tuple[str, ...]:
        """Return a commit and its ancestors by first parents, as a branch moved, the nearest first.

        Args:
            commit: The commit.
            most: Most ancestors; fewer if they lie behind GitHub's first 100 commits.
        """
        with translated():
            listed = self._repository.get_commits(sha=commit).get_page(0)
            above = {each.sha: [parent.sha for parent in each.parents] for each in listed}
        found = [commit]
        while len(found) <= most and (parents := above.get(found[-1])):
            found.append(parents[0])
        return tuple(found)

    def read(self, path: str, commit: str) -> bytes | None:
        """Return a file as it is in a commit; None if there is none, as for a folder.

        A link to a file of the commit is followed by GitHub.

        Args:
            path: Path from the root of the repository.
            commit: Id of the commit.

        Raises:
            RequestFailed: Also if the file is larger than 100 MB.
        """
        requester = self._repository.requester
        url = f"{requester.base_url}{self._repository.url}/contents/{quote(path, errors='surrogateescape')}"
        with translated(), requests.Session() as session:
            session.mount(url, HTTPAdapter(max_retries=self._retry))
            with session.get(
                url,
                params={"ref": commit},
                headers={"Accept": _RAW, "User-Agent": "lm-eval-so"},
                auth=self._authorise,  # else .netrc could name another user
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                return _content(answer, path)

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        headers: dict[str, str] = {}
        if self._repository.requester.auth is not None:
            self._repository.requester.auth.authentication(headers)
        request.headers.update(headers)
        return request


def _content(answer: requests.Response, path: str) -> bytes | None:
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    if answer.status_code != HTTPStatus.OK:
        raise GithubException(answer.status_code, _told(answer), dict(answer.headers))
    content = bytearray()
    for piece in answer.iter_content(_PIECE):
        content += piece
        if len(content) > _LARGEST_BYTES:
            raise RequestFailed(f"{path} is larger than 100 MB", status=answer.status_code)
    is_raw = "raw" in answer.headers.get("Content-Type", "")
    return None if not is_raw and _is_description(content) else bytes(content)


def _is_description(content: bytes | bytearray) -> bool:
    """Return whether GitHub describes what is there, a folder or a submodule, which has no content."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) or (isinstance(found, dict) and "_links" in found)


def _told(answer: requests.Response) -> dict[str, str]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": answer.reason}


def _unless_gone(error: RequestFailed, nothing: T) -> T:
    if error.status in _GONE:
        return nothing
    raise error
