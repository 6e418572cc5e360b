"""How a run by workers on Ray compares with one process, on this machine.

    python benchmarks/engine.py                              all parts, as Markdown on stdout (about 11 minutes)
    python benchmarks/engine.py --part overhead --workers 2 --rounds 1 --scale 0.1
    python benchmarks/engine.py --write                      … and into RESULTS.md and docs/scale-costs.md

Needs the extra ray, and Linux. All engines take turns, each against a server of its own, which shares the
cores with them. The server's clock measures throughput, from the first request to the last answer; CPU a row
is of that time, too. Memory is the proportional set size of all processes, the cluster's included, at the
moment at which it is largest. Every row is compared with what the server sent.
"""

import argparse
import os
import runpy
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import coordinator
from clients import KEY, check_rows, rows_of, run_command, write_config, write_samples
from measured import HERE, Seen, machine, serve
from processes import COORDINATOR, LEADER, RAY, ROLES, WORKERS, Watched, watch
from speed import ratio, section, spread

LOCAL = "local"
WORKERS_TRIED = (1, 2, 4)
HEADING = "# Workers on Ray"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    folder: Path
    rounds: int
    scale: float
    """Times the usual number of samples."""
    engines: Mapping[str, int | None]
    """Names of the engines, and their workers."""

    def n(self, usual: int) -> int:
        """Return a number of samples."""
        return max(20, round(usual * self.scale))

    def dataset(self, n: int) -> Path:
        """Return a dataset of n samples, made once."""
        file = self.folder / f"data{n}" / "test.jsonl"
        return file if file.is_file() else write_samples(file.parent, n)


@dataclass(slots=True)
class Parts:
    """The most that stood in parts at once, while the leader had not taken their rows."""

    folder: Path
    number: int = 0
    bytes: int = 0

    def look(self) -> None:
        """Look at them now."""
        found = []
        for part in self.folder.glob("*"):
            with suppress(OSError):  # the leader has just taken it
                found.append((part / "run_results.jsonl").stat().st_size)
        self.number, self.bytes = max(self.number, len(found)), max(self.bytes, sum(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, as the server and the system saw it."""

    n: int
    seen: Seen
    took: Watched
    parts: Parts = field(repr=False)
    bytes: int
    """Size of run_results.jsonl."""

    @property
    def rate(self) -> float:
        """Requests a second, from the first to the last answer."""
        return self.n / self.seen.between_s

    @property
    def start_s(self) -> float:
        """Time until the first request."""
        return self.seen.first_at - self.took.began_at

    @property
    def end_s(self) -> float:
        """Time from the last answer to the end of the command."""
        return self.took.ended_at - self.seen.last_at

    def cpu_us(self, role: str) -> float:
        """Return the CPU time a row that a role took while requests were under way."""
        return self.took.cpu_s(role, self.seen.first_at, self.seen.last_at) / self.n * 1e6


def ask(
    plan: Plan,
    workers: int | None,
    n: int,
    *,
    latency_ms: float = 0,
    concurrency: int,
    chunk: int | None = None,
) -> Run:
    """Let one process, or workers on Ray, ask a server of its own, and check what was written.

    Raises:
        RuntimeError: If a row is missing, stands twice or has another answer, or a process stays.
    """
    dataset = plan.dataset(n)
    # Ray's sockets need short names
    with (
        tempfile.TemporaryDirectory(dir=plan.folder) as name,
        tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as own,
        serve(latency_ms=latency_ms) as server,
    ):
        folder = Path(name)
        run = {"concurrency": concurrency, "cache": False}
        file = write_config(dataset, folder, kind="openai", url=server.url, run=run)
        command = run_command(file)
        if workers is not None:
            command += ["--engine", "ray", "--workers", str(workers)]
        if chunk is not None:
            command += ["--chunk-size", str(chunk)]
        environ = {**KEY, "RAY_TMPDIR": own, "RAY_AUTH_MODE": "disabled"}
        parts = Parts(folder / "run" / "parts")
        took = watch(command, environ=environ, on_look=parts.look)
        rows = rows_of(folder)
        check_rows(dataset, rows)
        seen = server.seen()
        if seen.requests != n:
            raise RuntimeError(f"{seen.requests} requests for {n} samples")
        return Run(n=n, seen=seen, took=took, parts=parts, bytes=rows.stat().st_size)


def in_turns(
    plan: Plan, n: int, *, latency_ms: float = 0, concurrency: int
) -> dict[str, list[Run]]:
    """Let all engines ask the same, one after the other, several times."""
    runs: dict[str, list[Run]] = {engine: [] for engine in plan.engines}
    for _ in range(plan.rounds):
        for engine, of in runs.items():
            workers = plan.engines[engine]
            of.append(ask(plan, workers, n, latency_ms=latency_ms, concurrency=concurrency))
    return runs


def overhead(plan: Plan) -> str:
    """Throughput, start-up and CPU at no latency."""
    n, at_once = plan.n(20_000), 64
    found = in_turns(plan, n, concurrency=at_once)
    return section(f"No latency, {n:,} samples, {at_once} at once", *compared(found))


def latency(plan: Plan) -> str:
    """The same at 200 ms, and memory."""
    n, at_once = plan.n(10_000), 400
    found = in_turns(plan, n, latency_ms=200, concurrency=at_once)
    most = f"at most {at_once / 0.2:,.0f} a second"
    title = f"200 ms latency, {n:,} samples, {at_once} at once: {most}"
    return "\n".join([section(title, *compared(found)), section(*memory(found))])


def compared(found: Mapping[str, Sequence[Run]]) -> tuple[list[str], list[list[str]]]:
    """Return the table that compares engines."""
    local = [run.rate for run in found[LOCAL]]
    head = ["engine", "requests/s", "ratio", "s to the first request", "s after the last answer"]
    head += [f"CPU µs a row: {role}" for role in ROLES]
    lines = []
    for engine, runs in found.items():
        own = [run.rate for run in runs]
        times = [spread([run.start_s for run in runs]), spread([run.end_s for run in runs])]
        cpu = [f"{statistics.median(run.cpu_us(role) for run in runs):.0f}" for role in ROLES]
        lines.append([engine, spread(own), ratio(own, local), *times, *cpu])
    return head, lines


def memory(found: Mapping[str, Sequence[Run]]) -> tuple[str, list[str], list[list[str]]]:
    """Return the table of what processes hold, in the run of each engine that held most."""
    head = ["engine", "all", "leader", "each worker", "coordinator", "Ray itself", "processes"]
    lines = []
    for engine, runs in found.items():
        most = max((run.took.memory for run in runs), key=lambda held: held.total_mib)
        each = most.mib.get(WORKERS, 0.0) / max(1, most.processes.get(WORKERS, 0))
        leader, other, ray = (most.mib.get(role, 0.0) for role in (LEADER, COORDINATOR, RAY))
        figures = most.total_mib, leader, each, other, ray
        lines.append(
            [engine, *(f"{mib:.0f}" for mib in figures), str(sum(most.processes.values()))]
        )
    n = next(iter(found.values()))[0].n
    return f"Memory in MiB, 200 ms latency, {n:,} samples", head, lines


def growth(plan: Plan) -> str:
    """What the leader takes, by the number of samples; and the files."""
    head = ["samples", "chunks of", "requests/s", "leader's CPU s: until the first request"]
    head += ["until the end", "leader MiB", "parts at once", "MB of them", "bytes a row"]
    lines = []
    for wanted in (20_000, 100_000):
        n = plan.n(wanted)
        size = max(1, min(5_000, n // 8))
        run = ask(plan, 2, n, concurrency=64, chunk=size)
        moments = run.took.began_at, run.seen.first_at, run.took.ended_at
        cpu = [f"{run.took.cpu_s(LEADER, *pair):.2f}" for pair in pairwise(moments)]
        took = [f"{run.rate:,.0f}", *cpu, f"{run.took.most_mib.get(LEADER, 0):.0f}"]
        files = [str(run.parts.number), f"{run.parts.bytes / 1e6:.1f}", f"{run.bytes / n:.0f}"]
        lines.append([f"{n:,}", f"{size:,}", *took, *files])
    return section("Growth with n: 2 workers, no latency", head, lines)


def coordinating(plan: Plan) -> str:
    """What the coordinator bears."""
    return coordinator.section_of(plan.folder, plan.scale)


PARTS: dict[str, Callable[[Plan], str]] = {
    part.__name__: part for part in (overhead, latency, growth, coordinating)
}


def load() -> str:
    """Tell how busy the machine was before, for that says how far to trust the figures."""
    return f" · load {os.getloadavg()[1]:.1f} in the five minutes before"


def write(text: str) -> None:
    """Put the section into RESULTS.md, and the page's tables in line with it."""
    file = HERE / "RESULTS.md"
    old = file.read_text(encoding="utf-8")
    before, _, rest = old.partition(f"\n{HEADING}\n")
    _, mark, after = rest.partition("\n# ")
    file.write_text(f"{before.rstrip()}\n\n{text.rstrip()}\n{mark}{after}", encoding="utf-8")
    made = runpy.run_path(str(HERE.parent / "scripts" / "docs_scale_costs.py"))
    made["PAGE"].write_text(made["page"](), encoding="utf-8", newline="\n")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--part", choices=PARTS, action="append", help="only this part")
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each engine")
    arguments.add_argument("--scale", type=float, default=1, help="times the number of samples")
    arguments.add_argument(
        "--write", action="store_true", help="write RESULTS.md and the page, too"
    )
    arguments.add_argument(
        "--workers", type=int, nargs="+", default=WORKERS_TRIED, help="numbers of workers on Ray"
    )
    told = arguments.parse_args()
    engines: dict[str, int | None] = {LOCAL: None}
    engines |= {f"ray, {n} worker{'s' * (n > 1)}": n for n in told.workers}
    if told.write and (told.part or told.scale != 1 or tuple(told.workers) != WORKERS_TRIED):
        arguments.error("RESULTS.md holds all parts at full size")
    about = __doc__.partition(chr(10) * 2)[2].rpartition(chr(10) * 2)[2]
    texts = [f"{HEADING}\n\n`python benchmarks/engine.py`. {machine()}{load()}\n\n{about}"]
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), told.rounds, told.scale, engines)
        for name in told.part or PARTS:
            texts.append(PARTS[name](plan))
            print(texts[-1], flush=True)
    if told.write:
        write("\n".join(texts))
        print("written: RESULTS.md and docs/scale-costs.md", file=sys.stderr)


if __name__ == "__main__":
    main()
