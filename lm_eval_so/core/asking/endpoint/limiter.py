"""The limit of requests under way to one endpoint, found by its answers and refusals.

The limit rises while all goes well, falls when too much is refused, and rises again (AIMD: Chiu and
Jain, 1989; as in TCP). An endpoint that is overloaded refuses less when it is asked less; one that
refuses for reasons of its own does not. So each cut is a trial: if the share of failures stays what
it was, the cut is undone, and that share is held for noise, which cuts nothing from then on.

A request that waits to be repeated keeps its slot, else fast refusals would free slots for more
refusals. It lends the slot to others where refusals are known for noise, and after a cut, for which
it has waited: as soon as an answer shows that the endpoint takes requests again.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lm_eval_so.core.records.run import LimitChange

_START, _MOST_AT_START, _START_PER_S = 4, 32, 80.0
"""Limit of the first requests; then as many as make so many requests a second, no attack on anybody."""
_BUSY = 0.9
"""Share of the slots that must be taken for an answer to show that the limit holds."""
_BY_CHANCE, _TOLERATED, _CLEAR = 2, 0.03, 0.02
"""Failures of a round, and the share of its requests, that cut nothing; and the share that hides
nothing. Twice the noise is always added."""
_FLOOD, _FLOOD_OF_LIMIT, _LEAST_OF_FLOOD = 0.45, 0.75, 6
"""Share of a round's requests, share of the limit and number of failures that are no noise."""
_CUT = 0.9
_DECIDES, _NOISY = 6, 3
"""Failures to expect of a trial if they are noise, and failures at which they are."""
_FADES, _MOST_NOISE = 8, 0.3
"""Rounds in which noise is forgotten that has ended, and the most that is taken for noise."""
_HOLDS, _HOLDS_ANSWERS, _HOLDS_S = 16, 160, 60.0
"""Rounds, answers and seconds until more than the ceiling is tried: some 3 of 100 are refused then."""
_CAREFUL = 1.5
"""Times the ceiling that was passed, up to which the limit rises by one: rates show late."""
_LOOKS_BACK = 4
"""Rounds of one limit that are judged together."""
_LENDS_FROM = 0.03
"""Noise from which on slots are lent."""
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


@dataclass(frozen=True, slots=True)
class _Trial:
    """State before a cut, to go back to."""

    limit: int
    share: float
    """Share of failures that led to the cut."""
    step: int
    is_start: bool


class Limiter:
    """A limit, and the slots under it.

    It has no clock: times are handed in, in seconds on one monotonic clock.

    Args:
        most: Upper bound of requests under way, ≥ 1.
    """

    def __init__(self, most: int) -> None:
        self.has_lent = asyncio.Event()
        """Set while slots are lent: to use them all, more must ask than the limit allows at once."""
        self.most = most
        """Upper bound of requests under way."""
        self.limit = min(_START, most)
        """Requests that may be under way now."""
        self.wants_pace = False
        """Whether refusals went on where one or two were under way: then the rate is too high."""
        self._used = 0
        self._kept: dict[Slot, None] = {}
        self._older: dict[Slot, None] = {}
        self._lent: dict[Slot, None] = {}
        self._round = _Round()
        self._trial: _Trial | None = None
        self._noise = 0.0
        self._ceiling: int | None = None
        self._clear = self._passed = 0
        self._held, self._since = 0, 0.0
        self._step = self.limit
        self._is_start, self._has_answered = True, False
        self._low_cuts = 0
        self._why = ""
        self._began: float | None = None
        self._changes: list[LimitChange] = []
        self._repeats: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()

    @property
    def changes(self) -> tuple[LimitChange, ...]:
        """Changes of the limit, at most 500; if there were more, every other was left out."""
        return tuple(self._changes)

    def slot(self) -> "Slot":
        """Return a slot to hold while a request is asked, waits between attempts included."""
        return Slot(self)

    def narrow(self, most: int) -> None:
        """Lower the upper bound, if `most` is lower."""
        self.most = min(self.most, most)
        self.limit = min(self.limit, self.most)

    def sends(self, now: float) -> _Round:
        """Take note of a request, and return the round to which it belongs."""
        if self._began is None:
            self._began = now
            self._set(self.limit, now, "start")
        self._round.sent += 1
        return self._round

    def answered(self, of: _Round, *, took_s: float, now: float) -> None:
        """Take note of an answer to a request of a round, in so many seconds."""
        if self._older:
            self._lend(next(iter(self._older)))
        if of is not self._round:
            return
        if not self._has_answered and self._is_start:
            wanted = min(self.most, _MOST_AT_START, int(took_s * _START_PER_S))
            if wanted > self.limit:
                self._step = wanted
                self._set(wanted, now, "grew")
        self._has_answered = True
        if of.failed:
            of.borne = max(of.borne, min(self.limit, self._under_way()))
        if self._used >= _BUSY * self.limit:
            of.answered += 1
        if of.answered >= self._enough():
            self._end_round(now)

    def failed(self, of: _Round, *, now: float, why: str) -> None:
        """Take note of a refusal, a time-out or an error of the server, and of its name."""
        if of is not self._round:
            return
        of.failed += 1
        self._why = why
        share = of.failed / of.sent
        is_flood = of.failed >= max(_LEAST_OF_FLOOD, _FLOOD_OF_LIMIT * self.limit)
        looks_same = self._trial is not None and self._trial.share / 2 <= share <= _FLOOD
        if is_flood and share > _FLOOD and self.limit > 1 and self._is_too_much():
            self._trial, self._noise = None, 0.0
            # what else is under way is borne; if it is one at most, it may be about to fail, too
            borne = min(self.limit, self._under_way()) - 1
            self._ceiling = borne if borne > 1 else None
            self._cut(max(1, borne), now)
        elif looks_same and of.failed >= _NOISY and 2 * of.sent >= self.limit:
            self._end_round(now)

    def _enough(self) -> float:
        """Return the answers that end a round."""
        if self._trial is not None:
            return max(self.limit, _DECIDES * (1 / self._trial.share - 1))
        return self.limit / 2 if self._is_start and not self._round.failed else self.limit

    def _is_too_much(self) -> bool:
        of = self._round
        return of.failed > _BY_CHANCE + of.sent * (2 * self._noise + _TOLERATED)

    def _end_round(self, now: float) -> None:
        of, trial = self._round, self._trial
        share = of.failed / of.sent
        self._trial = None
        if trial is not None:
            if of.failed and share >= trial.share / 2:
                self._undo(trial, share, now)
                return
            self._noise = 0.0
            if not self._is_too_much():
                self._noise = min(share, _MOST_NOISE)
        self._noise -= max(0.0, self._noise - share) / _FADES
        is_clear = self._is_start or of.failed <= of.sent * (2 * self._noise + _CLEAR)
        is_long = of.sent >= _LOOKS_BACK * self.limit
        if self._is_too_much() or (is_long and not is_clear):
            self._try_less(share, now)
        elif is_clear:
            self._grow(now, is_long=is_long)
        else:
            of.answered = 0  # the round goes on until it is clear

    def _try_less(self, share: float, now: float) -> None:
        of = self._round
        if self.limit == 1:
            self._noise = min(share, _MOST_NOISE)
            self._ceiling = 1 if self.wants_pace else None
            self._cut(1, now)
            return
        depth = min(share, of.failed / self.limit)  # it may have failed twice in one slot
        self._trial = _Trial(self.limit, depth, self._step, self._is_start)
        borne = of.borne or self.limit
        self._ceiling = self.limit - 1
        if self._clear < self.limit:  # what is borne lies between the two
            self._ceiling = max(1, self._clear, min(self._ceiling, borne))
        self._cut(max(1, int(min(self.limit * (1 - depth), borne) * _CUT)), now)

    def _cut(self, limit: int, now: float) -> None:
        self._step, self._is_start = 1, False
        self._older |= self._kept
        self._kept = {}
        self._low_cuts = self._low_cuts + 1 if limit <= _LOW else 0
        self.wants_pace = self.wants_pace or self._low_cuts >= _OFTEN
        self._begin_round(limit, now, self._why)

    def _undo(self, trial: _Trial, share: float, now: float) -> None:
        """Go on as before the cut, for it was of no use."""
        self._noise = min((share + trial.share) / 2, _MOST_NOISE)
        self._ceiling, self._passed = None, 0
        self._step, self._is_start = 2 * trial.step, trial.is_start
        self._begin_round(min(self.most, trial.limit + trial.step), now, "grew")

    def _grow(self, now: float, *, is_long: bool) -> None:
        of, limit = self._round, self.limit
        self._clear = limit
        if limit != self._ceiling:
            limit += self._step
            if not self._passed <= limit < _CAREFUL * self._passed:
                self._step *= 2
        else:
            self._held += of.answered
            is_tried = self._held >= max(_HOLDS_ANSWERS, _HOLDS * limit)
            if not is_tried and now - self._since < _HOLDS_S:
                of.answered = 0
                if is_long:
                    self._round = _Round()
                return
            self._passed, self._ceiling, self._step = self._ceiling, None, 1
            limit += 1
        self._begin_round(min(self.most, self._ceiling or self.most, limit), now, "grew")

    def _begin_round(self, limit: int, now: float, why: str) -> None:
        self._round, self._held, self._since = _Round(), 0, now
        self._is_start = self._is_start and limit < self.most
        self._set(limit, now, why)

    def _set(self, limit: int, now: float, why: str) -> None:
        """Change the limit and record it."""
        if limit != self.limit or not self._changes:
            self.limit = limit
            if len(self._changes) == _MOST_CHANGES:
                del self._changes[1::2]
            at_s = round(now - (self._began or 0.0), 3)
            self._changes.append(LimitChange(at_s=at_s, limit=limit, why=why))
        self._grant()

    def may_lend(self) -> bool:
        """Return whether failures are known for noise, so that others may use the place."""
        return self._noise >= _LENDS_FROM

    def waits(self, slot: "Slot") -> None:
        """Take note that a slot waits, and lend it to others if that makes no overload worse."""
        self._kept[slot] = None
        if self.may_lend():
            self._lend(slot)

    def wakes(self, slot: "Slot") -> None:
        """Take note that a slot waits no longer."""
        for waiting in (self._kept, self._older, self._lent):
            waiting.pop(slot, None)
        if not self._lent:
            self.has_lent.clear()

    def _lend(self, slot: "Slot") -> None:
        self.wakes(slot)
        self._lent[slot] = None
        self.has_lent.set()
        slot.give_back()

    def _under_way(self) -> int:
        return self._used - len(self._kept) - len(self._older)

    async def acquire(self) -> None:
        """Wait for a place under the limit and take it."""
        if self._used < self.limit and not self._repeats and not self._new:
            self._used += 1
        else:
            await self._wait(self._new)

    async def acquire_again(self) -> None:
        """Wait for a place like `acquire`, before all requests that have not been sent yet."""
        await self._wait(self._repeats)

    def release(self) -> None:
        """Release a place; requests that wait for a repeat come first."""
        self._used -= 1
        self._grant()

    def is_over(self) -> bool:
        """Return whether the limit fell below the places that are taken."""
        return self._used > self.limit

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        granted = asyncio.get_running_loop().create_future()
        queue.append(granted)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release()
            raise

    def _grant(self) -> None:
        while self._used < self.limit and (queue := self._repeats or self._new):
            granted = queue.popleft()
            if not granted.done():
                self._used += 1
                granted.set_result(None)


class Slot:
    """The right to have one request under way."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._held = False
        self._round, self._sent_at = _Round(), 0.0

    async def __aenter__(self) -> Self:
        await self._limiter.acquire()
        self._held = True
        return self

    def sends(self, now: float) -> None:
        """Take note that an attempt is sent."""
        self._round, self._sent_at = self._limiter.sends(now), now

    def answered(self, now: float) -> None:
        """Take note that the attempt was answered."""
        self._limiter.answered(self._round, took_s=now - self._sent_at, now=now)

    def failed(self, now: float, why: str) -> None:
        """Take note that the attempt failed because too much is asked, maybe; `why` is recorded."""
        self._limiter.failed(self._round, now=now, why=why)

    def wait(self) -> None:
        """Begin a wait; the slot may be lent to others meanwhile."""
        self._limiter.waits(self)

    async def keep(self) -> None:
        """Take up the slot after a wait, or queue for a new one.

        It queues if the slot was lent, or if the limit fell below the slots in use.
        """
        self._limiter.wakes(self)
        if self._held and self._limiter.is_over():
            self.give_back()
        if not self._held:
            await self._limiter.acquire_again()
            self._held = True

    def give_back(self) -> None:
        """Release the place, if it is held."""
        if self._held:
            self._held = False
            self._limiter.release()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._limiter.wakes(self)
        self.give_back()
