"""How fast an endpoint is asked, where the config says so: requests a second, tokens a minute."""

from lm_eval_so.core.asking.asker import Clock

_MINUTE_S = 60.0


class Pace:
    """Gives each request its time, spaced so evenly that no window holds more than is allowed.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_set = False
        """Whether there is a limit, so that requests have to wait for their time."""
        self._clock = clock
        self._request_s = 0.0
        self._token_s = 0.0
        self._requests_from = self._tokens_from = float("-inf")

    def limit(self, *, requests_per_s: float | None, tokens_per_min: float | None) -> None:
        """Set the limits; the lowest that anybody asked for hold."""
        if requests_per_s is not None:
            self._request_s = max(self._request_s, 1 / requests_per_s)
        if tokens_per_min is not None:
            self._token_s = max(self._token_s, _MINUTE_S / tokens_per_min)
        self.is_set = bool(self._request_s or self._token_s)

    def wait_s(self, tokens: int) -> float:
        """Take the next time for a request, and give how long it has to wait for it, in seconds.

        Args:
            tokens: What it may take, input and output.
        """
        now = self._clock()
        at = max(now, self._requests_from, self._tokens_from)
        self._requests_from = at + self._request_s
        self._tokens_from = at + tokens * self._token_s
        return at - now

    def give_back(self, tokens: int) -> None:
        """Let the next ones go earlier by what a request did not take; less than 0: later."""
        self._tokens_from -= tokens * self._token_s
