"""Whether and when a failed attempt is repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.run import Retry
from lm_eval_so.errors import BackendError, ErrorKind

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
_FIRST_REFUSED_S, _LONGEST_REFUSED_S = 0.125, 8.0
"""The limiter takes the load off, not the wait: it is short, so that a refusal without a reason
costs little, and in the usual time of a row there is room for some 50 tries."""
_ONCE = frozenset({ErrorKind.BAD_RESPONSE, ErrorKind.SUBPROCESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard it is tried to get an answer."""

    timeout_s: float
    """Seconds an attempt may take."""
    max_attempts: int
    """Attempts per row, the first included, ≥ 1; those refused for asking too much do not count."""
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
    """Return how long to wait before the next attempt, in seconds, or None to give up.

    An attempt that was refused for asking too much (429, 529) is repeated as long as the row has
    time: how often that happens is up to the limiter, and no fault of the row.

    Args:
        error: What the last attempt came to.
        earlier: The attempts before it.
        time_left_s: Seconds until the row must have ended; a wait that would pass them is not begun.
        policy: How hard it is tried.
        chance: Jitter, 0 ≤ chance < 1.
        only_once: Kinds that get one more attempt at most, besides those that always do.
    """
    if not error.retryable or asks_too_much(error, policy):
        return None
    is_refused = error.kind is ErrorKind.RATE_LIMIT
    nth = 1 + sum((e.kind is ErrorKind.RATE_LIMIT) is is_refused for e in earlier)
    if not is_refused and nth >= policy.max_attempts:
        return None
    if error.kind in _ONCE | only_once and any(e.kind is error.kind for e in earlier):
        return None
    wait = _wait_s(error, nth, chance)
    return wait if wait < time_left_s else None


def _wait_s(error: BackendError, nth: int, chance: float) -> float:
    is_refused = error.kind is ErrorKind.RATE_LIMIT
    first, longest = _FIRST_BACKOFF_S, _LONGEST_BACKOFF_S
    if is_refused:
        first, longest = _FIRST_REFUSED_S, _LONGEST_REFUSED_S
    jitter = 0.5 + 0.5 * chance  # keeps rows that failed together from coming back together
    asked = error.retry_after_s
    if asked is None:
        return float(min(longest, first * 2 ** min(nth - 1, 30)) * jitter)
    wait = asked + min(1.0, 0.1 * asked) * chance
    # who says "at once" and goes on refusing is not asked without a pause
    return max(wait, first * jitter) if is_refused and nth > 1 else wait


def asks_too_much(error: BackendError, policy: Policy) -> bool:
    """Return whether the server asks for a longer wait than anybody would have."""
    return error.retry_after_s is not None and error.retry_after_s > policy.max_retry_after_s
