"""GitHub as the comment needs it; the only user of PyGithub."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn, Protocol

import requests
from github import Auth, Github, GithubException
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest
from urllib3.util.retry import Retry

from lm_eval_so.core.backends.faults import retry_after_s
from lm_eval_so.errors import PublishError

ACTIONS_BOT: Final = "github-actions[bot]"

_TIMEOUT_S: Final = 15
_PER_PAGE: Final = 100
_SHORTEST_WAIT_S: Final = 1.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment of a pull request."""

    id: int
    author: str
    body: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request."""

    number: int
    is_open: bool
    head: str
    """Commit at its head."""


class RequestFailed(PublishError):  # noqa: N818 - says what happened, as `Interrupted` does
    """A request to GitHub failed.

    Args:
        what: GitHub's own message.
        status: HTTP status; null if there was no answer.
        retry_after_s: Wait that GitHub asks for, in seconds.
        permissions: Permissions that the token needs, as GitHub says.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int | None,
        retry_after_s: float | None = None,
        permissions: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.status = status
        self.retry_after_s = retry_after_s
        self.permissions = permissions

    @property
    def may_have_happened(self) -> bool:
        """Return whether the request may have taken effect all the same."""
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_rate_limit(self) -> bool:
        """Return whether the same request may be sent again later."""
        if self.status != HTTPStatus.FORBIDDEN:
            return self.status == HTTPStatus.TOO_MANY_REQUESTS
        return self.retry_after_s is not None or "rate limit" in self.what.lower()


class GitHub(Protocol):
    """The calls that we need; each raises `RequestFailed`."""

    def viewer(self) -> str:
        """Return the login that comments of this token have."""
        ...

    def pull(self, number: int) -> Pull:
        """Return a pull request."""
        ...

    def open_pulls(self, branch: str) -> tuple[Pull, ...]:
        """Return the open pull requests of owner:branch."""
        ...

    def comments(self, number: int, *, most: int) -> tuple[Comment, ...]:
        """Return all comments of a pull request, oldest first.

        Raises:
            RequestFailed: Also if there are more than `most`.
        """
        ...

    def create(self, number: int, body: str) -> Comment:
        """Write a new comment."""
        ...

    def update(self, number: int, comment_id: int, body: str) -> Comment:
        """Replace the text of a comment."""
        ...

    def delete(self, number: int, comment_id: int) -> None:
        """Delete a comment."""
        ...


@contextmanager
def open_github(
    repository: str,
    *,
    token: str,
    api_url: str,
    write_gap_s: float = 1.0,
    retry_wait_s: float = 0.5,
) -> Iterator[GitHub]:
    """Connect to GitHub, or to a GitHub Enterprise Server.

    Its calls and waits hold up the main thread, where a signal ends them at once.

    Args:
        repository: owner/name.
        token: Sent to `api_url` only.
        api_url: As GITHUB_API_URL.
        write_gap_s: Seconds between two writes, as GitHub asks.
        retry_wait_s: Seconds before a failed read is repeated; doubled each time.

    Raises:
        KeyboardInterrupt: At Ctrl-C or SIGTERM.
    """
    # PyGithub's own retry repeats POST after 5xx and sleeps for as long as the server likes, so
    # only reads are repeated here, and rate limits go to the caller.
    retry = Retry(
        total=3,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods={"GET"},
        backoff_factor=retry_wait_s,
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    client = Github(
        auth=Auth.Token(token),
        base_url=api_url,
        timeout=_TIMEOUT_S,
        per_page=_PER_PAGE,
        retry=retry,
        lazy=True,
        user_agent="lm-eval-so",
        seconds_between_requests=0,
        seconds_between_writes=write_gap_s,
    )
    try:
        with _signals_end_it():
            yield PyGithubAdapter(client, repository)
    finally:
        client.close()


class PyGithubAdapter:
    """`GitHub` by PyGithub; its objects are lazy, so each call is one request."""

    def __init__(self, client: Github, repository: str) -> None:
        self._client = client
        self._repository = client.get_repo(repository)

    def viewer(self) -> str:
        """Return the login of the token; the workflow's token may not ask, and is the bot's."""
        try:
            with _translated():
                _, data = self._client.requester.graphql_query("query { viewer { login } }", {})
                login = data["data"]["viewer"]["login"]
        except (RequestFailed, KeyError, TypeError):
            return ACTIONS_BOT
        return login if isinstance(login, str) and login else ACTIONS_BOT

    def pull(self, number: int) -> Pull:
        """Return a pull request."""
        with _translated():
            return _pull(self._repository.get_pull(number))

    def open_pulls(self, branch: str) -> tuple[Pull, ...]:
        """Return the open pull requests of owner:branch."""
        with _translated():
            return tuple(
                _pull(pull) for pull in self._repository.get_pulls(state="open", head=branch)
            )

    def comments(self, number: int, *, most: int) -> tuple[Comment, ...]:
        """Return all comments of a pull request, oldest first."""
        found: list[Comment] = []
        with _translated():
            for comment in self._repository.get_issue(number).get_comments():
                found.append(_comment(comment))
                if len(found) > most:
                    raise RequestFailed(f"more than {most:,} comments", status=200)
        return tuple(found)

    def create(self, number: int, body: str) -> Comment:
        """Write a new comment."""
        with _translated():
            return _comment(self._repository.get_issue(number).create_comment(body))

    def update(self, number: int, comment_id: int, body: str) -> Comment:
        """Replace the text of a comment."""
        with _translated():
            comment = self._repository.get_issue(number).get_comment(comment_id)
            comment.edit(body)
            return _comment(comment)

    def delete(self, number: int, comment_id: int) -> None:
        """Delete a comment."""
        with _translated():
            self._repository.get_issue(number).get_comment(comment_id).delete()


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """End the request under way on the first signal; a repeat of it by a wrapper counts as the same."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - as `signal` calls it
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _pull(pull: PullRequest) -> Pull:
    return Pull(number=pull.number, is_open=pull.state == "open", head=pull.head.sha)


def _comment(comment: IssueComment) -> Comment:
    author = getattr(comment.user, "login", "")  # a deleted account has no user
    return Comment(id=comment.id, author=author, body=comment.body or "", url=comment.html_url)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what PyGithub and requests raise into `RequestFailed`, without the request's headers."""
    try:
        yield
    except GithubException as error:
        headers = {key.lower(): str(value) for key, value in (error.headers or {}).items()}
        raise RequestFailed(
            _message(error),
            status=error.status,
            retry_after_s=_wait(headers),
            permissions=headers.get("x-accepted-github-permissions"),
        ) from None
    except requests.RequestException as error:
        raise RequestFailed(f"no answer ({type(error).__name__})", status=None) from None
    except (AssertionError, RuntimeError):
        # PyGithub asserts that every address it is given, such as that of the next page, is GitHub's
        what = "the answer points to another host; it is not followed"
        raise RequestFailed(what, status=200) from None


def _message(error: GithubException) -> str:
    data = error.data if isinstance(error.data, dict) else {}
    message = str(data.get("message") or error.message or "no message")
    details = [
        str(item["message"])
        for item in data.get("errors") or ()
        if isinstance(item, dict) and item.get("message")
    ]
    return "; ".join([message, *details])


def _wait(headers: Mapping[str, str]) -> float | None:
    asked = retry_after_s(headers)
    if asked is not None:
        return max(asked, _SHORTEST_WAIT_S)
    reset = str(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(float(reset) - time.time(), _SHORTEST_WAIT_S)
    return None
