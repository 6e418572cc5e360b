"""The circuit breaker of an endpoint: rest, probes, and giving it up in the end."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.retry import SILENCE
from lm_eval_so.errors import BackendError, ErrorKind

_FAILURES = 10
_ROWS = 3
_WAITS_S = (15.0, 30.0, 60.0)
"""Waits before each probe; if the last one fails, too, the endpoint is gone."""


class Timing(Protocol):
    """Time, and the user who may stop it."""

    @property
    def clock(self) -> Clock:
        """Monotonic time in seconds."""
        ...

    @property
    def stop(self) -> asyncio.Event:
        """Set when the user stops it."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until the user stops it."""
        ...


class Breaker:
    """Circuit breaker: opens on failures only, then lets one probe at a time through.

    Ten attempts in a row of at least three rows open it; anything that the endpoint does answer,
    if only with a refusal, closes it.

    Args:
        label: Name of the endpoint for people.
        timing: Time, and the user who may stop it.
        tell: Function that takes texts for people.
    """

    def __init__(self, label: str, timing: Timing, *, tell: Callable[[str], None]) -> None:
        self.is_open = False
        self._label = label
        self._clock = timing.clock
        self._pause = timing.pause
        self._stop = timing.stop
        self._tell = tell
        self._failures = 0
        self._rows: set[tuple[str, int]] = set()
        self._opened_at = self._probe_at = 0.0
        self._probes = 0
        self._is_probing = False
        self._news = asyncio.Event()
        self._kind, self._last = ErrorKind.CONNECTION, ""

    async def wait(self) -> bool:
        """Wait until a request may be sent again, or the user stops it.

        Returns:
            Whether the request is the probe; then it must be `withdrawn` when its outcome is known,
            or if it was not sent.

        Raises:
            BackendError: If the last probe failed, too.
        """
        while self.is_open and not self._stop.is_set():
            if self._probes == len(_WAITS_S):
                raise self._gone()
            if self._is_probing:
                await self._news.wait()
                continue
            self._is_probing = True
            try:
                await self._pause(self._probe_at - self._clock())
            except asyncio.CancelledError:
                self.withdrawn()
                raise
            return True
        return False

    def answered(self) -> None:
        """Take note that the endpoint is there."""
        if not self._failures:
            return
        self._failures = 0
        self._rows.clear()
        if self.is_open:
            self.is_open = False
            self._probes = 0
            self._tell(f"{self._label} answers again")
            self.withdrawn()

    def failed(self, error: BackendError, row: tuple[str, int], *, is_probe: bool) -> None:
        """Take note of an attempt that failed; `row` is the sample and its repeat."""
        if error.kind not in SILENCE:
            self.answered()
            return
        self._kind, self._last = error.kind, str(error.http_status or error.kind)
        self._failures += 1
        if self.is_open:
            if is_probe:
                self._probes += 1
                self._set_probe()
            return
        self._rows.add(row)
        if self._failures >= _FAILURES and len(self._rows) >= _ROWS:
            self.is_open = True
            self._opened_at = self._clock()
            self._set_probe()
            text = f"{self._label} has failed {self._failures} times in a row (last: {self._last})"
            self._tell(f"{text}; trying again in {_WAITS_S[0]:g} s")

    def withdrawn(self) -> None:
        """Take note that the probe is over: another may be it, and all who wait look again."""
        self._is_probing = False
        self._news.set()
        self._news = asyncio.Event()

    def _set_probe(self) -> None:
        if self._probes < len(_WAITS_S):
            self._probe_at = self._clock() + _WAITS_S[self._probes]

    def _gone(self) -> BackendError:
        seconds = f"{self._clock() - self._opened_at:,.0f}"
        what = f"{self._label} has not answered for {seconds} s (last: {self._last})"
        return BackendError(self._kind, what, retryable=False)
