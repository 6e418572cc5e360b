"""The limit of requests under way to one endpoint, found by its answers and refusals.

The limit doubles up to a ceiling, holds there, passes it slowly, and is cut if too much is refused
(as TCP: slow start and its threshold, Jacobson, 1988). An endpoint that is overloaded refuses less
when it is asked less; one that refuses for reasons of its own does not. So each cut is a trial: if
the share of failures stays, the cut is undone, and that share is noise, which cuts nothing.

A request that waits to be repeated keeps its slot, else fast refusals would free slots for more
refusals. It lends the slot to others where refusals are known for noise, and after a cut, for which
it has waited: as soon as an answer shows that the endpoint takes requests again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lm_eval_so.core.records.run import LimitChange

_START = 16
"""Limit of the first requests."""
_BUSY = 0.9
"""Share of the slots that must be taken for an answer to show that the limit holds."""
_BY_CHANCE, _TOLERATED = 3, 0.03
"""Failures of a round, and the share of its requests beside twice the noise, that cut nothing."""
_LONG = 4
"""Times the limit that a round has sent when its failures are no chance."""
_FLOOD, _LEAST_OF_FLOOD, _FLOOD_OF_LIMIT = 0.45, 4, 0.4
"""Share of a round's requests that is no noise, if so many failed and so much of the limit."""
_CUT = 0.9
"""Part to which a cut goes of what was answered, in number at once and in share."""
_DECIDES, _NOISY = 6, 3
"""Failures to expect of a trial if they are noise, and failures at which they are."""
_MOST_NOISE, _FADES = 0.3, 8
"""Most that is taken for noise, and rounds in which noise is forgotten that has ended."""
_HOLDS, _HOLDS_S = 300, 60.0
"""Answers or seconds until more than the ceiling is tried: some 3 of 100 are refused then."""
_LOW, _OFTEN = 2, 5
"""Limit at which refusals should end, and cuts to it after which they do not."""
_MOST_CHANGES = 500


@dataclass(slots=True)
class _Round:
    """Requests sent under one limit, and what became of them."""

    sent: int = 0
    failed: int = 0
    answered: int = 0
    borne: int = 0
    """Most requests that were under way at an answer after a failure; 0 before there is one."""


@dataclass(eq=False, slots=True)
class Slot:
    """The right to have one request under way."""

    round: _Round = field(default_factory=_Round)
    """Round of its last request."""


class Limiter:
    """A limit, and the slots under it.

    It has no clock: times are handed in, in seconds on one monotonic clock.

    Args:
        most: Upper bound of requests under way, ≥ 1.
    """

    def __init__(self, most: int) -> None:
        self.has_lent = asyncio.Event()
        """Set while slots that wait are lent: to use them all, more must ask than the limit allows."""
        self.most = most
        """Upper bound of requests under way."""
        self.limit = min(_START, most)
        """Requests that may be under way now."""
        self.wants_pace = False
        """Whether refusals went on where one or two were under way: then the rate is too high."""
        self._ceiling = most
        self._noise = 0.0
        self._round = _Round()
        self._cut_from, self._cut_for = 0, 0.0  # limit and share of failures before a trial
        self._held = self._low_cuts = 0
        self._why = ""
        self._began = self._since = 0.0
        self._changes: list[LimitChange] = []
        self._taken: set[Slot] = set()
        self._waiting: dict[Slot, None] = {}  # taken, but between two attempts
        self._repeats: deque[tuple[Slot, asyncio.Future[None]]] = deque()
        self._new: deque[tuple[Slot, asyncio.Future[None]]] = deque()

    @property
    def changes(self) -> tuple[LimitChange, ...]:
        """Changes of the limit, at most 500; if there were more, every other was left out."""
        return tuple(self._changes)

    def narrow(self, most: int) -> None:
        """Lower the upper bound, if `most` is lower."""
        self.most = min(self.most, most)
        self.limit = min(self.limit, self.most)

    def sends(self, slot: Slot, now: float) -> None:
        """Take note of a request that is sent in a slot."""
        if not self._changes:
            self._began = now
            self._begin_round(self.limit, now, "start")
        self._round.sent += 1
        slot.round = self._round

    def answered(self, slot: Slot, now: float) -> None:
        """Take note of an answer."""
        self._held += 1
        if self._waiting and len(self._taken) > self.limit:
            self._give_back(next(iter(self._waiting)))
        of = slot.round
        if of is not self._round:
            return
        if of.failed:
            of.borne = max(of.borne, self._under_way())
        if len(self._taken) >= _BUSY * self.limit:
            of.answered += 1
        is_start = self._ceiling >= self.most and not of.failed
        enough = self.limit / 2 if is_start else self.limit
        if self._cut_from:
            enough = max(enough, _DECIDES / self._cut_for)
        if of.answered >= enough:
            self._end_round(now)

    def failed(self, slot: Slot, now: float, why: str) -> None:
        """Take note of a refusal, a time-out or an error of the server, and of its name."""
        of = slot.round
        if of is not self._round:
            return
        of.failed += 1
        self._why = why
        share = of.failed / of.sent
        is_many = of.failed >= _LEAST_OF_FLOOD + _FLOOD_OF_LIMIT * self.limit
        if is_many and share > max(_FLOOD, 2 * self._noise) and self.limit > 1:
            self._cut_from = 0
            if self.limit > _LOW:
                self._noise = 0.0
            others = self._under_way() - 1
            self._cut(others, others, now)
        elif self._cut_from and of.failed >= _NOISY and self._cut_for / 2 <= share <= _FLOOD:
            self._end_round(now)

    def _under_way(self) -> int:
        return min(self.limit, len(self._taken) - len(self._waiting))

    def _end_round(self, now: float) -> None:
        of, limit = self._round, self._cut_from
        share = of.failed / of.sent
        if limit:
            self._cut_from, self._noise = 0, min(share, _MOST_NOISE)
            if of.failed and share >= self._cut_for / 2:  # the cut was of no use
                self._ceiling = self.most
                self._grow(limit, now)
                return
        self._noise -= max(0.0, self._noise - share) / _FADES
        harmless = of.sent * (2 * self._noise + _TOLERATED)
        by_chance = _BY_CHANCE if of.sent < _LONG * self.limit else 0
        if of.failed > harmless + by_chance:
            self._cut_from, self._cut_for = self.limit, share
            borne = of.borne or self.limit
            to = min(self.limit * (1 - share), borne) * _CUT
            self._cut(int(to), min(self.limit - 1, borne), now)
        elif of.failed <= harmless or self._ceiling >= self.most:
            self._grow(self.limit, now)
        else:
            of.answered = 0  # the round goes on until it is clear

    def _cut(self, limit: int, ceiling: int, now: float) -> None:
        self._ceiling = ceiling if ceiling > 0 else self.most
        self._low_cuts = self._low_cuts + 1 if limit <= _LOW else 0
        self.wants_pace = self.wants_pace or self._low_cuts >= _OFTEN
        self._begin_round(max(1, limit), now, self._why)

    def _grow(self, limit: int, now: float) -> None:
        """Go on from a limit: double it up to the ceiling, hold it there, pass it by 1, 3, 7, 15."""
        if limit < self._ceiling:
            limit = min(2 * limit, self._ceiling)
        elif limit > self._ceiling or self._held >= _HOLDS or now - self._since >= _HOLDS_S:
            limit += limit - self._ceiling + 1
        self._begin_round(limit, now, "grew")

    def _begin_round(self, limit: int, now: float, why: str) -> None:
        self._round = _Round()
        (self.has_lent.set if self._noise > _TOLERATED else self.has_lent.clear)()
        limit = min(limit, self.most)
        if limit != self.limit or not self._changes:
            self.limit, self._held, self._since = limit, 0, now
            if len(self._changes) == _MOST_CHANGES:
                del self._changes[1::2]
            at_s = round(now - self._began, 3)
            self._changes.append(LimitChange(at_s=at_s, limit=limit, why=why))
        self._grant()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Hold a slot while a request is asked, waits between attempts included."""
        slot = Slot()
        try:
            await self._take(slot, self._new)
            yield slot
        finally:
            self._give_back(slot)

    def wait(self, slot: Slot) -> None:
        """Begin a wait; where refusals are noise, others may use the slot meanwhile."""
        if self.has_lent.is_set():
            self._give_back(slot)
        else:
            self._waiting[slot] = None

    async def keep(self, slot: Slot) -> None:
        """Take up the slot after a wait, or queue for one if it was lent or the limit fell."""
        self._waiting.pop(slot, None)
        if len(self._taken) > self.limit:
            self._give_back(slot)
        if slot not in self._taken:
            await self._take(slot, self._repeats)

    async def _take(self, slot: Slot, queue: deque[tuple[Slot, asyncio.Future[None]]]) -> None:
        granted = asyncio.get_running_loop().create_future()
        queue.append((slot, granted))
        self._grant()
        await granted

    def _give_back(self, slot: Slot) -> None:
        self._waiting.pop(slot, None)
        self._taken.discard(slot)
        self._grant()

    def _grant(self) -> None:
        """Hand free slots to those who queue, first to requests that are repeated."""
        while len(self._taken) < self.limit and (queue := self._repeats or self._new):
            slot, granted = queue.popleft()
            if not granted.done():  # it may have been cancelled
                self._taken.add(slot)
                granted.set_result(None)
