"""The limiters of a process."""

from lm_eval_so.core.asking.limiter import Limiter
from lm_eval_so.core.descriptors import free_files


class Limiters:
    """The limiters of a process by endpoint, so that runner and judges share them."""

    def __init__(self) -> None:
        self.free_files = free_files()
        """Files that may be opened for requests; None without a bound."""
        self._by_key: dict[str, Limiter] = {}
        self._most: dict[str, int] = {}

    def get(self, key: str, most: int) -> Limiter:
        """Give the limiter of an endpoint; the lowest upper bound that was asked for holds."""
        limiter = self._by_key.setdefault(key, Limiter(most))
        limiter.narrow(most)
        self._most[key] = min(most, self._most.get(key, most))
        return limiter

    def is_news(self, key: str, most: int) -> bool:
        """Whether an upper bound is lower than any before it."""
        return most < self._most[key]
