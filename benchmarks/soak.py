"""Minutes of `lm-eval-so run` against a server that refuses, breaks, hangs and talks nonsense.

    python benchmarks/soak.py                 ten minutes, as Markdown on stdout
    python benchmarks/soak.py --minutes 0.5 --seed 7

Every row is compared with what the server did: each sample has one, it holds the answer of its own question or
says what the server did last, and its retries are the server's failures, in their order. The server
saw no more requests at once than `run.concurrency`, no more a second than `run.max_requests_per_s`,
and none before its Retry-After had run out. Exits 1 if anything of that is not so.
"""

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from measured import HERE, machine, measure
from measured import Taken as Process
from soak_server import SAYS_S, SHARES, Taken, answer_to

CONCURRENCY = 32
PER_S = 250
TIMEOUT_S = 2.0
ATTEMPTS_PER_ROW = 1 / (1 - sum(SHARES.values()))
MOST_MIB = 150
KINDS: Mapping[str, str] = {
    "refused, says 1 s": "rate_limit",
    "refused": "rate_limit",
    "server": "server",
    "reset": "connection",
    "hang": "timeout",
    "malformed": "bad_response",
}
"""What a row calls that which the server did."""
STATUSES: Mapping[str, str] = {"rate_limit": "rate_limited", "timeout": "timeout"}
"""Status of a row that ended so; else `error`."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What is left of a run."""

    questions: Mapping[str, str]
    """By id of the sample."""
    rows: Sequence[Mapping[str, Any]]
    info: Mapping[str, Any]
    taken: Mapping[str, Sequence[Taken]]
    """What the server did with each question, in order."""
    process: Process


def soak(folder: Path, *, minutes: float, seed: int) -> Soaked:
    """Run so long, and read what run and server wrote."""
    count = max(50, round(minutes * 60 * PER_S / ATTEMPTS_PER_ROW))
    questions = {f"q{i:06}": f"주문 {i}번의 환불은 며칠 걸리나요?" for i in range(count)}
    with (folder / "test.jsonl").open("w", encoding="utf-8") as lines:
        for name, question in questions.items():
            lines.write(json.dumps({"id": name, "input": question}, ensure_ascii=False) + "\n")
    log = folder / "server.jsonl"
    with serving(log, seed) as url:
        process = measure(command(folder, url), environ={"OPENAI_API_KEY": "no-secret-at-all"})
    taken: defaultdict[str, list[Taken]] = defaultdict(list)
    for line in log.read_text(encoding="utf-8").splitlines():
        one = Taken(**json.loads(line))
        taken[one.question].append(one)
    out = folder / "run"
    text = (out / "run_results.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    info = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return Soaked(questions, rows, info, taken, process)


def command(folder: Path, url: str) -> list[str]:
    """Write the config, and give the command that runs it."""
    config = {
        "version": 1,
        "suite": "soak",
        "dataset": {"path": str(folder)},
        "backend": {"name": "openai", "params": {"model": "soak"}, "options": {"base_url": url}},
        "run": {
            "concurrency": CONCURRENCY,
            "timeout_s": TIMEOUT_S,
            "max_requests_per_s": PER_S,
            "cache": False,
        },
    }
    file = folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    return [sys.executable, "-m", "lm_eval_so", "run", "-c", str(file), "-o", str(folder / "run")]


@contextmanager
def serving(log: Path, seed: int) -> Iterator[str]:
    """Start the server in a process of its own, and give its URL; at the end it writes its log."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "soak_server.py"), "--seed", str(seed), "--log", str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def wrong_rows(soaked: Soaked) -> Iterator[str]:
    """Name what is wrong with the rows."""
    names = [row["sample_id"] for row in soaked.rows]
    if names != list(soaked.questions):
        yield f"{len(set(names))} of {len(soaked.questions)} samples in {len(names)} rows"
    for row in soaked.rows:
        question = soaked.questions[row["sample_id"]]
        moves = [KINDS.get(taken.move) for taken in soaked.taken[question]]
        told = [retry["kind"] for retry in row["retries"]]
        if row["attempts"] != len(moves) or told != moves[:-1]:
            yield f"{row['sample_id']}: {row['attempts']} attempts, {told}; the server: {moves}"
        elif moves[-1] is None:
            right = row["status"] == "ok" and row["response"]["text"] == answer_to(question)
            if not right:
                yield f"{row['sample_id']}: {row['status']}, {row['response']}"
        else:
            status = STATUSES.get(moves[-1], "error")
            kind = (row["error"] or {}).get("kind")
            if (row["status"], kind, row["response"]) != (status, moves[-1], None):
                yield f"{row['sample_id']}: {row['status']} {kind}; the server: {moves[-1]}"


def wrong_times(soaked: Soaked) -> Iterator[str]:
    """Name what came too early, or too much at once."""
    for question, taken in soaked.taken.items():
        for one, other in pairwise(taken):
            waited_s = other.came_at - one.left_at
            if one.move.endswith("1 s") and waited_s < SAYS_S:
                yield f"{question}: asked again after {waited_s:.3f} s, not {SAYS_S} s"
    if (peak := peak_of(soaked)) > CONCURRENCY:
        yield f"{peak} requests at once, not {CONCURRENCY}"
    if (rate := rate_of(soaked)) > PER_S * 1.01:
        yield f"{rate:.1f} requests a second, not {PER_S}"


def wrong_totals(soaked: Soaked) -> Iterator[str]:
    """Name what the run tells of itself, and is not so."""
    requests = sum(map(len, soaked.taken.values()))
    if soaked.info["requests"] != requests:
        yield f"run.json: {soaked.info['requests']} requests; the server: {requests}"
    counts = dict(Counter(row["status"] for row in soaked.rows))
    if soaked.info["counts"] != counts:
        yield f"run.json: {soaked.info['counts']}; the rows: {counts}"
    if soaked.process.peak_mib > MOST_MIB:
        yield f"{soaked.process.peak_mib:.0f} MiB of memory, not {MOST_MIB}"


def peak_of(soaked: Soaked) -> int:
    """Most requests at once. One that hung ended for the client when its time was up, whenever
    the server came to see that."""
    ends: list[float] = []
    peak = 0
    for one in sorted(
        (one for taken in soaked.taken.values() for one in taken), key=lambda one: one.came_at
    ):
        while ends and ends[0] <= one.came_at:
            heapq.heappop(ends)
        ended = one.left_at or float("inf")
        heapq.heappush(ends, min(ended, one.came_at + TIMEOUT_S - 0.1))
        peak = max(peak, len(ends))
    return peak


def rate_of(soaked: Soaked) -> float:
    """Requests a second on average."""
    times = [one.came_at for taken in soaked.taken.values() for one in taken]
    return (len(times) - 1) / (max(times) - min(times))


def summary(soaked: Soaked, wrong: Sequence[str], seed: int) -> str:
    """Tell it in Markdown."""
    moves = Counter(one.move for taken in soaked.taken.values() for one in taken)
    requests = moves.total()
    limits = [change["limit"] for change in soaked.info["limits"]]
    facts = (
        f"{len(soaked.rows):,} rows, {requests:,} requests",
        f"{rate_of(soaked):.0f} a second (at most {PER_S})",
        f"peak {peak_of(soaked)} at once (at most {CONCURRENCY})",
        f"the limit between {min(limits)} and {max(limits)} in {len(limits)} steps",
        f"{soaked.process.peak_mib:.0f} MiB (at most {MOST_MIB})",
        f"{soaked.process.cpu_s:.0f} s of CPU",
    )
    lines = [
        f"## Soak: {soaked.process.wall_s / 60:.1f} minutes, seed {seed}",
        "",
        f"{machine()}. {', '.join(facts)}.",
        "",
        "| the server | requests | share |",
        "| --- | ---: | ---: |",
        *(f"| {move} | {n:,} | {n / requests:.1%} |" for move, n in sorted(moves.items())),
        "",
        "| rows | number |",
        "| --- | ---: |",
        *(f"| {status} | {n:,} |" for status, n in sorted(soaked.info["counts"].items())),
        "",
        f"Breaches: {len(wrong)}.",
        *(f"- {text}" for text in wrong[:20]),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run for minutes against a bad server.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), minutes=given.minutes, seed=given.seed)
    wrong = [*wrong_rows(soaked), *wrong_times(soaked), *wrong_totals(soaked)]
    print(summary(soaked, wrong, given.seed))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
