"""The coordinator of a run: what its workers may use, and what they tell; it knows no transport."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.shared_limits import Limit, Shares, Slices
from lm_eval_so.core.events import Event, Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of a worker since its last report."""

    progress: Mapping[str, Moved] = field(default_factory=dict)
    """Progress of all that it asks, by part."""
    events: tuple[Event, ...] = ()
    accounts: Mapping[Limit, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """Parts of its slices that it has spent, and that it gives back."""
    pause_s: float = 0.0
    """Seconds that the endpoint asks all to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Permission of a worker for the next second."""

    share: float = 0.0
    """Share of the rates of the run."""
    pause_s: float = 0.0
    """Seconds in which nothing is sent."""
    is_over: bool
    """Whether nothing new may be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """News of all workers, for the leader of the run."""

    progress: Mapping[str, Moved]
    """Progress by part; some of these may be finished."""
    events: tuple[Event, ...]
    workers: int


class Coordinator:
    """Leases shares of the rates, gives slices of the budget, and collects what workers tell.

    Args:
        budget: Rest of the limits that are set.
        clock: Monotonic time in seconds.
    """

    def __init__(self, budget: Mapping[Limit, Decimal], clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._shares = Shares()
        self._slices = {name: Slices(left) for name, left in budget.items()}
        self._paused_until = float("-inf")
        self._is_over = False
        self._gone: set[str] = set()
        self._progress: dict[str, Mapping[str, Moved]] = {}
        self._events: list[Event] = []

    def lease(self, worker: str, report: Report) -> Lease:
        """Take a worker's report, and say what it may do in the next second."""
        if worker in self._gone:
            return Lease(is_over=True)
        now = self._clock()
        self._progress[worker] = report.progress
        self._events += report.events
        self._paused_until = max(self._paused_until, now + report.pause_s)
        for name, (spent, returned) in report.accounts.items():
            self._slices[name].settle(worker, spent, returned)
        return Lease(
            share=self._shares.lease(worker, now) if report.progress else 0.0,
            pause_s=self._paused_until - now,
            is_over=self._is_over,
        )

    def slice(self, worker: str, limit: Limit, need: Decimal) -> Decimal | None:
        """Return a slice of a limit of the budget for a worker; see `Slices.give`."""
        if worker in self._gone:
            return None
        return self._slices[limit].give(worker, need, workers=max(1, len(self._progress)))

    def left(self, worker: str) -> None:
        """Take note that a worker is lost or has ended."""
        self._gone.add(worker)
        self._progress.pop(worker, None)
        for slices in self._slices.values():
            slices.forfeit(worker)

    def news(self, is_over: bool) -> News:
        """Return what workers have told, events since the last call.

        Args:
            is_over: Whether nothing new may be asked from now on.
        """
        self._is_over = is_over
        events, self._events = tuple(self._events), []
        progress = {part: moved for each in self._progress.values() for part, moved in each.items()}
        return News(progress=progress, events=events, workers=len(self._progress))
