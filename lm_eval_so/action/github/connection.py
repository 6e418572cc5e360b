"""The connection to GitHub."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NoReturn

from github import Auth, Github
from urllib3.util.retry import Retry

from lm_eval_so.action.github.artifacts import Artifacts
from lm_eval_so.action.github.commits import Commits
from lm_eval_so.action.github.pulls import Pulls
from lm_eval_so.action.github.runs import Runs

_TIMEOUT_S: Final = 15
_PER_PAGE: Final = 100
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """A repository on GitHub; every call raises `RequestFailed` if it fails."""

    pulls: Pulls
    commits: Commits
    runs: Runs
    artifacts: Artifacts


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
            found = client.get_repo(repository)  # lazy: no request
            yield GitHub(
                pulls=Pulls(found),
                commits=Commits(found, retry),
                runs=Runs(found),
                artifacts=Artifacts(found, retry),
            )
    finally:
        client.close()


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
