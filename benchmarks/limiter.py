"""How the limit behaves against endpoints of several kinds, simulated: no network, no waiting.

    python benchmarks/limiter.py                    all endpoints, as Markdown on stdout
    python benchmarks/limiter.py --answer-s 0.05 --seeds 3
    python benchmarks/limiter.py --only "bears 8"   endpoints whose name contains that

The rows go through what `lm-eval-so run` sends them through (workers, slots, limit, retries), on an
event loop whose time jumps to the next thing that happens. Beside it, the same rows go through a plain
client: so many workers, each of which waits 0.5·2ⁿ s after the n-th refusal of its row, or as long as
the endpoint says.

Endpoints refuse within 5 ms and answer in 0.8 to 1.2 times `--answer-s`. The share of capacity is
the least time in which the endpoint could have answered the rows, over the time that it took; where
refusals are random, the least time without them.
"""

import argparse
import asyncio
import heapq
import random
import selectors
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lm_eval_so.core.asking.endpoint.limiter import Limiter
from lm_eval_so.core.asking.retry import Policy, Tried, row_wait_s
from lm_eval_so.core.records.run import LimitChange, Retry
from lm_eval_so.core.workers import drain
from lm_eval_so.errors import BackendError, ErrorKind

POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)
REFUSES_IN_S = 0.005
SHORTEST, LONGEST = 0.8, 1.2
"""Times what an answer takes on average."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Waits of the plain client."""
ANSWER_S = 0.4


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was refused."""

    retry_after_s: float | None


Endpoint = Callable[[float, float], Refused | float]
"""Takes the time and how long an answer takes here; returns how long this one will take."""
Make = Callable[[random.Random], Endpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of endpoint, and who asks it."""

    name: str
    make: Make
    ideal_s: Callable[[int, float], float]
    """Seconds in which it could answer so many rows, if an answer takes so many seconds."""
    most: int = 64
    rows: int = 1_000


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    took_s: float = 0.0
    requests: int = 0
    refused: int = 0
    lost: int = 0
    changes: tuple[LimitChange, ...] = ()
    wants_pace: bool = False


def bears(most: int | Callable[[float], int], wait_s: float | None = None) -> Make:
    """Refuse what comes while `most` are being answered."""

    def make(_: random.Random) -> Endpoint:
        ends: list[float] = []

        def ask(now: float, takes_s: float) -> Refused | float:
            while ends and ends[0] <= now + 1e-9:
                heapq.heappop(ends)
            if len(ends) >= (most(now) if callable(most) else most):
                return Refused(wait_s)
            heapq.heappush(ends, now + takes_s)
            return takes_s

        return ask

    return make


def slows(most: int) -> Make:
    """Answer all, but beyond `most` at once in a time that grows with their square."""

    def make(_: random.Random) -> Endpoint:
        ends: list[float] = []

        def ask(now: float, takes_s: float) -> Refused | float:
            while ends and ends[0] <= now + 1e-9:
                heapq.heappop(ends)
            takes_s *= max(1.0, ((len(ends) + 1) / most) ** 2)
            heapq.heappush(ends, now + takes_s)
            return takes_s

        return ask

    return make


def meters(per_s: float, burst: float, wait_s: float | None = None) -> Make:
    """Return so many answers a second, and so many at once after a pause: a token bucket."""

    def make(_: random.Random) -> Endpoint:
        tokens, since = burst, 0.0

        def ask(now: float, takes_s: float) -> Refused | float:
            nonlocal tokens, since
            tokens, since = min(burst, tokens + (now - since) * per_s), now
            if tokens < 1 - 1e-9:
                return Refused(wait_s)
            tokens -= 1
            return takes_s

        return ask

    return make


def per_minute(most: int) -> Make:
    """Return so many answers a minute, then ask to wait for the next."""

    def make(_: random.Random) -> Endpoint:
        minute, given = -1, 0

        def ask(now: float, takes_s: float) -> Refused | float:
            nonlocal minute, given
            if int(now // 60) != minute:
                minute, given = int(now // 60), 0
            if given >= most:
                return Refused(60 - now % 60)
            given += 1
            return takes_s

        return ask

    return make


def at_random(share: float, wait_s: float | None = None, behind: Make | None = None) -> Make:
    """Refuse a share of the requests for no reason; the others go on to what is behind."""

    def make(chance: random.Random) -> Endpoint:
        rest = behind(chance) if behind else lambda _, takes_s: takes_s

        def ask(now: float, takes_s: float) -> Refused | float:
            return Refused(wait_s) if chance.random() < share else rest(now, takes_s)

        return ask

    return make


def dips(high: int, low: int, begins_s: float, ends_s: float) -> Callable[[float], int]:
    """Return how many an endpoint bears that bears fewer for a while."""
    return lambda now: low if begins_s <= now < ends_s else high


def from_slots(most: float) -> Callable[[int, float], float]:
    """Seconds that so many slots need for some rows."""
    return lambda rows, answer_s: rows * answer_s / most


def from_meter(per_s: float, burst: float) -> Callable[[int, float], float]:
    """Seconds that a meter needs for some rows."""
    return lambda rows, _: max(0.0, rows - burst) / per_s


def from_minutes(most: int) -> Callable[[int, float], float]:
    """Seconds that so many a minute need for some rows: in the last minute only what is left."""
    return lambda rows, answer_s: (
        (rows - 1) // most * 60 + -(-(rows % most or most) // 64) * answer_s
    )


def from_dip(high: int, low: int, begins_s: float, ends_s: float) -> Callable[[int, float], float]:
    """Seconds that an endpoint with a dip needs for some rows."""

    def ideal_s(rows: int, answer_s: float) -> float:
        first, meanwhile = begins_s * high / answer_s, (ends_s - begins_s) * low / answer_s
        if rows <= first:
            return rows * answer_s / high
        if rows <= first + meanwhile:
            return begins_s + (rows - first) * answer_s / low
        return ends_s + (rows - first - meanwhile) * answer_s / high

    return ideal_s


def kinds() -> Iterator[Kind]:
    """Yield the kinds that are simulated."""
    free = from_slots(64)
    for rows in (200, 500, 2_000):
        yield Kind(name="refuses nothing", make=at_random(0), ideal_s=free, rows=rows)
    for percent, most, rows in (
        *((1, 64, 1_000), (2, 64, 1_000), (5, 64, 500), (5, 16, 1_000), (10, 64, 1_000)),
        *((15, 16, 1_000), (20, 16, 600), (20, 16, 1_000), (20, 64, 1_000), (20, 64, 4_000)),
        *((30, 16, 1_000), (30, 64, 4_000)),
    ):
        name, make = f"refuses {percent}% at random", at_random(percent / 100)
        yield Kind(name=name, make=make, ideal_s=from_slots(most), most=most, rows=rows)
    for percent in (5, 20):
        name, make = f"refuses {percent}% at random, says 1 s", at_random(percent / 100, 1.0)
        yield Kind(name=name, make=make, ideal_s=free, rows=4_000)
    for said, wait_s in (("", None), (", says 1 s", 1.0)):
        for most, rows in ((1, 200), (8, 1_000), (30, 2_000)):
            make = bears(most, wait_s)
            yield Kind(name=f"bears {most}{said}", make=make, ideal_s=from_slots(most), rows=rows)
        name, make = (
            f"bears 8 and refuses 5% at random{said}",
            at_random(0.05, wait_s, bears(8, wait_s)),
        )
        yield Kind(name=name, make=make, ideal_s=from_slots(8), rows=2_000)
        for per_s, burst, rows in ((20, 1, 1_500), (20, 20, 1_500), (100, 100, 5_000)):
            name = f"{per_s} a second, {burst} at once{said}"
            make, ideal_s = meters(per_s, burst, wait_s), from_meter(per_s, burst)
            yield Kind(name=name, make=make, ideal_s=ideal_s, rows=rows)
        for rows, *dip in (
            *((12_000, 64, 4, 20, 50), (4_000, 32, 8, 10, 30)),
            (8_000, 64, 0, 20, 30),
        ):
            high, low, begins_s, ends_s = dip
            name = f"bears {high}, then {low} for {ends_s - begins_s} s, then {high}{said}"
            make, ideal_s = bears(dips(*dip), wait_s), from_dip(*dip)
            yield Kind(name=name, make=make, ideal_s=ideal_s, rows=rows)
    for most in (60, 600):
        name, ideal_s = f"{most} a minute, says how long", from_minutes(most)
        rows = most * 6 + most * 2 // 3
        yield Kind(name=name, make=per_minute(most), ideal_s=ideal_s, rows=rows)
    name = "slows with the square of the load beyond 8"
    yield Kind(name=name, make=slows(8), ideal_s=from_slots(8))


class Jumping(selectors.DefaultSelector):
    """Waits for nothing: time jumps to where the wait would have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        if timeout is None:
            raise RuntimeError("all wait, and nothing will ever happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, that begins at 0."""

    def __init__(self) -> None:
        self._jumping = Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the simulated time, in seconds."""
        return self._jumping.now


@dataclass(slots=True)
class Simulation:
    """Rows on their way to one endpoint."""

    endpoint: Endpoint
    chance: random.Random
    most: int
    answer_s: float
    outcome: Outcome = field(default_factory=Outcome)

    async def ours(self, rows: int) -> None:
        """Ask all rows as `run` does."""
        limiter = Limiter(self.most)

        async def ask(_: int) -> None:
            await self._row(limiter)

        await drain(iter(range(rows)), ask, workers=self.most, needs_more=limiter.has_lent)
        self.outcome.changes = limiter.changes
        self.outcome.wants_pace = limiter.wants_pace

    async def plain(self, rows: int) -> None:
        """Ask all rows as a plain client does."""

        async def ask(_: int) -> None:
            nth = 0
            while refused := await self._send():
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**nth) * self.chance.uniform(0.5, 1)
                nth += 1
                await asyncio.sleep(
                    wait_s if refused.retry_after_s is None else refused.retry_after_s
                )

        await drain(iter(range(rows)), ask, workers=self.most)

    async def _row(self, limiter: Limiter) -> None:
        now = asyncio.get_running_loop().time
        retries: list[Retry] = []
        async with limiter.slot() as slot:
            deadline = now() + POLICY.row_deadline_s
            while True:
                limiter.sends(slot, now())
                refused = await self._send()
                if refused is None:
                    limiter.answered(slot, now())
                    return
                limiter.failed(slot, now(), "rate_limit")
                error = BackendError(
                    ErrorKind.RATE_LIMIT,
                    "refused",
                    retryable=True,
                    retry_after_s=refused.retry_after_s,
                )
                tried = Tried(
                    error=error,
                    earlier=retries,
                    now=now(),
                    deadline=deadline,
                    chance=self.chance.random(),
                )
                wait_s = row_wait_s(tried, POLICY)
                if wait_s is None:
                    self.outcome.lost += 1
                    return
                retries.append(Retry(kind=error.kind, wait_ms=wait_s * 1000))
                limiter.wait(slot)
                await asyncio.sleep(wait_s)
                await limiter.keep(slot)

    async def _send(self) -> Refused | None:
        takes_s = self.answer_s * self.chance.uniform(SHORTEST, LONGEST)
        self.outcome.requests += 1
        said = self.endpoint(asyncio.get_running_loop().time(), takes_s)
        if isinstance(said, Refused):
            self.outcome.refused += 1
            await asyncio.sleep(REFUSES_IN_S)
            return said
        await asyncio.sleep(said)
        return None


def simulate(
    kind: Kind, *, seed: int = 0, answer_s: float = ANSWER_S, is_plain: bool = False
) -> Outcome:
    """Ask an endpoint of a kind its rows."""
    chance = random.Random(seed)
    simulation = Simulation(kind.make(chance), chance, kind.most, answer_s)
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run((simulation.plain if is_plain else simulation.ours)(kind.rows))
        simulation.outcome.took_s = runner.get_loop().time()
    return simulation.outcome


def share_of(kind: Kind, outcome: Outcome, answer_s: float = ANSWER_S) -> float:
    """Return the share that was had of what the endpoint could have answered."""
    return kind.ideal_s(kind.rows, answer_s) / outcome.took_s


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate the limit.")
    parser.add_argument("--answer-s", type=float, default=ANSWER_S, help="seconds of an answer")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each")
    parser.add_argument("--only", default="", help="part of an endpoint's name")
    given = parser.parse_args()
    print(f"Answers in {given.answer_s:g} s, {given.seeds} runs of each.\n")
    head = ["endpoint", "at once", "rows", "share of capacity", "worst", "refused", "lost"]
    print(f"| {' | '.join([*head, 'plain client', 'refused'])} |")
    print(f"| --- |{' ---: |' * 8}")
    for kind in (k for k in kinds() if given.only in k.name):
        ours, plain = (
            [
                simulate(kind, seed=seed, answer_s=given.answer_s, is_plain=is_plain)
                for seed in range(given.seeds)
            ]
            for is_plain in (False, True)
        )
        shares = [share_of(kind, one, given.answer_s) for one in ours]
        others = [share_of(kind, one, given.answer_s) for one in plain]
        cells = [
            kind.name,
            str(kind.most),
            f"{kind.rows:,}",
            f"{statistics.mean(shares):.0%}",
            f"{min(shares):.0%}",
            refused(ours),
            str(sum(one.lost for one in ours)),
            f"{statistics.mean(others):.0%}",
            refused(plain),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def refused(outcomes: list[Outcome]) -> str:
    """Return the share of requests that were refused."""
    return f"{statistics.mean(one.refused / one.requests for one in outcomes):.1%}"


if __name__ == "__main__":
    main()
