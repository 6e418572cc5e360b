"""Limits that several processes share, on both sides: leases of the rate, slices of the budget."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.cost.budget import Budget, Spent
from lm_eval_so.core.asking.endpoint.admission import Endpoints, Pace, Timing
from lm_eval_so.core.clock import wait_for
from lm_eval_so.core.config.model import RunSection

Limit = Literal["max_cost_usd", "max_requests"]
MONEY: Limit = "max_cost_usd"
REQUESTS: Limit = "max_requests"
LEASE_S = 1.0
"""Seconds in which a worker may use its share of the rate."""
_LOOK_S = 0.1
"""Seconds between two looks, and those for which times of requests are taken in advance."""
_SLICES = 8
"""Slices a worker that are made of what is left of a budget."""
_GRAIN = Decimal("0.000001")
"""A slice is a multiple of it, so that no sum is rounded."""


class Shares:
    """Shares of the rates of a run; those that are valid at one time never make more than the whole."""

    def __init__(self) -> None:
        self._given: dict[str, list[tuple[float, float]]] = {}

    def lease(self, worker: str, now: float) -> float:
        """Return the worker's share for the next second, 0 ≤ share ≤ 1.

        An earlier share of it may still be in use, so the larger one counts until its end.
        """
        for name, shares in list(self._given.items()):
            self._given[name] = [(share, end) for share, end in shares if end > now]
            if not self._given[name] and name != worker:
                del self._given[name]
        own = self._given.setdefault(worker, [])
        others = [shares for name, shares in self._given.items() if name != worker]
        free = 1.0 - sum(max(share for share, _ in shares) for shares in others)
        share = max(0.0, min(1.0 / (len(others) + 1), free))
        own.append((share, now + LEASE_S))
        return share


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
            An amount of at least `need`; 0 if others may give back theirs; None if nobody can.
        """
        if self._left < need:
            others = any(held > 0 for name, held in self._held.items() if name != worker)
            return Decimal(0) if others else None
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
        self._until = self._paused_until = float("-inf")

    def take(self, share: float, *, pause_s: float, asked_at: float) -> None:
        """Take a lease that was asked for at a monotonic time in seconds."""
        self.share, self._until = share, asked_at + LEASE_S
        self.pause(pause_s, now=asked_at)

    def pause(self, seconds: float, *, now: float) -> None:
        """Send nothing for some seconds."""
        self._paused_until = max(self._paused_until, now + seconds)

    def closed_s(self, now: float, *, needs_share: bool) -> float:
        """Return the seconds until something may be sent, as far as is known; ≤ 0: now."""
        if now >= self._until or (needs_share and self.share <= 0):
            return max(_LOOK_S, self._paused_until - now)
        return self._paused_until - now


class SharedPace(Pace):
    """The pace of an endpoint at one worker: its share of the limits, under the lease that it has.

    Args:
        clock: Monotonic time in seconds.
        allowance: Lease of the worker.
        refuse: Function that is told what the endpoint asks to wait, in seconds.
    """

    def __init__(self, clock: Clock, allowance: Allowance, refuse: Callable[[float], None]) -> None:
        super().__init__(clock)
        self._now, self._allowance, self._refuse = clock, allowance, refuse
        self._turn = asyncio.Lock()
        self._has_limits = False

    def limit(self, *, requests_per_s: float | None, tokens_per_min: float | None) -> None:
        """Set the limits of the whole run; without any, pauses and the lease hold all the same."""
        super().limit(requests_per_s=requests_per_s, tokens_per_min=tokens_per_min)
        self._has_limits, self.is_set = self.is_set, True

    async def wait(self, tokens: int, timing: Timing) -> None:
        """Wait as `Pace.wait`; times are taken shortly before they come, since the share changes."""
        async with self._turn:
            while not timing.stop.is_set():
                closed_s = self._allowance.closed_s(self._now(), needs_share=self._has_limits)
                wait_s = max(closed_s, self.ahead_s() - _LOOK_S)
                if wait_s <= 0:
                    break
                await wait_for(wait_s, timing.stop)
            self.share = self._allowance.share or 1.0
            seconds = self.wait_s(tokens)
        await timing.pause(seconds)

    def refused(self, retry_after_s: float | None) -> None:
        """Have all workers wait as long as the endpoint asks for."""
        if retry_after_s:
            self._refuse(retry_after_s)


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
        self._most: dict[Limit, float] = {}
        self._free: dict[Limit, Decimal] = {}
        self._spent: dict[Limit, Decimal] = {}
        self._under_way = 0

    def limit(self, run: RunSection) -> None:
        """Set the limits of a config, as for the whole run."""
        super().limit(run)
        for name, most in ((MONEY, run.max_cost_usd), (REQUESTS, run.max_requests)):
            if most is not None and name not in self._most:
                self._most[name], self._free[name], self._spent[name] = most, Decimal(0), Decimal(0)

    async def reserve(self, usd: Decimal) -> None:
        """Reserve like `Budget.reserve`, from slices of the run's budget."""
        needs: dict[Limit, Decimal] = {MONEY: usd, REQUESTS: Decimal(1)}
        async with self._turn:
            # what one limit has given may be given back while another is waited for
            while lacking := [name for name, free in self._free.items() if free < needs[name]]:
                await self._get(lacking[0], needs[lacking[0]] - self._free[lacking[0]])
            self.take(usd)
            self._under_way += 1
            for name in self._free:
                self._free[name] -= needs[name]
            if REQUESTS in self._spent:
                self._spent[REQUESTS] += 1

    def settle(self, reserved: Decimal, usd: Decimal) -> None:
        """Release the reserve of a request, and count its cost."""
        super().settle(reserved, usd)
        self._under_way -= 1
        if MONEY in self._free:
            self._free[MONEY] += reserved - usd
            self._spent[MONEY] += usd

    def account(self) -> dict[Limit, tuple[Decimal, Decimal]]:
        """Return what was spent since the last call, and what is given back.

        That is all that is free, whenever nothing is under way: so workers that wait for each
        other's slices get them.
        """
        back = dict.fromkeys(self._free, Decimal(0)) if self._under_way else self._free
        accounts = {name: (spent, back[name]) for name, spent in self._spent.items()}
        self._free = {name: free - back[name] for name, free in self._free.items()}
        self._spent = dict.fromkeys(self._spent, Decimal(0))
        return accounts

    async def _get(self, name: Limit, need: Decimal) -> None:
        given = await self._ask(name, need)
        if given is None and not self._under_way:
            raise self.end(Spent(by=name, at=self._most[name], of=self._most[name]))
        self._free[name] += given or 0
        if not given:
            await asyncio.sleep(_LOOK_S)
