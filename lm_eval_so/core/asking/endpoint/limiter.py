"""The limit of requests under way to one endpoint, found by its answers and refusals.

The limit rises until the endpoint is overloaded, falls by a share, and rises again one by one: AIMD
(Chiu and Jain, 1989; as in TCP). Four things are our own:

- A request that waits to be repeated keeps its slot: else fast refusals would free slots for more
  refusals. Only if refusals are known not to be overload does it lend it to others meanwhile.
- A refused limit is the ceiling; higher limits are tried rarely, and less often with each refusal.
- Where answers take long the first limit is higher: it is the same number of requests a second.
- Refusals that do not fall when the limit falls are not overload (`Overload`), and cut nothing.
"""

import asyncio
import math
from collections import defaultdict, deque
from types import TracebackType
from typing import Self

from lm_eval_so.core.records.run import LimitChange

_START, _MOST_AT_START = 4, 16
_START_PER_S = 66.0
"""Requests a second that are no attack: where answers take long, more may be under way at the start,
for they come no faster."""
_CUT_REFUSED, _CUT_SLOWED = 0.7, 0.9
_DOUBLE, _BY_A_QUARTER, _BY_ONE = 2.0, 1.25, 1.0
"""Factors of the limit after a round without a cut: at the start; where refusals are no overload;
else. It rises by one at least."""
_BUSY = 0.9
"""Share of the slots that must be taken for an answer to show that the limit holds."""
_FIRST_HOLD, _LONGEST_HOLD, _LONGEST_HOLD_S = 10, 160, 60.0
"""Rounds and seconds before it is tried above the ceiling."""
_MOST_CHANGES = 500
_REMEMBERED = 100
"""Changes by which it is known under which limit a request was sent."""
_FADES_EVERY = 100
_FADES_TO = 0.9
"""Fading of counts: requests some 1,000 back count little, since endpoints change."""
_RECENT = 20
_FLOOD, _FLOOD_TAKEN_IN = 5.0, 0.7
"""Recent failures that are a flood, and their weight after they were taken for one."""
_SUSPECTED, _PROVED = 1.0, 3.0
"""Standard errors from which on failures are overload: if they were before, if they were not."""
_LEAST_FAILED = 1.5
"""Failures without which nothing is judged; a little below 2, as they fade."""
_STEPS = 8
"""Limits are told apart in steps of an eighth of an octave, 9 %."""


class Limiter:
    """A limit, and the slots under it.

    It has no clock: times are handed in, in seconds on one monotonic clock.

    Args:
        most: Upper bound of requests under way, ≥ 1.
    """

    def __init__(self, most: int) -> None:
        self.has_lent = asyncio.Event()
        """Set while slots are lent: to use them all, more must ask than the limit allows at once."""
        self._lent = 0
        self._most = most
        self._limit = min(_START, most)
        self._used = 0
        self._growth = _DOUBLE
        self._ceiling: int | None = None
        self._hold = 1
        self._answers = 0
        self._has_answered = False
        self._last_cut = self._last_growth = float("-inf")
        self._overload = Overload()
        self._began: float | None = None
        self._changes: list[LimitChange] = []
        self._limits: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._repeats: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return self._limit

    @property
    def most(self) -> int:
        """Upper bound of requests under way."""
        return self._most

    @property
    def changes(self) -> tuple[LimitChange, ...]:
        """Changes of the limit, at most 500; if there were more, every other was left out."""
        return tuple(self._changes)

    def slot(self) -> "Slot":
        """Return a slot to hold while a request is asked, waits between attempts included."""
        return Slot(self)

    def narrow(self, most: int) -> None:
        """Lower the upper bound, if `most` is lower."""
        self._most = min(self._most, most)
        self._limit = min(self._limit, self._most)

    def succeeded(self, *, sent_at: float, now: float) -> None:
        """Take note of an answer.

        A round is as many answers as the limit allows requests: to requests sent since the last
        cut, while the slots were taken. After a round the limit rises; from the ceiling on only
        after many.

        Args:
            sent_at: Time at which the request was sent.
            now: Time of the answer.
        """
        if self._began is None:
            self._begin(sent_at)
        if sent_at <= self._last_cut or self._limit >= self._most:
            return
        if not self._has_answered and self._ceiling is None:
            self._start(now - sent_at, now)
        if self._used >= _BUSY * self._limit:
            self._answers += 1
        if self._answers < self._limit:
            return
        if self._ceiling is not None and self._limit >= self._ceiling:
            held_s = now - max(self._last_cut, self._last_growth)
            if self._answers < self._limit * self._hold and held_s < _LONGEST_HOLD_S:
                return
            if self._limit > self._ceiling:  # what was too much is borne now
                self._ceiling, self._hold = self._limit, max(1, self._hold // 4)
        self._answers, self._last_growth = 0, now
        risen = max(self._limit + 1, int(self._limit * self._growth))
        self._set(min(self._most, risen), now, "grew")
        self._grant()

    def refused(self, *, sent_at: float, now: float, why: str = "rate_limit") -> bool:
        """Take note of a refusal for asking too much, and return whether the limit was cut.

        A request sent before the last cut cannot cut again, so that a burst cuts once.

        Args:
            sent_at: Time at which the request was sent.
            now: Time of the refusal.
            why: Reason, as the change is recorded.
        """
        if not self._is_overload(sent_at):
            return False
        is_known = self._ceiling is not None and self._limit <= self._ceiling + 1
        longer = min(_LONGEST_HOLD, max(_FIRST_HOLD, 2 * self._hold))
        self._hold = longer if is_known else _FIRST_HOLD
        self._ceiling = max(1, self._limit - 1)
        self._cut(_CUT_REFUSED, now, why)
        return True

    def slowed(self, *, sent_at: float, now: float, why: str = "server") -> bool:
        """Take note of a time-out or an error of the server, and return whether the limit was cut.

        Args:
            sent_at: Time at which the request was sent.
            now: Time of the failure.
            why: Reason, as the change is recorded.
        """
        if not self._is_overload(sent_at):
            return False
        self._cut(_CUT_SLOWED, now, why)
        return True

    def _is_overload(self, sent_at: float) -> bool:
        if self._began is None:
            self._begin(sent_at)
        self._overload.failed(self._limit_at(sent_at))
        if sent_at <= self._last_cut:
            return False
        verdict = self._overload.judge(self._limit)
        if verdict is False:
            self._ceiling, self._hold, self._growth = None, 1, _BY_A_QUARTER
        return bool(verdict)

    def _cut(self, factor: float, now: float, why: str) -> None:
        self._last_cut, self._answers, self._growth = now, 0, _BY_ONE
        self._set(max(1, int(self._limit * factor)), now, why)

    def _begin(self, sent_at: float) -> None:
        self._began = sent_at
        self._set(self._limit, sent_at, "start")

    def _start(self, answer_s: float, now: float) -> None:
        """Choose the limit to begin with, now that it is known how long an answer takes."""
        self._has_answered = True
        wanted = min(_MOST_AT_START, int(answer_s * _START_PER_S), self._most)
        if wanted > self._limit:
            self._set(wanted, now, "grew")
            self._grant()

    def _set(self, limit: int, now: float, why: str) -> None:
        """Change the limit and record it."""
        if limit == self._limit and self._changes:
            return
        self._limit = limit
        self._limits.append((now, limit))
        at_s = round(now - (self._began or 0.0), 3)
        if len(self._changes) == _MOST_CHANGES:
            del self._changes[1::2]
        self._changes.append(LimitChange(at_s=at_s, limit=limit, why=why))

    def _limit_at(self, moment: float) -> int:
        for since, limit in reversed(self._limits):
            if since <= moment:
                return limit
        return self._limits[0][1]

    async def acquire(self) -> None:
        """Wait for a place under the limit and take it."""
        if self._used < self._limit and not self._repeats and not self._new:
            self._take()
        else:
            await self._wait(self._new)

    def release(self) -> None:
        """Release a place; requests that wait for a repeat come first."""
        self._used -= 1
        self._grant()

    def is_over(self) -> bool:
        """Return whether the limit fell below the places that are taken."""
        return self._used > self._limit

    def may_lend(self) -> bool:
        """Return whether failures are known not to be overload, so that others may use the place."""
        return not self._overload.is_believed

    def note_lent(self, change: int) -> None:
        """Count a slot that is lent (1), or wanted back (−1)."""
        self._lent += change
        (self.has_lent.set if self._lent else self.has_lent.clear)()

    async def acquire_again(self) -> None:
        """Wait for a place like `acquire`, before all requests that have not been sent yet."""
        await self._wait(self._repeats)

    def sends_again(self) -> None:
        """Take note that a place that was kept is used for another attempt."""
        self._overload.sent(self._limit)

    def _take(self) -> None:
        self._used += 1
        self._overload.sent(self._limit)

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
        while self._used < self._limit and (queue := self._repeats or self._new):
            granted = queue.popleft()
            if not granted.done():
                self._take()
                granted.set_result(None)


class Slot:
    """The right to have one request under way."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._held = self._is_lent = False

    async def __aenter__(self) -> Self:
        await self._limiter.acquire()
        self._held = True
        return self

    def lend(self) -> None:
        """Lend the slot to others during a wait, if that makes no overload worse."""
        if self._held and self._limiter.may_lend():
            self._is_lent = True
            self._limiter.note_lent(1)
            self._give_back()

    async def keep(self) -> None:
        """Take up the slot after a wait, or queue for a new one.

        It queues if the slot was lent, or if the limit fell below the slots in use.
        """
        if self._held and self._limiter.is_over():
            self._give_back()
        if self._held:
            self._limiter.sends_again()
        else:
            await self._limiter.acquire_again()
            self._held = True
            if self._is_lent:
                self._end_loan()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_lent:
            self._end_loan()
        if self._held:
            self._give_back()

    def _end_loan(self) -> None:
        self._is_lent = False
        self._limiter.note_lent(-1)

    def _give_back(self) -> None:
        self._held = False
        self._limiter.release()


class Overload:
    """Requests sent and failed by limit: whether they fail because too many are under way.

    An endpoint that is asked too much refuses more the more is under way. One that refuses now and
    then for reasons of its own refuses as often whatever is under way: to ask less there only costs
    time. So failures are compared with the limit under which their requests were sent. If the
    failed requests were sent under higher limits than the others, less would help, and they are
    called overload. The measure is the distance of the two by chance alone (the rank-sum test of
    Wilcoxon, 1945, and of Mann and Whitney, 1947, with ties).

    Three things make it hold in practice:

    - A verdict keeps the benefit of the doubt. As long as failures are held for overload, one
      standard error suffices; once they are not, it takes three.
    - Only limits up to twice the present one are looked at. That far more is too much says nothing
      of the present one.
    - If some 5 of the last 20 requests failed, that is overload whatever the limits say: under a
      limit that stayed the same there is nothing to compare, and a used-up window refuses all.
    """

    def __init__(self) -> None:
        self.is_believed = True
        """Whether failures are held for overload, as long as nothing else is known."""
        self._sent: defaultdict[int, float] = defaultdict(float)
        self._failed: defaultdict[int, float] = defaultdict(float)
        self._recently_failed = 0.0
        self._fades_in = _FADES_EVERY

    def sent(self, limit: int) -> None:
        """Take note that a request is sent under a limit."""
        self._sent[_step(limit)] += 1
        self._recently_failed *= 1 - 1 / _RECENT
        self._fades_in -= 1
        if self._fades_in == 0:
            self._fades_in = _FADES_EVERY
            for counts in (self._sent, self._failed):
                for step in counts:
                    counts[step] *= _FADES_TO

    def failed(self, limit: int) -> None:
        """Take note that a request failed that was sent under a limit."""
        self._failed[_step(limit)] += 1
        self._recently_failed += 1

    def judge(self, limit: int) -> bool | None:
        """Return whether the failures under a limit are overload; None if too little is known."""
        if self._recently_failed >= _FLOOD:
            self._recently_failed *= _FLOOD_TAKEN_IN
            self.is_believed = True
            return True
        apart = self._apart(_step(2 * limit))
        if apart is None:
            return None
        self.is_believed = apart > (_SUSPECTED if self.is_believed else _PROVED)
        return self.is_believed

    def _apart(self, highest: int) -> float | None:
        """Return the distance of failed requests from all that were sent, in standard errors."""
        counts = [
            (self._sent[step], self._failed[step]) for step in sorted(self._sent) if step <= highest
        ]
        sent, failed = (sum(column) for column in zip(*counts, strict=True))
        if failed < _LEAST_FAILED:
            return None
        below = rank = ties = 0.0
        for here, failed_here in counts:
            rank += failed_here * ((below + here / 2) / sent - 0.5)
            ties += (here / sent) ** 3
            below += here
        share = min(failed / sent, 0.9)  # what is sent last has not all come back
        spread = failed * (1 - ties) / 12 * (1 - share)
        return rank / math.sqrt(spread) if spread > 1e-9 else 0.0


def _step(limit: int) -> int:
    return round(_STEPS * math.log2(limit))
