"""How the limit behaves against endpoints of several kinds, simulated: no network, no waiting.

    python benchmarks/limiter.py                    all endpoints, as Markdown on stdout
    python benchmarks/limiter.py --rows 20000 --seeds 3
    python benchmarks/limiter.py --only "bears 8"   endpoints whose name contains that

The rows go through what `lm-eval-so run` sends them through (workers, slots, limit, retries), on an
event loop whose time jumps to the next thing that happens. Endpoints refuse within 5 ms and answer
in 40 to 65 ms. The share of capacity is the least time in which the endpoint could have answered the
rows, over the time that it took; where refusals are random, the least time without them.
"""

import argparse
import asyncio
import heapq
import random
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field

from lm_eval_so.core.asking.endpoint.limiter import Limiter
from lm_eval_so.core.asking.retry import Policy, Tried, row_wait_s
from lm_eval_so.core.records.run import LimitChange, Retry
from lm_eval_so.core.workers import drain
from lm_eval_so.errors import BackendError, ErrorKind

MOST = 64
POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)
REFUSES_IN_S = 0.005
SHORTEST_S, LONGEST_S = 0.040, 0.065
PER_SLOT = 2 / (SHORTEST_S + LONGEST_S)
"""Answers a second from one slot."""
NO_WAIT = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused."""

    retry_after_s: float | None


Endpoint = Callable[[float, float], Refusal | None]
"""Takes the time and how long the answer will take, in seconds; None: it will answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of endpoint."""

    name: str
    make: Callable[[random.Random], Endpoint]
    ideal_s: Callable[[int], float]
    """Seconds in which it could answer so many rows."""


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    took_s: float = 0.0
    requests: int = 0
    refused: int = 0
    lost: int = 0
    changes: tuple[LimitChange, ...] = ()


def bears(most: int | Callable[[float], int], wait_s: float | None) -> Callable[..., Endpoint]:
    """Refuse what comes while `most` are being answered."""

    def make(_: random.Random) -> Endpoint:
        ends: list[float] = []

        def ask(now: float, takes_s: float) -> Refusal | None:
            while ends and ends[0] <= now + 1e-9:
                heapq.heappop(ends)
            if len(ends) >= (most(now) if callable(most) else most):
                return Refusal(wait_s)
            heapq.heappush(ends, now + takes_s)
            return None

        return ask

    return make


def meters(per_s: float, wait_s: float | None) -> Callable[..., Endpoint]:
    """Return so many answers a second, and as many at once after a pause: a token bucket."""

    def make(_: random.Random) -> Endpoint:
        tokens, since = per_s, 0.0

        def ask(now: float, _: float) -> Refusal | None:
            nonlocal tokens, since
            tokens, since = min(per_s, tokens + (now - since) * per_s), now
            if tokens < 1:
                return Refusal(wait_s)
            tokens -= 1
            return None

        return ask

    return make


def per_minute(most: int) -> Callable[..., Endpoint]:
    """Return so many answers a minute, then ask to wait for the next."""

    def make(_: random.Random) -> Endpoint:
        minute, given = -1, 0

        def ask(now: float, _: float) -> Refusal | None:
            nonlocal minute, given
            if int(now // 60) != minute:
                minute, given = int(now // 60), 0
            if given >= most:
                return Refusal(60 - now % 60)
            given += 1
            return None

        return ask

    return make


def at_random(
    share: float, wait_s: float | None, behind: Callable[..., Endpoint] | None = None
) -> Callable[..., Endpoint]:
    """Refuse a share of the requests for no reason; the others go on to what is behind."""

    def make(chance: random.Random) -> Endpoint:
        rest = behind(chance) if behind else lambda *_: None

        def ask(now: float, takes_s: float) -> Refusal | None:
            return Refusal(wait_s) if chance.random() < share else rest(now, takes_s)

        return ask

    return make


def up_and_down(now: float) -> int:
    """Bear 32 at once, from 10 to 30 s only 8."""
    return 8 if 10 <= now < 30 else 32


def from_slots(most: float) -> Callable[[int], float]:
    """Seconds that so many slots need for some rows."""
    return lambda rows: rows / (most * PER_SLOT)


def from_meter(per_s: float) -> Callable[[int], float]:
    """Seconds that a meter needs for some rows."""
    return lambda rows: max(0.0, rows - per_s) / per_s


def from_minutes(most: int) -> Callable[[int], float]:
    """Seconds that so many a minute need for some rows: in the last minute only what is left."""
    return lambda rows: (rows - 1) // most * 60 + (rows % most or most) / (MOST * PER_SLOT)


def from_up_and_down(rows: int) -> float:
    """Seconds that `up_and_down` needs for some rows."""
    first, low = 10 * 32 * PER_SLOT, 20 * 8 * PER_SLOT
    if rows <= first:
        return rows / first * 10
    if rows <= first + low:
        return 10 + (rows - first) / low * 20
    return 30 + (rows - first - low) / (32 * PER_SLOT)


def kinds() -> list[Kind]:
    """Return the kinds that are simulated."""
    found: list[Kind] = []
    for said, wait in (("", NO_WAIT), (", says 1 s", 1.0)):
        found += [
            *(
                Kind(f"bears {most}{said}", bears(most, wait), from_slots(most))
                for most in (1, 8, 30)
            ),
            *(
                Kind(f"{rate} a second{said}", meters(rate, wait), from_meter(rate))
                for rate in (20, 100)
            ),
        ]
    found.append(Kind("600 a minute, says how long", per_minute(600), from_minutes(600)))
    found.append(Kind("refuses nothing", at_random(0, NO_WAIT), from_slots(MOST)))
    for said, wait in (("", NO_WAIT), (", says 1 s", 1.0)):
        found += [
            *(
                Kind(
                    f"refuses {share:.0%} at random{said}", at_random(share, wait), from_slots(MOST)
                )
                for share in (0.01, 0.02, 0.05, 0.10)
            ),
            Kind(
                f"bears 8 and refuses 5% at random{said}",
                at_random(0.05, wait, bears(8, wait)),
                from_slots(8),
            ),
            Kind(f"bears 32, then 8, then 32{said}", bears(up_and_down, wait), from_up_and_down),
        ]
    return found


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
    """Rows on their way through one limiter to one endpoint."""

    endpoint: Endpoint
    chance: random.Random
    limiter: Limiter = field(default_factory=lambda: Limiter(MOST))
    outcome: Outcome = field(default_factory=Outcome)

    async def run(self, rows: int) -> Outcome:
        """Ask all rows."""
        rows_left = iter(range(rows))
        await drain(rows_left, self._row, workers=MOST, needs_more=self.limiter.has_lent)
        self.outcome.took_s = asyncio.get_running_loop().time()
        self.outcome.changes = self.limiter.changes
        return self.outcome

    async def _row(self, _: int) -> None:
        now = asyncio.get_running_loop().time
        retries: list[Retry] = []
        async with self.limiter.slot() as slot:
            deadline = now() + POLICY.row_deadline_s
            while error := await self._attempt(now):
                chance = self.chance.random()
                tried = Tried(
                    error=error, earlier=retries, now=now(), deadline=deadline, chance=chance
                )
                wait = row_wait_s(tried, POLICY)
                if wait is None:
                    self.outcome.lost += 1
                    return
                retries.append(Retry(kind=error.kind, wait_ms=wait * 1000))
                slot.lend()
                await asyncio.sleep(wait)
                await slot.keep()

    async def _attempt(self, now: Callable[[], float]) -> BackendError | None:
        sent_at, takes_s = now(), self.chance.uniform(SHORTEST_S, LONGEST_S)
        self.outcome.requests += 1
        refusal = self.endpoint(sent_at, takes_s)
        await asyncio.sleep(REFUSES_IN_S if refusal else takes_s)
        if refusal is None:
            self.limiter.succeeded(sent_at=sent_at, now=now())
            return None
        self.outcome.refused += 1
        self.limiter.refused(sent_at=sent_at, now=now())
        wait = refusal.retry_after_s
        return BackendError(ErrorKind.RATE_LIMIT, "refused", retryable=True, retry_after_s=wait)


def simulate(kind: Kind, *, rows: int, seed: int = 0) -> Outcome:
    """Ask an endpoint of a kind so many rows."""
    chance = random.Random(seed)
    simulation = Simulation(kind.make(chance), chance)
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(simulation.run(rows))


def share_of(kind: Kind, outcome: Outcome, rows: int) -> float:
    """Return the share that was had of what the endpoint could have answered."""
    return kind.ideal_s(rows) / outcome.took_s


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate the limit.")
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--seeds", type=int, default=5, help="runs of each, the worst is shown")
    parser.add_argument("--only", default="", help="part of an endpoint's name")
    given = parser.parse_args()
    head = ["endpoint"]
    for rows in given.rows:
        head += [f"share of capacity, {rows:,} rows", "refused", "lost"]
    print(f"At most {MOST} at once; the worst of {given.seeds} runs.\n")
    print(f"| {' | '.join(head)} |")
    print(f"| --- |{' ---: |' * (len(head) - 1)}")
    for kind in (k for k in kinds() if given.only in k.name):
        cells = [kind.name]
        for rows in given.rows:
            done = [simulate(kind, rows=rows, seed=seed) for seed in range(given.seeds)]
            cells.append(f"{min(share_of(kind, d, rows) for d in done):.0%}")
            cells.append(f"{max(d.refused / d.requests for d in done):.1%}")
            cells.append(str(sum(d.lost for d in done)))
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
