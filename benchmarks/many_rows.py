"""How much memory and time evaluating and comparing very many rows takes, on this machine.

    python benchmarks/many_rows.py                            100,000 and 1,000,000 rows, as Markdown on stdout
    python benchmarks/many_rows.py --rows 4000000 --short     answers of 30 characters, one metric
    python benchmarks/many_rows.py --rows 100000 --samples inline

A Korean dataset and two runs of it, with answers of 450 characters that differ in one row of eleven.
Each step is the command as users start it, with its defaults: `evaluate` of both runs (by exact_match,
keyword_coverage and latency_ms), `compare`, `report` as Markdown and HTML, `baseline update`. A million
rows need 7 GB of disk.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluate import FINGERPRINT, write_info, write_samples
from measured import machine, measure

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import sample_hash

LONG: tuple[Any, ...] = ("exact_match", "keyword_coverage", "latency_ms")
SHORT: tuple[Any, ...] = ({"name": "regex", "params": {"pattern": "[0-9]일"}},)
MORE = "상품을 받으신 뒤 7일 안에 반품을 신청하실 수 있고, 문제가 있으면 30일 안에 신청하실 수 있습니다. "


def write_runs(folder: Path, *, is_short: bool) -> None:
    """Write the folders of two runs that answered every sample."""
    dataset = load_dataset(folder / "test.jsonl")
    runs = [folder / name for name in ("before", "now")]
    for side, run in enumerate(runs):
        run.mkdir()
        with (run / "run_results.jsonl").open("w", encoding="utf-8") as file:
            for number, sample in enumerate(dataset):
                row = {
                    "schema": "lm-eval-so/run/1",
                    "sample_id": sample.id,
                    "sample_hash": sample_hash(sample),
                    "status": "ok",
                    "response": {"text": answer(number, side, is_short=is_short)},
                    "latency_ms": 200.0 + number % 700,
                    "fingerprint": FINGERPRINT,
                    "model": "bot-1",
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        write_info(run, "many", dataset.ref)


def answer(number: int, side: int, *, is_short: bool) -> str:
    """Return an answer; one in eleven of the second run has another number of days."""
    days = number % 28 + 1 + (side and number % 11 == 0)
    if is_short:
        return f"영업일 기준 {days if number % 5 else '며칠 '}일입니다."
    text = (
        f"네, 고객님. 문의하신 {number}번 주문은 영업일 기준 {days}일 안에 환불됩니다. {MORE * 8}"
    )
    return text[:450]


def steps(folder: Path, *, is_short: bool, samples: str | None) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each command."""
    report = {"formats": ["json"]} | ({"samples": samples} if samples else {})
    config = {
        "version": 1,
        "suite": "many",
        "dataset": {"path": "."},
        "metrics": list(SHORT if is_short else LONG),
        "baseline": {"path": "baseline.json"},
        "report": report,
    }
    (folder / "lm-eval-so.yaml").write_text(json.dumps(config, ensure_ascii=False), "utf-8")
    named = ["-c", str(folder / "lm-eval-so.yaml")]
    old, new, out = (str(folder / name) for name in ("reports-before", "reports-now", "reports"))
    yield "evaluate", ["evaluate", *named, "-q", "--run", str(folder / "before"), "-o", old]
    yield "evaluate", ["evaluate", *named, "-q", "--run", str(folder / "now"), "-o", new]
    yield "compare", ["compare", new, *named, "-q", "--baseline", old, "-o", out]
    comparison = ["--comparison", f"{out}/comparison.json"]
    for kind in ("md", "html"):
        yield (
            f"report {kind}",
            ["report", new, *comparison, "--format", kind, "-o", f"{out}/{kind}"],
        )
    why = ["--reason", "a benchmark", "--force"]
    yield "baseline update", ["baseline", "update", new, *named, "-q", *why]


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rows", type=int, action="append")
    arguments.add_argument("--short", action="store_true", help="short answers and one metric")
    arguments.add_argument("--samples", choices=["inline", "file"], help="report.samples")
    told = arguments.parse_args()
    print(f"{machine()}\n\n| rows | step | wall s | CPU s | peak MiB |")
    print("| ---: | --- | ---: | ---: | ---: |", flush=True)
    for n in told.rows or [100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_samples(folder, n)
            write_runs(folder, is_short=told.short)
            for step, command in steps(folder, is_short=told.short, samples=told.samples):
                took = measure([sys.executable, "-m", "lm_eval_so", *command], exits=(0, 1))
                figures = f"{took.wall_s:.0f} | {took.cpu_s:.0f} | {took.peak_mib:.0f}"
                print(f"| {n:,} | {step} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
