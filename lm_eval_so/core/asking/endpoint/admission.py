"""Admission to one endpoint: its limit, pace and circuit breaker, and the budget of the run."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from lm_eval_so.core.asking.asker import Answer, Clock
from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.asking.cost.cost_estimate import Bound, bound_of
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.endpoint.circuit_breaker import Breaker, Timing
from lm_eval_so.core.asking.endpoint.limiter import Limiter, Slot
from lm_eval_so.core.asking.retry import Refusals, is_refusal
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.files import free_files, is_out_of_files
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind

__all__ = ["FREE", "Endpoint", "Endpoints", "Gate", "Pace", "Pass", "Slot", "Timing"]

_NO_BOUND = Bound(input_tokens=0, output_tokens=0)
_MINUTE_S = 60.0


class Pace:
    """Times for requests, spaced so evenly that no window holds more than is allowed.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_set = False
        """Whether there is a limit, so that requests have to wait for their time."""
        self.share = 1.0
        """Share of the limits that this process may use, 0 < share ≤ 1."""
        self._clock = clock
        self._request_s = 0.0
        self._token_s = 0.0
        self._requests_from = self._tokens_from = float("-inf")

    def limit(self, *, requests_per_s: float | None, tokens_per_min: float | None) -> None:
        """Set the limits; of several, the lowest holds."""
        if requests_per_s is not None:
            self._request_s = max(self._request_s, 1 / requests_per_s)
        if tokens_per_min is not None:
            self._token_s = max(self._token_s, _MINUTE_S / tokens_per_min)
        self.is_set = bool(self._request_s or self._token_s)

    async def wait(self, tokens: int, timing: Timing) -> None:
        """Wait until a request may be sent, or the user stops it.

        Args:
            tokens: Most tokens of the request, input and output.
            timing: Time, and the user who may stop it.
        """
        await timing.pause(self.wait_s(tokens))

    def refused(self, retry_after_s: float | None) -> None:
        """Take note that the endpoint was asked too much; in one process that is up to the limiter.

        Args:
            retry_after_s: Seconds that it asks to wait; None if it does not say.
        """

    def wait_s(self, tokens: int) -> float:
        """Take the next time for a request, and return the wait until then, in seconds.

        Args:
            tokens: Most tokens of the request, input and output.
        """
        now = self._clock()
        at = max(now, self._requests_from, self._tokens_from)
        self._requests_from = at + self._request_s / self.share
        self._tokens_from = at + tokens * self._token_s / self.share
        return at - now

    def ahead_s(self) -> float:
        """Return the seconds until the next time that nobody has taken; < 0 if it has passed."""
        return max(self._requests_from, self._tokens_from) - self._clock()

    def give_back(self, tokens: int) -> None:
        """Return tokens that a request did not take, so that the next go earlier; < 0: later."""
        self._tokens_from -= tokens * self._token_s / self.share


class Endpoint:
    """One endpoint, shared by all who ask it.

    Args:
        label: Name of it for people.
        most: Most requests under way, ≥ 1.
        timing: Time, and the user who may stop it.
        redactor: Takes secrets out of error texts.
        tell: Function that takes texts for people.
    """

    def __init__(
        self,
        label: str,
        most: int,
        timing: Timing,
        redactor: Redactor,
        tell: Callable[[str], None],
    ) -> None:
        self.limiter = Limiter(most)
        self.breaker = Breaker(label, timing, tell=tell)
        self.pace = Pace(timing.clock)
        self.refusals = Refusals(redactor)
        self.timing = timing
        self._has_failed = False

    def answered(self, slot: Slot, *, now: float) -> None:
        """Take note of an answer to what was sent in a slot, at a monotonic time in seconds."""
        self.limiter.answered(slot, now)
        if self._has_failed:
            self._has_failed = False
            self.breaker.answered()
            self.refusals.answered()

    def failed(
        self, error: BackendError, row: tuple[str, int], slot: Slot, *, now: float, probe: bool
    ) -> str:
        """Take note of a failed attempt, and return a text about the limit for people, or "".

        Args:
            error: Error of the attempt.
            row: Sample and repeat.
            slot: Slot in which it was sent.
            now: Monotonic time in seconds.
            probe: Whether the attempt was the breaker's probe.
        """
        if is_out_of_files(error):  # one less under way is one that fits; no fault of the endpoint
            self.limiter.narrow(max(1, self.limiter.limit - 1))
            return ""
        self._has_failed = True
        told = self._tell_limiter(error, slot, now)
        self.breaker.failed(error, row, is_probe=probe)
        return told

    def _tell_limiter(self, error: BackendError, slot: Slot, now: float) -> str:
        if not is_refusal(error):
            is_slow = error.kind is ErrorKind.TIMEOUT and error.http_status is None
            if is_slow or (error.http_status or 0) >= 500:
                self.limiter.failed(slot, now, "timeout" if is_slow else "server")
            return ""
        self.pace.refused(error.retry_after_s)
        before = self.limiter.limit
        self.limiter.failed(slot, now, "busy" if error.http_status == 503 else "rate_limit")
        if self.limiter.limit >= before:
            return ""
        text = f"rate limited: now {self.limiter.limit} at once (was {before})"
        if error.retry_after_s is not None:
            text += f"; the server asks to wait {error.retry_after_s:.3g} s"
        return text


class Endpoints:
    """Endpoints of a process by limiter key, so that runner and judges share them.

    Args:
        make_pace: Function that makes the pace of an endpoint of a clock.
    """

    def __init__(self, make_pace: Callable[[Clock], Pace] = Pace) -> None:
        self._make_pace = make_pace
        self.free_files = free_files()
        """Files that may be opened for requests; None without a bound."""
        self._by_key: dict[str, Endpoint] = {}

    def get(self, key: str, make: Callable[[], Endpoint]) -> Endpoint:
        """Return an endpoint; the first call for its key makes it."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = make()
            found.pace = self._make_pace(found.timing.clock)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Share of budget and pace that is set aside for an attempt."""

    bound: Bound = _NO_BOUND
    is_probe: bool = False
    """Whether the breaker is open, and waits for the outcome of this attempt alone."""


FREE = Pass()
"""Pass of an attempt where there is nothing to wait for."""


class Gate:
    """Passes for the attempts of one asker.

    Args:
        endpoint: Endpoint, shared with others.
        backend: Backend that is asked there.
        budget: Budget of the run.
    """

    def __init__(self, endpoint: Endpoint, backend: ChatBackend, budget: Budget) -> None:
        self._breaker, self._pace = endpoint.breaker, endpoint.pace
        self._timing = endpoint.timing
        self._budget = budget
        self._rates = known_rates(backend)

    def is_free(self) -> bool:
        """Return whether there is nothing to wait for, and nothing to set aside."""
        return not (self._breaker.is_open or self._pace.is_set or self._budget.is_limited)

    async def enter(self, request: ChatRequest) -> Pass:
        """Wait until an attempt may be sent, or the user stops it, and set aside its share.

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
        """Settle an attempt: by its cost and tokens, or by all of its share if they are not told.

        Args:
            held: Share that was set aside.
            answer: Answer; None if the attempt failed, which costs nothing.
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
        """Wait for breaker and pace; return whether this attempt is the breaker's probe."""
        while True:
            is_probe = self._breaker.is_open and await self._breaker.wait()
            try:
                if self._pace.is_set:
                    tokens = bound.input_tokens + bound.output_tokens
                    await self._pace.wait(tokens, self._timing)
            except BaseException:
                if is_probe:
                    self._breaker.withdrawn()
                raise
            # it may have opened while this one waited for its time
            if is_probe or not self._breaker.is_open or self._timing.stop.is_set():
                return is_probe


def _tokens(answer: Answer, bound: Bound) -> int:
    used = answer.usage
    given = bound.input_tokens if used.input_tokens is None else used.input_tokens
    said = bound.output_tokens if used.output_tokens is None else used.output_tokens
    return given + said
