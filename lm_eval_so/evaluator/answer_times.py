"""From when answers are, and what kept the others from coming."""

from dataclasses import dataclass
from datetime import datetime

from lm_eval_so.core.clock import parse_time, time_text
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan
from lm_eval_so.core.records.run import RunResult


@dataclass(slots=True)
class _Span:
    n: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, at: datetime | None) -> None:
        self.n += 1
        if at is None:
            return
        if self.oldest is None or at < self.oldest:
            self.oldest = at
        if self.newest is None or at > self.newest:
            self.newest = at

    def record(self) -> TimeSpan:
        if self.oldest is None or self.newest is None:
            return TimeSpan(n=self.n)
        return TimeSpan(n=self.n, oldest=time_text(self.oldest), newest=time_text(self.newest))


class AnswerTally:
    """Counts answers by whether they were asked now, earlier, or not at all.

    Args:
        begun_at: When the last invocation of the run began; None if that is not known.
    """

    def __init__(self, begun_at: datetime | None = None) -> None:
        self._begun_at = begun_at
        self._asked, self._earlier, self._cached = _Span(), _Span(), _Span()

    def add(self, run: RunResult) -> None:
        """Count a row that is an answer."""
        if run.answered_at is not None or (run.cached and not run.attempts):
            self._cached.add(parse_time(run.answered_at))
            return
        at = parse_time(run.started_at)
        is_earlier = at is not None and self._begun_at is not None and at < self._begun_at
        (self._earlier if is_earlier else self._asked).add(at)

    def record(self) -> AnswerTimes:
        """Return the counts."""
        return AnswerTimes(
            asked=self._asked.record(),
            earlier=self._earlier.record(),
            cached=self._cached.record(),
        )


def failure_of(run: RunResult) -> str:
    """Name what kept the answer of a row from coming: HTTP status, else kind of error or status."""
    if run.error is None:
        return run.status.value
    if run.error.http_status is not None:
        return f"HTTP {run.error.http_status}"
    return run.error.kind.value
