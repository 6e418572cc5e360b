"""Limits that several processes share, on both sides: leases of the rate, slices of the budget."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.cost.budget import Budget, Spent
from lm_eval_so.core.asking.endpoint.admission import Endpoints, Pace, Timing
from lm_eval_so.core.config.model import RunSection

Limit = Literal["max_cost_usd", "max_requests"]
MONEY: Limit = "max_cost_usd"
REQUESTS: Limit = "max_requests"
LEASE_S = 1.0
"""Seconds in which a worker may use its share of the rate."""
_COUNTS_S = 2 * LEASE_S
"""Seconds in which a worker counts after a lease; more than one, since the next may come late."""
_LOOK_S = 0.1
"""Seconds between two looks, and those for which times of requests are taken in advance."""
_SLICES = 8
"""Slices a worker that are made of what is left of a budget."""
_GRAIN = Decimal("0.000001")
"""A slice is a multiple of it, so that no sum is rounded."""


def limits_of(run: RunSection) -> dict[Limit, Decimal]:
    """Return the limits of the budget that a config sets."""
    most = {MONEY: run.max_cost_usd, REQUESTS: run.max_requests}
    return {name: Decimal(str(of)) for name, of in most.items() if of is not None}


class Shares:
    """Equal shares of the rates of a run; those that are valid at one time never make more than the whole.

    Who joins counts at once, but gets its share only after a lease's time: by then the others have
    shares that were made with it in the count, so that each is at most one by the number of all.
    """

    def __init__(self) -> None:
        self._members: dict[str, tuple[float, float]] = {}
        """Times from which a worker gets its share, and until which it counts; the first to go first."""

    def lease(self, worker: str, now: float) -> float:
        """Return the worker's share for the next second, 0 ≤ share ≤ 1."""
        while self._members and next(iter(self._members.values()))[1] <= now:
            del self._members[next(iter(self._members))]
        joins_at = now + LEASE_S if self._members else now
        shares_from, _ = self._members.pop(worker, (joins_at, now))
        self._members[worker] = shares_from, now + _COUNTS_S
        return 1.0 / len(self._members) if now >= shares_from else 0.0


class Slices:
    """Slices of one limit of the budget: what is spent and what is held never pass it together.

    Args:
        left: Amount that is left to spend.
    """

    def __init__(self, left: Decimal) -> None:
        self._left = left
        self._held: defaultdict[str, Decimal] = defaultdict(Decimal)

    def give(self, worker: str, need: Decimal, *, workers: int) -> Decimal | None:
        """Return a slice.

        Args:
            worker: Name of the worker.
            need: Amount that it cannot do without.
            workers: Number of workers.

        Returns:
            An amount of at least `need`; 0 if somebody may give back more; None if nobody can.
        """
        if self._left < need:
            return Decimal(0) if any(held > 0 for held in self._held.values()) else None
        amount = max(need, self._left // (_SLICES * workers * _GRAIN) * _GRAIN)
        self._left -= amount
        self._held[worker] += amount
        return amount

    def settle(self, worker: str, spent: Decimal, returned: Decimal) -> None:
        """Take note of what a worker has spent of its slices since the last time, and gives back.

        What it gives back is negative if answers cost more than was thought.
        """
        self._held[worker] -= spent + returned
        self._left += returned

    def forfeit(self, worker: str) -> None:
        """Count all that a lost worker held as spent: nobody knows what it was asking."""
        self._held.pop(worker, None)


class Allowance:
    """The lease of a worker, at which all its paces look."""

    def __init__(self) -> None:
        self.share = 0.0
        self.until = self.paused_until = float("-inf")
        """Monotonic times at which the lease and the pause end."""

    def take(self, share: float, *, pause_s: float, asked_at: float) -> None:
        """Take a lease that was asked for at a monotonic time in seconds."""
        self.share, self.until = share, asked_at + LEASE_S
        self.pause(pause_s, now=asked_at)

    def pause(self, seconds: float, *, now: float) -> None:
        """Send nothing for some seconds."""
        self.paused_until = max(self.paused_until, now + seconds)


class SharedPace(Pace):
    """The pace of an endpoint at one worker: its share of the limits, under the lease that it has.

    Args:
        clock: Monotonic time in seconds.
        allowance: Lease of the worker.
        refuse: Function that is told what the endpoint asks to wait, in seconds.
    """

    def __init__(self, clock: Clock, allowance: Allowance, refuse: Callable[[float], None]) -> None:
        super().__init__(clock)
        self._allowance, self._refuse = allowance, refuse
        self._turn = asyncio.Lock()
        self._has_limits = False

    def limit(self, *, requests_per_s: float | None, tokens_per_min: float | None) -> None:
        """Set the limits of the whole run; without any, pauses and the lease hold all the same."""
        super().limit(requests_per_s=requests_per_s, tokens_per_min=tokens_per_min)
        self._has_limits, self.is_set = self.is_set, True

    async def wait(self, tokens: int, timing: Timing) -> None:
        """Wait as `Pace.wait`; times are taken shortly before they come, since the share changes."""
        async with self._turn:
            while not timing.stop.is_set() and (wait_s := self._closed_s()) > 0:
                await timing.pause(wait_s)
            self.share = self._allowance.share or 1.0
            seconds = self.wait_s(tokens)
        await timing.pause(seconds)

    def refused(self, retry_after_s: float | None) -> None:
        """Have all workers wait as long as the endpoint asks for."""
        if retry_after_s:
            self._refuse(retry_after_s)

    def _closed_s(self) -> float:
        """Return the seconds until a time may be taken, as far as is known; ≤ 0: now."""
        lease, now = self._allowance, self._clock()
        has_lease = now < lease.until and (lease.share > 0 or not self._has_limits)
        return max(lease.paused_until - now, self.ahead_s() - _LOOK_S if has_lease else _LOOK_S)


def shared_endpoints(allowance: Allowance, refuse: Callable[[float], None]) -> Endpoints:
    """Return the endpoints of a worker; arguments as of `SharedPace`."""
    return Endpoints(lambda clock: SharedPace(clock, allowance, refuse))


class SharedBudget(Budget):
    """The budget of a run at one worker, which asks for slices of it.

    Args:
        ask: Function that asks for a slice: limit and need → amount, 0: not now, None: never.
    """

    def __init__(self, ask: Callable[[Limit, Decimal], Awaitable[Decimal | None]]) -> None:
        super().__init__()
        self._ask = ask
        self._turn = asyncio.Lock()
        self._most: dict[Limit, Decimal] = {}
        self._got: defaultdict[Limit, Decimal] = defaultdict(Decimal)
        """Slices so far, without what was given back."""
        self._told: defaultdict[Limit, Decimal] = defaultdict(Decimal)
        """Spending that `account` has told."""

    def limit(self, run: RunSection) -> None:
        """Set the limits of a config, as for the whole run."""
        super().limit(run)
        self._most = limits_of(run)

    async def reserve(self, usd: Decimal) -> None:
        """Reserve like `Budget.reserve`, from slices of the run's budget."""
        needs: dict[Limit, Decimal] = {MONEY: usd, REQUESTS: Decimal(1)}
        async with self._turn:
            # what one limit has given may be given back while another is waited for
            while lacking := [name for name in self._most if self._free(name) < needs[name]]:
                await self._get(lacking[0], needs[lacking[0]] - self._free(lacking[0]))
            self.take(usd)

    def account(self) -> dict[Limit, tuple[Decimal, Decimal]]:
        """Return what was spent since the last call, and what is given back.

        That is all that is free, whenever nothing is under way: so workers that wait for each
        other's slices get them.
        """
        accounts = {}
        for name in self._most:
            back = Decimal(0) if self.under_way else self._free(name)
            accounts[name] = self._spent(name) - self._told[name], back
            self._got[name] -= back
            self._told[name] = self._spent(name)
        return accounts

    def _spent(self, name: Limit) -> Decimal:
        return self._usd if name == MONEY else Decimal(self.requests)

    def _free(self, name: Limit) -> Decimal:
        reserved = self._reserved if name == MONEY else Decimal(0)
        return self._got[name] - self._spent(name) - reserved

    async def _get(self, name: Limit, need: Decimal) -> None:
        given = await self._ask(name, need)
        if given is None:
            most = float(self._most[name])
            raise self.end(Spent(by=name, at=most, of=most))
        self._got[name] += given
        if not given:
            await asyncio.sleep(_LOOK_S)
