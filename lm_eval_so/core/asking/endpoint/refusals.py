"""Refusals in a row by which one sees that asking on would only cost time or money."""

from lm_eval_so.core.asking.answer.redact import clean_error, error_of
from lm_eval_so.core.asking.retry import Policy, asks_too_much
from lm_eval_so.core.backends.faults import is_forbidden
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, LMEvalError

_IN_A_ROW = 3
_LATER = "run again later to go on"
_PAY = "raise the quota or the budget of the account, then run again to go on"


class Refusals:
    """Counts what one endpoint refuses, whoever asks it."""

    def __init__(self) -> None:
        self._keys = 0
        self._long_waits = 0
        self._since: float | None = None

    def answered(self) -> None:
        """Take note of an answer."""
        self._keys = self._long_waits = 0
        self._since = None

    def end_of(
        self, error: BackendError, *, policy: Policy, now: float, redactor: Redactor
    ) -> LMEvalError | None:
        """Take note of a failed attempt, and give what must end the stage, if it must end.

        It ends at once if the quota is used up; if the key was refused, or a wait was asked for
        that nobody would have, three times in a row; and if for as long as a row may take there
        was nothing but refusals for asking too much.

        Args:
            error: What the attempt came to.
            policy: How hard it is tried.
            now: Monotonic time in seconds.
            redactor: Takes secrets out of what is told.
        """
        is_of_key = error.kind is ErrorKind.AUTH and not is_forbidden(error)
        self._keys = self._keys + 1 if is_of_key else 0
        self._long_waits = self._long_waits + 1 if asks_too_much(error, policy) else 0
        if not is_refusal(error):
            self._since = None
        elif self._since is None:
            self._since = now
        seconds = 0.0 if self._since is None else now - self._since
        clean = error_of(clean_error(error, redactor))
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


def is_refusal(error: BackendError) -> bool:
    """Return whether an endpoint says that it is asked too much: 429, 529, or 503 with a wait."""
    is_busy = error.http_status == 503 and error.retry_after_s is not None
    return error.kind is ErrorKind.RATE_LIMIT or is_busy


def _cannot_measure(what: str, hint: str, cause: BackendError) -> CannotMeasure:
    end = CannotMeasure(what, hint=hint)
    end.__cause__ = cause
    return end
