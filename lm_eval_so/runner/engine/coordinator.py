"""The coordinator of a run: which chunks are open, claimed and finished, and what workers may use."""

import time
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count, islice
from typing import Literal

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.cost.budget import Spent
from lm_eval_so.core.asking.shared_limits import Limit, Shares, Slices
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.errors import LMEvalError

AT_ONCE = 2
"""Chunks that a worker has at once, so that the slow end of one leaves no gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows to ask, of some samples that stand one after another in the dataset."""

    number: int
    """Place among the chunks of the dataset, from 0."""
    at: int
    """Byte offset of its first sample."""
    samples: int
    """Most samples of it."""
    keys: "array[int]"
    """Keys of its rows that are to be asked."""
    is_suspect: bool = False
    """Whether a worker was lost while it asked it."""
    part: str = ""
    """Name of the folder of its rows, once a worker has claimed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of a worker since its last report."""

    progress: Mapping[str, Moved] = field(default_factory=dict)
    """Progress of all its claims, by part."""
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

    finished: tuple[Chunk, ...]
    """Claims whose rows are all written, or whose workers were stopped."""
    progress: tuple[Moved, ...]
    """Progress of the claims under way."""
    events: tuple[Event, ...]
    workers: int
    open: int
    """Chunks whose rows are not all in the log, as far as the leader has told."""
    is_over: bool
    """Whether nothing new is asked."""
    failure: tuple[LMEvalError, Spent | None] | None
    """Error that ended it, and the limit of the budget that was reached."""


class Coordinator:
    """Hands out chunks, shares of the rates, and slices of the budget; knows no transport.

    Args:
        chunks: Chunks to ask.
        budget: Rest of the limits that are set.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        chunks: Iterable[Chunk],
        budget: Mapping[Limit, Decimal],
        clock: Clock = time.monotonic,
    ) -> None:
        self._clock = clock
        self._open = deque(chunks)
        self._unsettled = len(self._open)
        self._claims: dict[str, dict[str, Chunk]] = {}
        self._parts = count(1)
        self._gone: set[str] = set()
        self._progress: dict[str, Moved] = {}
        self._finished: list[Chunk] = []
        self._events: list[Event] = []
        self._shares = Shares()
        self._slices = {name: Slices(left) for name, left in budget.items()}
        self._paused_until = float("-inf")
        self._is_over = False
        self._failure: tuple[LMEvalError, Spent | None] | None = None

    def claim(self, worker: str) -> Chunk | Literal["wait", "end"]:
        """Return a chunk for a worker, or that it must wait or end.

        A chunk that a worker was lost with is asked by a worker that has no other.
        """
        if worker in self._gone or self._is_over or not self._unsettled:
            return "end"
        held = self._claims.setdefault(worker, {})
        chunks = [*held.values(), *islice(self._open, 1)]
        is_alone = not held or not any(chunk.is_suspect for chunk in chunks)
        if not self._open or len(held) == AT_ONCE or not is_alone:
            return "wait"
        part = f"{chunks[-1].number:06}-{worker}-{next(self._parts)}"
        held[part] = replace(self._open.popleft(), part=part)
        return held[part]

    def finished(self, worker: str, part: str, is_whole: bool = True) -> None:
        """Take note that a worker has asked what it claimed, or that an error ended it."""
        self._is_over = self._is_over or not is_whole
        self._progress.pop(part, None)
        if (chunk := self._claims.get(worker, {}).pop(part, None)) is not None:
            self._finished.append(chunk)

    def failed(self, worker: str, error: LMEvalError, spent: Spent | None = None) -> None:
        """Take note of an error that ends the run, and of the limit of the budget that is spent."""
        if worker not in self._gone:
            self._failure = self._failure or (error, spent)
            self._is_over = True

    def lease(self, worker: str, report: Report) -> Lease:
        """Take a worker's report, and say what it may do in the next second."""
        if worker in self._gone:
            return Lease(is_over=True)
        now = self._clock()
        self._progress |= report.progress
        self._events += report.events
        self._paused_until = max(self._paused_until, now + report.pause_s)
        for name, (spent, returned) in report.accounts.items():
            self._slices[name].settle(worker, spent, returned)
        return Lease(
            share=self._shares.lease(worker, now) if self._claims.get(worker) else 0.0,
            pause_s=self._paused_until - now,
            is_over=self._is_over,
        )

    def slice(self, worker: str, limit: Limit, need: Decimal) -> Decimal | None:
        """Return a slice of a limit of the budget for a worker; see `Slices.give`."""
        if worker in self._gone:
            return None
        return self._slices[limit].give(worker, need, workers=max(1, len(self._claims)))

    def left(self, worker: str) -> tuple[Chunk, ...]:
        """Take note that a worker is lost or has ended, and return what it had claimed, once."""
        self._gone.add(worker)
        for slices in self._slices.values():
            slices.forfeit(worker)
        return tuple(self._claims.pop(worker, {}).values())

    def settled(self, claims: int, again: Sequence[Chunk] = ()) -> None:
        """Take note that the rows of some claims are in the log, and open what is left of them.

        That is asked last: a worker was lost with it.
        """
        self._open.extend(again)
        self._unsettled += len(again) - claims

    def stop(self) -> None:
        """Stop: nothing new is asked."""
        self._is_over = True

    def news(self) -> News:
        """Return what happened since the last call; the claims that it names are forgotten."""
        finished, self._finished = tuple(self._finished), []
        events, self._events = tuple(self._events), []
        under_way = [part for claims in self._claims.values() for part in claims]
        return News(
            finished=finished,
            progress=tuple(self._progress[part] for part in under_way if part in self._progress),
            events=events,
            workers=len(self._claims),
            open=self._unsettled,
            is_over=self._is_over,
            failure=self._failure,
        )
