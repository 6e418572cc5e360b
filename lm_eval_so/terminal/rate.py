"""The current rate of work, for a believable time left."""

from collections import deque

_WINDOW_S = 30.0
_EVERY_S = 0.5


class RecentRate:
    """Units a second over the last half minute: a slow start or a pause is soon forgotten.

    Args:
        now: Monotonic time in seconds at which the work begins.
    """

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def update(self, now: float, done: int) -> float | None:
        """Take note of the units done since the beginning, and give the rate; None if unknown."""
        if now - self._seen[-1][0] >= _EVERY_S:
            self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW_S:
            self._seen.popleft()
        began, before = self._seen[0]
        elapsed = now - began
        return (done - before) / elapsed if elapsed > 0 and done > before else None
