"""What all who ask one endpoint share besides its limit: when it is left alone, and how fast it is asked."""

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval_so.core.asking.breaker import Breaker
from lm_eval_so.core.asking.pace import Pace
from lm_eval_so.core.asking.refusals import Refusals


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
        """Give an endpoint; it is made when it is asked for first."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = make()
        return found
