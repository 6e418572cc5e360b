"""What the coordinator of a run on Ray bears: calls of a run, and calls a second.

    python benchmarks/coordinator.py        as Markdown on stdout (a quarter of a minute); part of engine.py, too

The calls are counted in a run whose workers are tasks of one process, with limits and a budget. How many Ray
carries is measured with a real actor, and with callers in one process, which itself takes a core.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from clients import KEY, write_config, write_samples
from measured import machine, serve
from processes import COORDINATOR, watch
from speed import section

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.shared_limits import Limit
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Moved
from lm_eval_so.errors import LMEvalError
from lm_eval_so.runner.engine.assignment import Assignment, Call, Origin
from lm_eval_so.runner.engine.coordinator import Coordinator, Report
from lm_eval_so.runner.engine.lead import Lead
from lm_eval_so.runner.engine.worker import Worker
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.run import run as ask
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder

WORKERS, AT_ONCE, LATENCY_MS, CHUNK = 4, 100, 200, 100
LIMITS = {"max_requests": 100_000, "max_requests_per_s": 10_000}
CALLERS = (1, 100)
MANY_WORKERS = (8, 100, 1_000)


@dataclass(slots=True)
class Counting:
    """An engine whose workers are tasks of this process, and which counts the calls of the coordinator."""

    config: Path
    calls: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0
    coordinator: Coordinator = field(default_factory=lambda: Coordinator({}))

    async def begin(self, config: Config, options: RunOptions) -> None:
        """Refuse nothing."""

    async def ask_all(
        self, config: Config, selection: Selection, new: NewRun, recorder: Recorder
    ) -> LMEvalError | None:
        dataset = selection.samples
        assert isinstance(dataset, Dataset)
        lead = Lead(recorder, new, dataset, run=config.run, crew=self)
        began_at = time.monotonic()
        failure = await lead.ask_all(Origin(config=self.config), workers=WORKERS, size=CHUNK)
        self.took_s = time.monotonic() - began_at
        return failure

    def start(self, budget: dict[Limit, Decimal]) -> None:
        """Start the coordinator."""
        self.coordinator = Coordinator(budget)

    async def call(self, method: str, *arguments: Any) -> Any:
        """Let the leader call the coordinator."""
        self.calls[f"leader: {method}"] += 1
        return getattr(self.coordinator, method)(*arguments)

    @asynccontextmanager
    async def employ(self, name: str, assignment: Assignment) -> AsyncIterator[Call]:
        """Let a worker work in this process."""

        async def tell(method: str, *arguments: Any) -> Any:
            self.calls[f"worker: {method}"] += 1
            return getattr(self.coordinator, method)(*arguments)

        worker = Worker(name, assignment, tell)

        async def call(method: str, *arguments: Any) -> Any:
            self.calls[f"leader to worker: {method}"] += 1
            return await getattr(worker, method)(*arguments)

        yield call


def count_calls(folder: Path, n: int) -> Counting:
    """Ask n samples, and count."""
    dataset = write_samples(folder / "counted", n)
    with serve(latency_ms=LATENCY_MS) as server:
        run = {"concurrency": AT_ONCE, "cache": False, **LIMITS}
        file = write_config(dataset, folder / "counting", kind="openai", url=server.url, run=run)
        engine, before = Counting(file), dict(os.environ)
        os.environ.update(KEY)  # each worker reads the environment of its process
        try:
            options = RunOptions(engine=engine, out=folder / "counting" / "run")
            asyncio.run(ask(load_config(file), Resources(environ=dict(os.environ)), options))
        finally:
            os.environ.clear()
            os.environ.update(before)
        return engine


def lease_us(workers: int) -> float:
    """Return the CPU time of a lease, without transport, if so many workers have one."""
    coordinator = Coordinator({})
    names = [f"w{i}" for i in range(workers)]
    reports = {name: _report(name) for name in names}
    calls = max(1_000, 2 * workers)
    for name in names:
        coordinator.lease(name, reports[name])
    began = time.process_time()
    for i in range(calls):
        coordinator.lease(names[i % workers], reports[names[i % workers]])
    return (time.process_time() - began) / calls * 1e6


def _report(part: str) -> Report:
    return Report(progress={part: Moved(stage="run", done=1_000, counts={"ok": 1_000})})


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an actor of Ray carried."""

    calls: int
    callers: int
    took_s: float
    cpu_s: float
    """CPU time of the coordinator's process."""


def carry(folder: Path, seconds: float) -> list[Carried]:
    """Let callers in one process take leases of a coordinator that is an actor, as often as they can."""
    file = folder / "carried.json"
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as own:
        environ = {"RAY_TMPDIR": own, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, __file__, "--seconds", str(seconds), "--into", str(file)]
        took = watch(command, environ=environ)
    return [
        Carried(
            calls=one["calls"],
            callers=one["callers"],
            took_s=one["until"] - one["since"],
            cpu_s=took.cpu_s(COORDINATOR, one["since"], one["until"]),
        )
        for one in json.loads(file.read_text(encoding="utf-8"))
    ]


async def take_leases(actor: Any, callers: int, seconds: float) -> dict[str, float]:
    """Take leases for some seconds."""
    calls, since = 0, time.monotonic()

    async def go_on(name: str) -> None:
        nonlocal calls
        report = _report(name)
        while time.monotonic() < since + seconds:
            await actor.lease.remote(name, report)
            calls += 1

    await asyncio.gather(*(go_on(f"{since}-{i}") for i in range(callers)))
    return {"callers": callers, "calls": calls, "since": since, "until": time.monotonic()}


def carry_here(file: Path, seconds: float) -> None:
    """Start a cluster, call, and write what came of it into a file."""
    import ray  # noqa: PLC0415 - the other parts do without it

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        actor = ray.remote(num_cpus=0)(Coordinator).remote({})
        asyncio.run(take_leases(actor, 1, 1))  # warm
        found = [asyncio.run(take_leases(actor, callers, seconds)) for callers in CALLERS]
    finally:
        ray.shutdown()
    file.write_text(json.dumps(found), encoding="utf-8")


def section_of(folder: Path, scale: float) -> str:
    """Measure, and return the tables."""
    n = max(CHUNK, round(4_000 * scale))
    counted, chunks = count_calls(folder, n), -(-n // CHUNK)
    calls = [
        [who, str(calls), f"{calls / counted.took_s:.1f}", f"{calls / chunks:.2f}"]
        for who, calls in sorted(counted.calls.items())
    ]
    title = f"Calls of the coordinator: {WORKERS} workers, {chunks} chunks, {counted.took_s:.1f} s"
    texts = [section(title, ["who: call", "calls", "a second", "a chunk"], calls)]
    leases = [
        [
            str(one.callers),
            f"{one.calls / one.took_s:,.0f}",
            f"{one.cpu_s / one.calls * 1e6:.0f}",
        ]
        for one in carry(folder, max(0.5, 4 * scale))
    ]
    head = ["callers at once", "leases a second", "CPU µs a lease, in the actor's process"]
    texts.append(section("Leases of an actor on Ray", head, leases))
    alone = [[f"CPU µs a lease, {n:,} workers", f"{lease_us(n):.1f}"] for n in MANY_WORKERS]
    texts.append(section("The coordinator alone, without Ray", ["what", "figure"], alone))
    return "\n".join(texts)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--scale", type=float, default=1, help="times the number of samples")
    arguments.add_argument("--seconds", type=float, default=4, help=argparse.SUPPRESS)
    arguments.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    told = arguments.parse_args()
    if told.into is not None:
        carry_here(told.into, told.seconds)
        return
    with tempfile.TemporaryDirectory() as name:
        print(f"{machine()}\n\n{section_of(Path(name), told.scale)}")


if __name__ == "__main__":
    main()
