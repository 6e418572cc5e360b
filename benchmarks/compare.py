"""How long two reports take to compare and how much memory it needs, slices included.

    python benchmarks/compare.py                     100,000 and 1,000,000 samples, as Markdown on stdout
    python benchmarks/compare.py --samples 100000 --order shuffled

Ten metrics, half of them right or wrong; one answer in ten flips between the two sides, and half of
the other scores move. A sample has three of twenty tags, a language, a length and a difficulty. The
columns are made in memory, each size in a process of its own; the peak is of the whole process, both
reports included.
"""

import argparse
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from measured import machine

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.costs import CostSummary, LatencySummary
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import (
    Columns,
    EvaluationReport,
    Experiment,
    Labels,
    MetricSummary,
)
from lm_eval_so.core.records.run import BackendInfo, DatasetRef

BINARY = tuple(f"right{i}" for i in range(5))
BOUNDED = tuple(f"score{i}" for i in range(5))
ORDERS = ("same", "shuffled", "groups", "missing")
TAGS = [f"태그{i}" for i in range(20)]


def make_columns(n: int, order: str, *, is_candidate: bool) -> Columns:
    """Return the columns of one side; the candidate's differ from the baseline's as described."""
    places = list(range(n))
    if order == "shuffled" and is_candidate:
        random.Random(2).shuffle(places)
    base, moved = random.Random(3), random.Random(4)
    scores = {}
    for key in (*BINARY, *BOUNDED):
        before = [_first(base, key) for _ in range(n)]
        column = [_second(moved, key, value) for value in before] if is_candidate else before
        if order == "missing":
            column = [None if moved.random() < 0.005 else value for value in column]
        scores[key] = tuple(column[place] for place in places)
    ids = [f"q{place:07}" for place in range(n)]
    shared = [tuple(TAGS[(place + step) % 20] for step in (0, 3, 7)) for place in range(20)]
    return Columns(
        ids=tuple(ids[place] for place in places),
        sample_hashes=("h",) * n,
        revs=("r",) * n,
        groups=tuple(f"g{place // 5}" for place in places) if order == "groups" else (None,) * n,
        repeats=(0,) * n,
        statuses=("ok",) * n,
        scores=scores,
        tags=tuple(shared[place % 20] for place in places),
        languages=tuple("ko" if place % 3 else "en" for place in places),
        labels={
            "length": _labels(("≤ 50", "51–200", "> 200"), places, lambda place: place % 7 % 3),
            "difficulty": _labels(("easy", "hard"), places, lambda place: place % 11 % 2),
        },
    )


def _labels(values: Sequence[str], places: Sequence[int], of: Callable[[int], int]) -> Labels:
    return Labels(values=tuple(values), places=tuple(map(of, places)))


def _first(chance: random.Random, key: str) -> float:
    return float(chance.random() < 0.8) if key in BINARY else round(chance.random(), 3)


def _second(chance: random.Random, key: str, value: float) -> float:
    if key in BINARY:
        return 1 - value if chance.random() < 0.1 else value
    return value if chance.random() < 0.5 else min(1.0, max(0.0, value + chance.gauss(0, 0.2)))


def make_report(n: int, order: str, *, is_candidate: bool) -> EvaluationReport:
    """Return the report of one side."""
    kinds = dict.fromkeys(BINARY, MetricKind.BINARY) | dict.fromkeys(BOUNDED, MetricKind.BOUNDED)
    return EvaluationReport(
        experiment=Experiment(
            suite="speed",
            suite_id="speed",
            commit=None,
            base_ref=None,
            eligible=True,
            complete=True,
            missing=0,
            dataset=DatasetRef(name="speed", digest="0" * 64, n=n),
            backend=BackendInfo(name="file", label="file"),
            run_config={},
            evaluator_config={},
            fingerprints={},
            versions={},
            started_at=None,
            finished_at=None,
            evaluated_at="2026-01-01T00:00:00Z",
        ),
        metrics={key: _summary(key, kind, n) for key, kind in kinds.items()},
        breakdowns=(),
        statuses={"ok": n},
        cost=CostSummary(bot_usd=None, bot_priced=0, bot_rows=n, judges_usd=None, usage=Usage()),
        latency=LatencySummary(n=0, p50_ms=None, p95_ms=None, max_ms=None, cached=0),
        judges={},
        errors=(),
        samples=make_columns(n, order, is_candidate=is_candidate),
    )


def _summary(key: str, kind: MetricKind, n: int) -> MetricSummary:
    return MetricSummary(
        name=key,
        mean=0.5,
        std=0.3,
        sample_count=n,
        rows=n,
        ci95=None,
        unscored=0,
        direction=Direction.HIGHER,
        kind=kind,
        range=(0.0, 1.0),
        fingerprint="f",
    )


def one(n: int, order: str) -> None:
    """Compare once in this process and print a row."""
    before = make_report(n, order, is_candidate=False)
    now = make_report(n, order, is_candidate=True)
    held = peak_mib()
    start = time.perf_counter()
    terms = Terms(compared_at="2026-01-02T00:00:00Z")
    comparison = compare(now, before, terms, baseline_ref=BaselineRef(source="file"))
    taken = time.perf_counter() - start
    slices = len(getattr(comparison, "slices", ()))
    row = [f"{n:,}", order, f"{taken:.2f} s", f"{peak_mib():,.0f} MiB", f"{held:,.0f} MiB"]
    print(f"| {' | '.join(row)} | {len(comparison.changed):,} | {slices} |")


def peak_mib() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--samples", type=int, action="append")
    told.add_argument("--order", choices=ORDERS, action="append")
    told.add_argument("--here", action="store_true", help="in this process, the row alone")
    given = told.parse_args()
    sizes, orders = given.samples or [100_000, 1_000_000], given.order or ORDERS
    if given.here:
        one(sizes[0], orders[0])
        return
    print(machine(), end="\n\n")
    print("| samples | order | time | peak | before comparing | changed | slices |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for n in sizes:
        for order in orders:
            command = [sys.executable, __file__, "--here", "--samples", str(n), "--order", order]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
