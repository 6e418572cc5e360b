"""How many requests to one endpoint may be under way at once, found out by what it bears."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self


class Limiter:
    """Halves when the endpoint refuses, and recovers one by one with its successes.

    Args:
        most: Upper bound of requests under way, ≥ 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._used = 0
        self._successes = 0
        self._last_cut = float("-inf")
        self._repeats: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._limit

    def slot(self) -> "Slot":
        """Give a slot to hold while a request is asked, waits between attempts included."""
        return Slot(self)

    def narrow(self, most: int) -> None:
        """Lower the upper bound, if `most` is lower."""
        self._most = min(self._most, most)
        self._limit = min(self._limit, self._most)

    def succeeded(self, *, sent_at: float) -> None:
        """Take note of an answer to what was sent at that time on the monotonic clock."""
        if sent_at <= self._last_cut or self._limit == self._most:
            return
        self._successes += 1
        if self._successes >= self._limit:
            self._successes = 0
            self._limit += 1
            self._grant()

    def refused(self, *, sent_at: float, now: float) -> bool:
        """Take note that the endpoint is asked too much; tell whether the limit was cut.

        What was sent before the last cut cannot cut again, so that a burst cuts once.
        """
        if sent_at <= self._last_cut:
            return False
        self._last_cut, self._successes = now, 0
        self._limit = max(1, self._limit // 2)
        return True

    async def acquire(self) -> None:
        """Wait for a place under the limit and take it."""
        if self._used < self._limit and not self._repeats and not self._new:
            self._used += 1
        else:
            await self._wait(self._new)

    def release(self) -> None:
        """Give a place back; who waits for a repeat comes first."""
        self._used -= 1
        self._grant()

    def is_over(self) -> bool:
        """Whether the limit fell below the places that are taken."""
        return self._used > self._limit

    async def acquire_again(self) -> None:
        """Like `acquire`, before all that have not been sent yet."""
        await self._wait(self._repeats)

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        granted = asyncio.get_running_loop().create_future()
        queue.append(granted)
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
                self._used += 1
                granted.set_result(None)


class Slot:
    """The right to have one request under way."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._held = False

    async def __aenter__(self) -> Self:
        await self._limiter.acquire()
        self._held = True
        return self

    async def keep(self) -> None:
        """Go on with the slot, or queue for a new one if the limit fell below those in use.

        A request keeps its slot while it waits to be repeated: else fast refusals would free
        slots for more refusals.
        """
        if self._limiter.is_over():
            self._held = False
            self._limiter.release()
            await self._limiter.acquire_again()
            self._held = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._held:
            self._held = False
            self._limiter.release()


class Limiters:
    """The limiters of a process by endpoint, so that runner and judges share them."""

    def __init__(self) -> None:
        self._by_key: dict[str, Limiter] = {}

    def get(self, key: str, most: int) -> Limiter:
        """Give the limiter of an endpoint; the lowest upper bound that was asked for holds."""
        limiter = self._by_key.setdefault(key, Limiter(most))
        limiter.narrow(most)
        return limiter
