"""The limiters of a process."""

from lm_eval_so.core.asking.limiter import Limiter


class Limiters:
    """The limiters of a process by endpoint, so that runner and judges share them."""

    def __init__(self) -> None:
        self._by_key: dict[str, Limiter] = {}

    def get(self, key: str, most: int) -> Limiter:
        """Give the limiter of an endpoint; the lowest upper bound that was asked for holds."""
        limiter = self._by_key.setdefault(key, Limiter(most))
        limiter.narrow(most)
        return limiter
