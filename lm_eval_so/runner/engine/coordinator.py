"""The coordinator of a run: which chunks are open, claimed and finished, and what workers may use."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lm_eval_so.core.asking.cost.budget import Spent
from lm_eval_so.core.asking.shared_limits import REQUESTS, Limit, Shares, Slices
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.errors import LMEvalError

AT_ONCE = 2
"""Chunks that a worker has at once, so that the slow end of one leaves no gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows to ask: those of some samples that stand one after another in the dataset."""

    number: int
    """Place among the chunks of the dataset, from 0."""
    at: int
    """Byte offset of its first sample."""
    samples: int
    """Most samples of it."""
    skips: bytes = b""
    """A byte a row, 1 where it is not asked; empty if all are."""
    keys_digest: int = 0
    """Checksum of the keys of all its rows, skipped ones included."""
    deaths: int = 0
    """Workers that were lost while they asked it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A chunk that a worker asks."""

    chunk: Chunk
    part: str
    """Name of the folder of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of a worker since its last report."""

    progress: Mapping[str, Moved] = field(default_factory=dict)
    """Progress of its claims, by part."""
    events: tuple[Event, ...] = ()
    spent: Mapping[Limit, Decimal] = field(default_factory=dict)
    returned: Mapping[Limit, Decimal] = field(default_factory=dict)
    """Parts of its slices that it gives back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Permission of a worker for the next second."""

    share: float
    """Share of the rates of the run."""
    pause_s: float
    """Seconds in which nothing is sent."""
    is_tight: bool
    """Whether the rest of its slices is wanted back."""
    is_over: bool
    """Whether nothing new may be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """News of all workers, for the leader of the run."""

    finished: tuple[Claim, ...]
    """Claims whose rows are all written, or whose workers were stopped."""
    progress: tuple[Moved, ...]
    """Progress of the claims under way."""
    events: tuple[Event, ...]
    workers: int
    open: int
    """Chunks that are open or claimed."""
    is_over: bool
    """Whether nothing new is asked."""
    failure: LMEvalError | None
    spent: Spent | None
    """Limit of the budget that was reached."""


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._open = deque(chunks)
        self._claims: dict[str, dict[str, Claim]] = {}
        self._lost: set[str] = set()
        self._progress: dict[str, Moved] = {}
        self._finished: list[Claim] = []
        self._owed = 0
        """Claims that the leader looks at: it may open their chunks again."""
        self._events: list[Event] = []
        self._shares = Shares()
        self._slices = {
            name: Slices(left, is_counted=name == REQUESTS) for name, left in budget.items()
        }
        self._paused_until = float("-inf")
        self._parts = 0
        self._is_over = False
        self._failure: LMEvalError | None = None
        self._spent: Spent | None = None

    def claim(self, worker: str) -> Claim | Literal["wait", "end"]:
        """Return a chunk for a worker, or that it must wait or end.

        A chunk that a worker was lost with is asked by a worker that has no other.
        """
        if worker in self._lost:
            return "end"
        held = self._claims.setdefault(worker, {})
        is_done = not (self._open or self._owed or any(self._claims.values()))
        if self._is_over or is_done:
            return "end"
        if len(held) >= AT_ONCE or any(claim.chunk.deaths for claim in held.values()):
            return "wait"
        for place, chunk in enumerate(self._open):
            if not (chunk.deaths and held):
                del self._open[place]
                self._parts += 1
                part = f"{chunk.number:06}-{worker}-{self._parts}"
                held[part] = Claim(chunk=chunk, part=part)
                return held[part]
        return "wait"

    def finished(self, worker: str, part: str, is_whole: bool = True) -> None:
        """Take note that a worker has asked what it claimed, or that an error ended it."""
        self._is_over = self._is_over or not is_whole
        if (claim := self._claims.get(worker, {}).pop(part, None)) is not None:
            self._finished.append(claim)
            self._owed += 1

    def failed(self, worker: str, error: LMEvalError, spent: Spent | None = None) -> None:
        """Take note of an error that ends the run, and of the limit of the budget that is spent."""
        if worker not in self._lost:
            self._failure = self._failure or error
            self._spent = self._spent or spent
            self._is_over = True

    def lease(self, worker: str, report: Report) -> Lease:
        """Take a worker's report, and say what it may do in the next second."""
        now, claims = self._clock(), self._claims.get(worker, {})
        self._progress |= {at: moved for at, moved in report.progress.items() if at in claims}
        if is_known := worker not in self._lost:
            self._events += report.events
            for name, slices in self._slices.items():
                zero = Decimal(0)
                spent, back = report.spent.get(name, zero), report.returned.get(name, zero)
                slices.settle(worker, spent, back)
        return Lease(
            share=self._shares.lease(worker, now) if claims else 0.0,
            pause_s=max(0.0, self._paused_until - now),
            is_tight=any(slices.is_tight for slices in self._slices.values()),
            is_over=self._is_over or not is_known,
        )

    def refused(self, worker: str, wait_s: float) -> None:
        """Pause all workers, since the endpoint asks one of them to wait."""
        if worker not in self._lost:
            self._paused_until = max(self._paused_until, self._clock() + wait_s)

    def slice(self, worker: str, limit: Limit, need: Decimal) -> Decimal | None:
        """Return a slice of a limit of the budget for a worker; see `Slices.give`."""
        if worker in self._lost:
            return None
        return self._slices[limit].give(worker, need, workers=max(1, len(self._claims)))

    def left(self, worker: str) -> tuple[Claim, ...]:
        """Take note that a worker is lost or has ended, and return what it had claimed, once."""
        self._lost.add(worker)
        for slices in self._slices.values():
            slices.forfeit(worker)
        claims = tuple(self._claims.pop(worker, {}).values())
        self._owed += len(claims)
        return claims

    def settled(self, claims: int, chunks: Iterable[Chunk]) -> None:
        """Take note that the rows of some claims are in the log, and open what is left of them.

        What no worker was lost with comes before all others, the rest after them.
        """
        self._owed -= claims
        for chunk in chunks:
            (self._open.append if chunk.deaths else self._open.appendleft)(chunk)

    def stop(self) -> None:
        """Stop: nothing new is asked."""
        self._is_over = True

    def news(self) -> News:
        """Return what happened since the last call; the claims that it names are forgotten."""
        finished, self._finished = tuple(self._finished), []
        events, self._events = tuple(self._events), []
        under_way = [part for claims in self._claims.values() for part in claims]
        self._progress = {
            part: moved for part, moved in self._progress.items() if part in under_way
        }
        return News(
            finished=finished,
            progress=tuple(self._progress.values()),
            events=events,
            workers=len(self._claims),
            open=len(self._open) + len(under_way) + self._owed,
            is_over=self._is_over,
            failure=self._failure,
            spent=self._spent,
        )
