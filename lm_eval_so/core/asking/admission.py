"""What every attempt passes before it is sent: breaker, pace and budget."""

from dataclasses import dataclass
from decimal import Decimal

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cost.estimate import Bound, bound_of
from lm_eval_so.core.asking.cost.prices import Rates
from lm_eval_so.core.asking.endpoint.shared import Endpoint
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.records.chat import ChatRequest

_NO_BOUND = Bound(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What was set aside for an attempt."""

    bound: Bound = _NO_BOUND
    is_probe: bool = False
    """Whether the breaker is open, and waits for the outcome of this attempt alone."""


FREE = Pass()
"""The pass of an attempt where there is nothing to wait for."""


class Gate:
    """The gate of one backend.

    Args:
        endpoint: Breaker and pace, shared with others.
        resources: Budget, stop event, clock.
        rates: What the model charges; None if that is not known.
    """

    def __init__(self, endpoint: Endpoint, resources: Resources, rates: Rates | None) -> None:
        self._breaker, self._pace = endpoint.breaker, endpoint.pace
        self._resources = resources
        self._budget = resources.budget
        self._rates = rates

    def is_free(self) -> bool:
        """Return whether there is nothing to wait for, and nothing to set aside."""
        return not (self._breaker.is_open or self._pace.is_set or self._budget.is_limited)

    async def enter(self, request: ChatRequest) -> Pass:
        """Wait until an attempt may be sent, or the user stops it, and set aside what it may take.

        Raises:
            BackendError: If the endpoint is given up.
            BudgetSpent: If the budget does not suffice.
        """
        bound = _NO_BOUND
        if self._pace.is_set or self._budget.max_usd is not None:
            bound = bound_of(request, self._rates)
        is_probe = False
        try:
            is_probe = await self._wait(bound)
            await self._budget.reserve(bound.usd)
        except BaseException:
            if is_probe:
                self._breaker.withdrawn()
            raise
        return Pass(bound=bound, is_probe=is_probe)

    def leave(self, held: Pass, answer: Answer | None) -> None:
        """Settle an attempt by what it took: all that was set aside if that is not told.

        Args:
            held: What was set aside.
            answer: What it came to; None if it failed, which costs nothing.
        """
        if held.is_probe:
            self._breaker.withdrawn()
        usd, tokens = Decimal(0), 0
        if answer is not None and answer.response is not None:
            usd = held.bound.usd if answer.cost_usd is None else Decimal(str(answer.cost_usd))
            tokens = _tokens(answer, held.bound)
        self._budget.settle(held.bound.usd, usd)
        self._pace.give_back(held.bound.input_tokens + held.bound.output_tokens - tokens)

    async def _wait(self, bound: Bound) -> bool:
        """Wait for breaker and pace; tell whether this is the breaker's probe."""
        while True:
            is_probe = self._breaker.is_open and await self._breaker.wait()
            try:
                if self._pace.is_set:
                    seconds = self._pace.wait_s(bound.input_tokens + bound.output_tokens)
                    await self._resources.pause(seconds)
            except BaseException:
                if is_probe:
                    self._breaker.withdrawn()
                raise
            # it may have opened while this one waited for its time
            if is_probe or not self._breaker.is_open or self._resources.stop.is_set():
                return is_probe


def _tokens(answer: Answer, bound: Bound) -> int:
    used = answer.usage
    given = bound.input_tokens if used.input_tokens is None else used.input_tokens
    said = bound.output_tokens if used.output_tokens is None else used.output_tokens
    return given + said
