"""Whether and when a failed attempt is repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.run import Retry
from lm_eval_so.errors import BackendError, ErrorKind

_LONGEST_BACKOFF_S = 30.0
_FIRST_BACKOFF_S = 0.5
_ONCE = frozenset({ErrorKind.BAD_RESPONSE, ErrorKind.SUBPROCESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard it is tried to get an answer."""

    timeout_s: float
    """Seconds an attempt may take."""
    max_attempts: int
    """Attempts per row, the first included, ≥ 1."""
    row_deadline_s: float
    """Seconds a row may take, attempts and waits included."""
    max_retry_after_s: float
    """Longest wait that a server may ask for, in seconds."""


def wait_s(
    error: BackendError,
    *,
    earlier: Sequence[Retry],
    time_left_s: float,
    policy: Policy,
    chance: float,
    only_once: frozenset[ErrorKind] = frozenset(),
) -> float | None:
    """Give how long to wait before the next attempt, in seconds, or None to give up.

    Args:
        error: What the last attempt came to.
        earlier: The attempts before it.
        time_left_s: Seconds until the row must have ended; a wait that would pass them is not begun.
        policy: How hard it is tried.
        chance: Jitter, 0 ≤ chance < 1.
        only_once: Kinds that get one more attempt at most, besides those that always do.
    """
    attempt = len(earlier) + 1
    if not error.retryable or attempt >= policy.max_attempts or asks_too_much(error, policy):
        return None
    if error.kind in _ONCE | only_once and any(e.kind is error.kind for e in earlier):
        return None
    if error.retry_after_s is not None:
        wait = error.retry_after_s + min(1.0, 0.1 * error.retry_after_s) * chance
    else:
        # jitter keeps rows that failed together from coming back together
        longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (attempt - 1))
        wait = longest * (0.5 + 0.5 * chance)
    return wait if wait < time_left_s else None


def asks_too_much(error: BackendError, policy: Policy) -> bool:
    """Whether the server asks for a longer wait than anybody would have."""
    return error.retry_after_s is not None and error.retry_after_s > policy.max_retry_after_s
