"""Files that a process may have open, sockets and pipes too: how many, and what no more means."""

import errno
import os
import resource
from contextlib import suppress
from pathlib import Path

from lm_eval_so.errors import BackendError, ErrorKind

_ENOUGH = 65_536
"""More than the highest concurrency takes; where there is no bound, some programs that a child may be
go through all numbers up to it."""
_MACOS_MOST = 10_240
"""What macOS takes where it names no bound, and takes no higher number."""
_OPEN_AT_START = 16
"""Where the system does not tell which are open."""
_SHORT = frozenset({errno.EMFILE, errno.ENFILE})
_OWN = "out_of_files"
"""In the details of an error."""
RAISE_IT = "raise the limit of open files (ulimit -n 4096), or lower run.concurrency"
"""What to do where there are no more."""


def raise_limit() -> None:
    """Let this process open as many files as the system grants: soft limits are often 256 or 1024.

    For whoever owns the process: a library leaves the limit alone.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    for wanted in (most, min(most, _MACOS_MOST)):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def open_limit() -> int | None:
    """Return how many files this process may have open; None without a bound."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def free_files() -> int | None:
    """Return how many more files this process may open now; None without a bound."""
    limit = open_limit()
    if limit is None:
        return None
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir()) - 1  # one is that of the listing
    except OSError as error:
        used = limit if is_short(error) else _OPEN_AT_START
    return max(0, limit - used)


def is_short(error: BaseException) -> bool:
    """Return whether an error says that no more files can be opened."""
    return isinstance(error, OSError) and error.errno in _SHORT


def are_used_up() -> bool:
    """Return whether no file can be opened now: what looks up host names does not say so itself."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return is_short(error)
    return False


def out_of_files(kind: ErrorKind, *, sent: bool = False) -> BackendError:
    """Make the error of an attempt for which no file could be opened: no fault of the endpoint.

    Args:
        kind: What failed.
        sent: Whether the server may have got the request.
    """
    limit = open_limit()
    what = "no more files can be opened"
    what += "" if limit is None else f" (this process may have {limit:,})"
    details = {"sent": sent, _OWN: True}
    return BackendError(kind, what, retryable=True, hint=RAISE_IT, details=details)


def is_out_of_files(error: BackendError) -> bool:
    """Return whether an attempt failed because no file could be opened."""
    return error.details.get(_OWN) is True
