"""The decision on a failed request: try again, give the row up, or end the stage."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm_eval_so.core.asking.answer.redact import clean_error, error_of
from lm_eval_so.core.backends.faults import is_forbidden
from lm_eval_so.core.files import is_out_of_files
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.run import Retry
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, LMEvalError

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
_REFUSED_S, _LONGEST_REFUSED_S = 0.125, 4.0
"""The limiter takes the load off, not the wait, which grows by this with each refusal. It is short, so
that a refusal without a reason costs little, and a row has time for some 90 tries."""
_FIRST_OF_SERVICE_S, _LONGEST_OF_SERVICE_S = 1.0, 30.0
_ONCE = frozenset({ErrorKind.BAD_RESPONSE, ErrorKind.SUBPROCESS})
"""Kinds that get one more attempt at most."""
_ONCE_AT_FIRST = _ONCE | {ErrorKind.CONNECTION}
"""Kinds that get one more attempt in a first request: a wrong address should show at once."""
SILENCE = frozenset({ErrorKind.CONNECTION, ErrorKind.SERVER, ErrorKind.TIMEOUT, ErrorKind.DEADLINE})
"""Kinds of an endpoint that is not there, or not well."""
_IN_A_ROW = 3
_LATER = "run again later to go on"
_PAY = "raise the quota or the budget of the account, then run again to go on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits of a row's attempts."""

    timeout_s: float
    """Seconds an attempt may take."""
    max_attempts: int
    """Attempts per row, the first included, ≥ 1; refusals for asking too much do not count."""
    row_deadline_s: float
    """Seconds a row may take, attempts and waits included."""
    max_retry_after_s: float
    """Longest wait that a server may ask for, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A row whose last attempt failed."""

    error: BackendError
    """Error of the last attempt."""
    earlier: Sequence[Retry] = ()
    """Attempts before it."""
    now: float = 0.0
    """Monotonic time in seconds."""
    deadline: float = float("inf")
    """Time at which the row must have ended; no wait passes it."""
    chance: float = 0.0
    """Jitter, 0 ≤ chance < 1."""
    is_first: bool = False
    """Whether nothing was asked of the endpoint before."""
    may_hear_twice: bool = True
    """Whether the chatbot may get a message again that it may have taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """Consequence of a failed attempt."""

    error: BackendError
    """Error of the attempt."""
    wait_s: float | None = None
    """Seconds until the next attempt; None: the row is given up."""
    end: LMEvalError | None = None
    """Error that ends the stage: asking on would only cost time or money."""

    @property
    def retry(self) -> Retry:
        """Record of the attempt and its wait."""
        waited_ms = round((self.wait_s or 0.0) * 1000, 1)
        kind, status = self.error.kind, self.error.http_status
        return Retry(kind=kind, http_status=status, wait_ms=waited_ms)


class Refusals:
    """Refusals of one endpoint in a row, from all who ask it.

    Args:
        redactor: Takes secrets out of error texts.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._keys = 0
        self._long_waits = 0
        self._since: float | None = None

    def answered(self) -> None:
        """Take note of an answer."""
        self._keys = self._long_waits = 0
        self._since = None

    def end_of(self, error: BackendError, policy: Policy, *, now: float) -> LMEvalError | None:
        """Take note of a failed attempt, and return what must end the stage, if it must end.

        It ends at once if the quota is used up; if the key was refused, or too long a wait was asked
        for, three times in a row; and if all requests were refused for asking too much for as long
        as a row may take.

        Args:
            error: Error of the attempt.
            policy: Limits of a row.
            now: Monotonic time in seconds.
        """
        is_of_key = error.kind is ErrorKind.AUTH and not is_forbidden(error)
        self._keys = self._keys + 1 if is_of_key else 0
        self._long_waits = self._long_waits + 1 if asks_too_much(error, policy) else 0
        if not is_refusal(error):
            self._since = None
        elif self._since is None:
            self._since = now
        seconds = 0.0 if self._since is None else now - self._since
        clean = error_of(clean_error(error, self._redactor))
        if error.kind is ErrorKind.QUOTA:
            return _cannot_measure(f"the quota is used up: {clean.message}", _PAY, clean)
        if self._keys >= _IN_A_ROW:
            return clean
        if self._long_waits >= _IN_A_ROW:
            what = f"the server asks to wait {error.retry_after_s:,.0f} s"
            return _cannot_measure(what, _LATER, clean)
        if self._since is not None and seconds >= policy.row_deadline_s:
            what = f"the server has refused every request for {seconds:,.0f} s ({clean.message})"
            return _cannot_measure(what, _LATER, clean)
        return None


def decide(tried: Tried, policy: Policy, refusals: Refusals) -> RetryDecision:
    """Return the decision on a failed attempt.

    The backend says of its error whether another attempt may cure it, how long the server asks to
    wait, and whether the chatbot may have taken the message in. All else is decided here.

    Args:
        tried: The row and its error.
        policy: Limits of a row.
        refusals: Refusals of the endpoint so far; this one is added.
    """
    if not is_out_of_files(tried.error):  # else the endpoint is not to blame
        end = refusals.end_of(tried.error, policy, now=tried.now)
        if end is not None:
            return RetryDecision(error=tried.error, end=end)
    return RetryDecision(error=tried.error, wait_s=row_wait_s(tried, policy))


def row_wait_s(tried: Tried, policy: Policy) -> float | None:
    """Return the wait before the next attempt of a row, in seconds, or None to give it up.

    An attempt that was refused for asking too much (429, 529) is repeated as long as the row has
    time: how often that happens is up to the limiter, and no fault of the row.
    """
    error = tried.error
    is_heard = error.taken_in and not tried.may_hear_twice
    if not error.retryable or is_heard or asks_too_much(error, policy):
        return None
    is_refused = error.kind is ErrorKind.RATE_LIMIT
    nth = 1 + sum((e.kind is ErrorKind.RATE_LIMIT) is is_refused for e in tried.earlier)
    if not is_refused and nth >= policy.max_attempts:
        return None
    once = _ONCE_AT_FIRST if tried.is_first else _ONCE
    if error.kind in once and any(e.kind is error.kind for e in tried.earlier):
        return None
    wait = _wait_s(error, nth, tried.chance)
    return wait if wait < tried.deadline - tried.now else None


def chance_of(seed: int, sample_id: str, repeat: int, *, nth: int) -> float:
    """Return the jitter of a row's wait, 0 ≤ chance < 1, by the seed of the run."""
    return u64(seed, sample_id, repeat, nth) / 2**64


def service_wait_s(error: BackendError, *, nth: int, most: int) -> float | None:
    """Return the wait before a request to a batch service is repeated, in seconds, or None.

    Args:
        error: Error of the last attempt.
        nth: Attempts so far, ≥ 1.
        most: Attempts in all.
    """
    if not error.retryable or nth >= most:
        return None
    backoff = min(_LONGEST_OF_SERVICE_S, _FIRST_OF_SERVICE_S * 2 ** min(nth - 1, 30))
    return backoff if error.retry_after_s is None else error.retry_after_s


def is_asked_live(error: BackendError) -> bool:
    """Return whether a request that failed in a batch is asked alone: its turn may not have come."""
    return error.retryable


def is_refusal(error: BackendError) -> bool:
    """Return whether an endpoint says that it is asked too much: 429, 529, or 503 with a wait."""
    is_busy = error.http_status == 503 and error.retry_after_s is not None
    return error.kind is ErrorKind.RATE_LIMIT or is_busy


def asks_too_much(error: BackendError, policy: Policy) -> bool:
    """Return whether the server asks for a longer wait than the policy allows."""
    return error.retry_after_s is not None and error.retry_after_s > policy.max_retry_after_s


def _wait_s(error: BackendError, nth: int, chance: float) -> float:
    is_refused = error.kind is ErrorKind.RATE_LIMIT
    jitter = 0.5 + 0.5 * chance  # keeps rows that failed together from coming back together
    asked = error.retry_after_s
    if asked is not None:
        wait = asked + min(1.0, 0.1 * asked) * chance
        # who says "at once" and goes on refusing is not asked without a pause
        return max(wait, _REFUSED_S * jitter) if is_refused and nth > 1 else wait
    if is_refused:
        return min(_LONGEST_REFUSED_S, _REFUSED_S * nth) * jitter
    return float(min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(nth - 1, 30)) * jitter)


def _cannot_measure(what: str, hint: str, cause: BackendError) -> CannotMeasure:
    end = CannotMeasure(what, hint=hint)
    end.__cause__ = cause
    return end
