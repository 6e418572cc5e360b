"""Events as lines: all of them, or warnings only; and the current rate of the work."""

import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned

_EVERY_S = 10.0
"""Time between two lines of progress."""
_RATE_WINDOW_S = 30.0
_RATE_EVERY_S = 0.5


class QuietLines:
    """Warnings only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def listen(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Warned):
            write_warning(self._stream, event)
        elif isinstance(event, Concluded) and event.is_warning:
            write_warning(self._stream, Warned(stage=event.stage, text=event.headline))

    def close(self) -> None:
        """Do nothing: lines leave the terminal as it is."""


class PlainLines:
    """A line every 10 s, and one for everything worth it."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._total: int | None = None
        self._last = clock()
        self._rate = RecentRate(self._last)

    def listen(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Began():
                self._total = event.total
                self._last = self._clock()
                self._rate = RecentRate(self._last)
                if event.text:
                    self._write(f"{event.stage}: {event.text}")
            case Moved():
                now = self._clock()
                rate = self._rate.update(now, event.done - event.already)
                if now - self._last >= _EVERY_S:
                    self._last = now
                    self._write(f"{event.stage}: {progress_line(event, self._total, rate)}")
            case Warned():
                write_warning(self._stream, event)
            case Noticed() | Ended():
                self._write(f"{event.stage}: {event.text}")
            case Concluded():
                for line in screen_lines(event):
                    self._write(line)

    def close(self) -> None:
        """Do nothing: lines leave the terminal as it is."""

    def _write(self, text: str) -> None:
        self._stream.write(visible(text) + "\n")
        self._stream.flush()


def progress_line(event: Moved, total: int | None, rate: float | None) -> str:
    """Return one line: done of total, rows by status and kind of error, rate, limit, cost, time left.

    Args:
        event: Progress of the work.
        total: Units of the whole.
        rate: Units a second; None if it is not known yet.
    """
    done = f"{event.done:,}/{total:,}" if total is not None else f"{event.done:,}"
    parts = [done, *(f"{status} {n:,}" for status, n in event.counts.items() if n)]
    if event.kinds:
        parts[-1] += f" ({', '.join(f'{kind} {n:,}' for kind, n in event.kinds.items())})"
    if rate is not None:
        parts.append(f"{rate:.3g}/s" if rate < 100 else f"{rate:,.0f}/s")
    if event.limit is not None:
        parts.append(f"limit {event.limit}")
    if event.note:
        parts.append(event.note)
    if event.cost_usd is not None or event.max_cost_usd is not None:
        of = f"/{event.max_cost_usd:,.2f}" if event.max_cost_usd is not None else ""
        parts.append(f"USD {event.cost_usd or 0:,.2f}{of}")
    if rate is not None and total is not None and total > event.done:
        parts.append(f"{_duration((total - event.done) / rate)} left")
    return " · ".join(parts)


def write_warning(stream: TextIO, event: Warned) -> None:
    """Write a warning, and its hint on the next line."""
    stream.write(f"warning: {visible(event.text)}\n")
    if event.hint:
        stream.write(f"  hint: {visible(event.hint)}\n")
    stream.flush()


def screen_lines(event: Concluded) -> list[str]:
    """Return the lines of a verdict, with an empty one around them."""
    return ["", event.headline, *(["", *event.lines] if event.lines else []), ""]


def visible(text: str) -> str:
    """Make a foreign text one line, controls shown."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return (
        f"{minutes} min {rest:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


class RecentRate:
    """Rate over the last half minute, which soon forgets a slow start or a pause.

    Args:
        now: Monotonic time in seconds at which the work begins.
    """

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def update(self, now: float, done: int) -> float | None:
        """Note the units done since the beginning, and return the rate; None if unknown."""
        if now - self._seen[-1][0] >= _RATE_EVERY_S:
            self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _RATE_WINDOW_S:
            self._seen.popleft()
        began, before = self._seen[0]
        elapsed = now - began
        return (done - before) / elapsed if elapsed > 0 and done > before else None
