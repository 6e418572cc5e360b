"""Failed requests to GitHub, whatever the library raises."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import requests
from github import GithubException

from lm_eval_so.core.backends.faults import retry_after_s
from lm_eval_so.errors import PublishError

_SHORTEST_WAIT_S: Final = 1.0


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


@contextmanager
def translated() -> Iterator[None]:
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
