"""What all who ask one endpoint share besides its limit: when it is left alone, and how fast it is asked."""

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval_so.core.asking.endpoint.circuit_breaker import Breaker
from lm_eval_so.core.asking.endpoint.limiter import Limiter
from lm_eval_so.core.asking.endpoint.pace import Pace
from lm_eval_so.core.asking.endpoint.refusals import Refusals
from lm_eval_so.core.files import free_files


class Limiters:
    """The limiters of a process by endpoint, so that runner and judges share them."""

    def __init__(self) -> None:
        self.free_files = free_files()
        """Files that may be opened for requests; None without a bound."""
        self._by_key: dict[str, Limiter] = {}
        self._most: dict[str, int] = {}

    def get(self, key: str, most: int) -> Limiter:
        """Return the limiter of an endpoint; the lowest upper bound that was asked for holds."""
        limiter = self._by_key.setdefault(key, Limiter(most))
        limiter.narrow(most)
        self._most[key] = min(most, self._most.get(key, most))
        return limiter

    def is_news(self, key: str, most: int) -> bool:
        """Return whether an upper bound is lower than any before it."""
        return most < self._most[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint, as its limiter's key names it."""

    breaker: Breaker
    pace: Pace
    refusals: Refusals


class Endpoints:
    """The endpoints of a process by limiter key, so that runner and judges share them."""

    def __init__(self) -> None:
        self._by_key: dict[str, Endpoint] = {}

    def get(self, key: str, make: Callable[[], Endpoint]) -> Endpoint:
        """Return an endpoint; it is made when it is asked for first."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = make()
        return found
