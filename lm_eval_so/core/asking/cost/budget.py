"""The budget of a run: money, requests and time, reserved before a request and settled after."""

import asyncio
import math
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BudgetSpent

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The limit that was reached first."""

    by: Literal["max_cost_usd", "max_requests", "max_time_s"]
    """Key of `run`."""
    at: float
    """Amount that was spent."""
    of: float
    """The limit."""

    def __str__(self) -> str:
        match self.by:
            case "max_cost_usd":
                return f"USD {_usd(self.at, self.of)} of {_usd(self.of, self.of)}"
            case "max_requests":
                return f"{self.at:,.0f} of {counted(round(self.of), 'request')}"
            case "max_time_s":
                return f"{self.of:,.7g} s"


class Budget:
    """One budget of a process, so that judges and simulated users draw on the chatbot's.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.is_limited = False
        """Whether there is a limit, so that requests have to ask."""
        self.requests = 0
        """Requests sent, attempts included."""
        self.under_way = 0
        """Requests that are reserved and not settled."""
        self.spent: Spent | None = None
        """The limit that kept a request from being sent; None as long as there is enough."""
        self._clock = clock
        self._most_usd: Decimal | None = None
        self._most_requests: int | None = None
        self._most_s: float | None = None
        self._ends_at = self._cut_at = math.inf
        self._usd = _NOTHING
        self._counted: set[str] = set()
        self._reserved = _NOTHING
        self._news = asyncio.Event()

    @property
    def max_usd(self) -> float | None:
        """The most that may be spent, in US dollars, so that every request needs a price."""
        return None if self._most_usd is None else float(self._most_usd)

    def limit(self, run: RunSection) -> None:
        """Set the limits of a config; the time starts with the first call."""
        if self.is_limited:
            return
        if run.max_cost_usd is not None:
            self._most_usd = Decimal(str(run.max_cost_usd))
        self._most_requests, self._most_s = run.max_requests, run.max_time_s
        if self._most_s is not None:
            self._ends_at = self._clock() + self._most_s
            self._cut_at = self._ends_at + run.drain_s
        self.is_limited = (self._most_usd, self._most_requests, self._most_s) != (None, None, None)

    def add(self, usd: float | None, *, requests: int = 0, by: str | None = None) -> None:
        """Count the spending of an earlier invocation of the same run.

        Args:
            usd: Amount in US dollars.
            requests: Requests sent, attempts included.
            by: Name of the run; its earlier spending counts once, however often this process begins it.
        """
        if by is not None and by in self._counted:
            return
        self._counted.update([by] if by is not None else [])
        self._usd += Decimal(str(usd or 0))
        self.requests += requests

    def left_s(self) -> float:
        """Return the seconds in which something may still be sent."""
        return self._ends_at - self._clock()

    def cut_s(self) -> float:
        """Return the seconds until requests under way are cut off: `run.drain_s` after the end."""
        return self._cut_at - self._clock()

    async def reserve(self, usd: Decimal) -> None:
        """Reserve a request and its money, or wait for others to release theirs.

        Args:
            usd: Most that the request may cost.

        Raises:
            BudgetSpent: If there is not enough, whatever others release.
        """
        while not self.take(usd):
            await self._news.wait()

    def has_room(self, usd: Decimal) -> bool:
        """Return whether this much money is left beside what others have reserved."""
        return self._most_usd is None or self._usd + self._reserved + usd <= self._most_usd

    def take(self, usd: Decimal) -> bool:
        """Reserve like `reserve`, but return False where that waits."""
        self._refuse_if_spent(usd)
        if not self.has_room(usd):
            return False
        self._reserved += usd
        self.requests += 1
        self.under_way += 1
        return True

    def settle(self, reserved: Decimal, usd: Decimal) -> None:
        """Release the reserve of a request, and count its cost."""
        self._reserved -= reserved
        self._usd += usd
        self.under_way -= 1
        if self._most_usd is not None:
            self._news.set()
            self._news = asyncio.Event()

    def out_of_time(self) -> BudgetSpent:
        """Return the error of a request that was cut off, or never sent, because time is up."""
        assert self._most_s is not None  # noqa: S101 - else nothing is ever cut off
        return self.end(Spent(by="max_time_s", at=round(self._most_s, 3), of=self._most_s))

    def end(self, spent: Spent) -> BudgetSpent:
        """Note the limit that was reached, and return the error of a request that it keeps back."""
        self.spent = self.spent or spent
        what = f"the budget is spent: {self.spent} (run.{self.spent.by})"
        return BudgetSpent(what, hint=f"raise run.{self.spent.by}, then run again to go on")

    def _refuse_if_spent(self, usd: Decimal) -> None:
        if self._most_requests is not None and self.requests >= self._most_requests:
            at, of = float(self.requests), float(self._most_requests)
            raise self.end(Spent(by="max_requests", at=at, of=of))
        if self._most_usd is not None and self._usd + usd > self._most_usd:
            at, of = float(round(self._usd, 10)), float(self._most_usd)
            raise self.end(Spent(by="max_cost_usd", at=at, of=of))
        if self.left_s() <= 0:
            raise self.out_of_time()


def _usd(amount: float, limit: float) -> str:
    """Write an amount of dollars as finely as its limit: cents, or 4 digits of less than one."""
    if limit >= 1:
        return f"{amount:,.2f}"
    return f"{amount:.{3 - math.floor(math.log10(limit))}f}"
