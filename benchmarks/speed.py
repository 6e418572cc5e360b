"""How fast `lm-eval-so run` is, beside the least that a client can do, on this machine.

    python benchmarks/speed.py                          all parts, as Markdown on stdout (20 minutes)
    python benchmarks/speed.py --part overhead --part latency --part startup            (7 minutes)
    python benchmarks/speed.py --write                  … and into RESULTS.md

Our client and the reference client run in turns (A B A B), each against its own server, so other load on
the machine affects both. The server's clock measures throughput, from the first request to the last
answer. CPU, memory and wall time cover the whole process, start-up included. Every row of both clients
is compared with what the server sent. With the cache on, it is empty at first: every answer is written.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients import CONCURRENCY, ask, check_same, ours, rows_of, write_samples
from measured import HERE, Seen, Taken, machine

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    folder: Path
    rounds: int
    scale: float
    """Times the usual number of samples."""

    def samples(self, n: int) -> tuple[int, Path]:
        """Return a dataset of about n samples, made once."""
        n = max(10, round(n * self.scale))
        folder = self.folder / f"data{n}"
        file = folder / "test.jsonl"
        return n, file if file.is_file() else write_samples(folder, n)

    def fresh(self) -> Path:
        """Return an empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


def overhead(plan: Plan) -> str:
    """Throughput at no latency."""
    n, dataset = plan.samples(20_000)
    rows = []
    for kind in ("openai", "http"):
        runs = in_turns(plan, dataset, ("ours", "ours, cache on", "reference"), kind=kind)
        rates = {who: [n / seen.between_s for _, seen in each] for who, each in runs.items()}
        for who, each in runs.items():
            of_reference = ratio(rates[who], rates["reference"])
            rows.append([kind, who, spread(rates[who]), of_reference, *process(each, n)])
    head = ["backend", "client", "rows/s", "ratio", "CPU µs/row", "total wall s", "peak MiB"]
    return section(f"No latency, n = {n:,}, {CONCURRENCY} at once", head, rows)


def latency(plan: Plan) -> str:
    """Time at 200 ms, beside what nobody can undercut."""
    n, dataset = plan.samples(10_000)
    ideal = n * 0.2 / CONCURRENCY
    rows = []
    for kind in ("openai", "http"):
        runs = in_turns(plan, dataset, ("ours", "reference"), kind=kind, latency_ms=200, once=True)
        for who, each in runs.items():
            took = [seen.between_s for _, seen in each]
            over = [f"{(statistics.median(took) / ideal - 1) * 100:+.1f} %"]
            rows.append([kind, who, spread(took), *over, str(max(s.peak for _, s in each))])
    head = ["backend", "client", "s from first to last", "over n·latency/concurrency", "at once"]
    return section(f"200 ms latency, n = {n:,}: ideal {ideal:.2f} s", head, rows)


def growth(plan: Plan) -> str:
    """CPU and memory by the number of samples, through openai."""
    rows, earlier = [], None
    for wanted in (1_000, 10_000, 100_000):
        n, dataset = plan.samples(wanted)
        rounds = 1 if wanted == 100_000 else plan.rounds
        runs = [ask("ours", dataset, plan.fresh(), kind="openai") for _ in range(rounds)]
        cpu = statistics.median(taken.cpu_s for taken, _ in runs)
        slope = "" if earlier is None else f"{(cpu - earlier[1]) / (n - earlier[0]) * 1e6:.0f}"
        peak = max(taken.peak_mib for taken, _ in runs)
        rows.append([f"{n:,}", f"{cpu:.2f}", slope, f"{peak:.0f}"])
        earlier = n, cpu
    head = ["n", "CPU s", "CPU µs per further row", "peak MiB"]
    return section("Growth with n (openai, no latency)", head, rows)


def memory(plan: Plan) -> str:
    """Peak memory up to a million samples, without a network; then all are there already."""
    rows = []
    for wanted in (1_000, 100_000, MILLION):
        n, dataset = plan.samples(wanted)
        folder = plan.fresh()
        for what in ("asked", "resumed, all done"):
            taken = ours(dataset, folder, kind="scripted")
            rows.append(
                [f"{n:,}", what, f"{taken.peak_mib:.0f}", f"{taken.wall_s:.1f}", per_row(taken, n)]
            )
    head = ["n", "run", "peak MiB", "wall s", "CPU µs/row"]
    return section("Memory (scripted backend)", head, rows)


def startup(plan: Plan) -> str:
    """Wall time of a run with ten samples."""
    n, dataset = 10, write_samples(plan.folder / "ten", 10)
    rows = []
    for kind in ("scripted", "openai", "http"):
        took = []
        for _ in range(plan.rounds + 2):
            if kind == "scripted":
                taken = ours(dataset, plan.fresh(), kind=kind)
            else:
                taken, _seen = ask("ours", dataset, plan.fresh(), kind=kind)
            took.append(taken.wall_s)
        rows.append([kind, spread(took)])
    return section(f"Start-up: `run` with {n} samples", ["backend", "wall s"], rows)


PARTS: dict[str, Callable[[Plan], str]] = {
    part.__name__: part for part in (overhead, latency, growth, memory, startup)
}


def in_turns(
    plan: Plan,
    dataset: Path,
    clients: Sequence[str],
    *,
    kind: str,
    latency_ms: float = 0,
    once: bool = False,
) -> dict[str, list[tuple[Taken, Seen]]]:
    """Let clients ask the same, one after the other, several times.

    Args:
        plan: Plan, with the number of turns.
        dataset: Questions to ask.
        clients: Names of the clients; the reference is the last one.
        kind: Backend.
        latency_ms: Latency of the server.
        once: Whether the reference asks in the first turn only.
    """
    runs: dict[str, list[tuple[Taken, Seen]]] = {who: [] for who in clients}
    rows_of_reference = None
    for _ in range(plan.rounds):
        asked = {}
        for who in clients:
            if who == "reference" and once and rows_of_reference is not None:
                continue
            asked[who] = plan.fresh()
            runs[who].append(ask(who, dataset, asked[who], kind=kind, latency_ms=latency_ms))
        if "reference" in asked:
            rows_of_reference = rows_of(asked.pop("reference"))
        for folder in asked.values():
            check_same(rows_of(folder), rows_of_reference)
    return runs


def warm_up(plan: Plan) -> None:
    """Let each client ask a little, so that the modules are compiled before anything is measured."""
    dataset = write_samples(plan.folder / "few", 10)
    for kind in ("openai", "http"):
        in_turns(Plan(plan.folder, 1, 1), dataset, ("ours, cache on", "reference"), kind=kind)


def process(runs: Sequence[tuple[Taken, Seen]], n: int) -> list[str]:
    """Return CPU a row, wall and peak of whole processes."""
    took = [taken for taken, _ in runs]
    cpu = statistics.median(taken.cpu_s for taken in took) / n * 1e6
    wall = statistics.median(taken.wall_s for taken in took)
    return [f"{cpu:.0f}", f"{wall:.2f}", f"{max(taken.peak_mib for taken in took):.0f}"]


def per_row(taken: Taken, n: int) -> str:
    return f"{taken.cpu_s / n * 1e6:.0f}"


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the median of the ratios, turn by turn."""
    return f"{statistics.median(a / b for a, b in zip(mine, theirs, strict=True)):.2f}"


def spread(values: Sequence[float]) -> str:
    """Return median (least-most)."""
    digits = 0 if min(values) >= 100 else 2
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f}-{most:,.{digits}f})"


def section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table under a heading."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--part", choices=PARTS, action="append", help="only this part")
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each client")
    arguments.add_argument("--scale", type=float, default=1, help="times the number of samples")
    arguments.add_argument("--write", action="store_true", help="write RESULTS.md, too")
    told = arguments.parse_args()
    if told.write and (told.part or told.scale != 1):
        arguments.error("RESULTS.md holds all parts at full size")
    texts = [f"# Speed\n\n{machine()}\n\n{__doc__.partition(chr(10) * 2)[2]}"]
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), told.rounds, told.scale)
        warm_up(plan)
        for name in told.part or PARTS:
            texts.append(PARTS[name](plan))
            print(texts[-1], flush=True)
    if told.write:
        results = HERE / "RESULTS.md"
        old = results.read_text(encoding="utf-8") if results.is_file() else ""
        others = "".join(old.partition("\n# The limit")[1:])  # what the other programs found
        results.write_text("\n".join(texts) + others, encoding="utf-8")
        print(f"written: {HERE / 'RESULTS.md'}", file=sys.stderr)


if __name__ == "__main__":
    main()
