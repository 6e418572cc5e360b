"""How much memory and time evaluating and comparing very many rows takes, on this machine.

    python benchmarks/many_rows.py                            100,000 and 1,000,000 rows, as Markdown on stdout
    python benchmarks/many_rows.py --rows 10000000 --short    answers of 20 characters, one metric
    python benchmarks/many_rows.py --rows 100000 --samples inline

A dataset and two runs of it. The long answers are Korean, of 450 characters, and differ in one row of
eleven; they are evaluated by exact_match, keyword_coverage and latency_ms. The short ones are Korean and
English, a fifth of them wrong; they are evaluated by exact_match. Each step is the command as users start
it, with its defaults: `evaluate` of both runs, `compare`, `report` as Markdown and HTML, `baseline
update`. A million rows need 7 GB of disk, a million short ones 2 GB; TMPDIR says where.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from evaluate import FINGERPRINT, write_info, write_samples
from measured import machine, measure

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import sample_hash

LONG: tuple[Any, ...] = ("exact_match", "keyword_coverage", "latency_ms")
SHORT: tuple[Any, ...] = ("exact_match",)
RUNS = ("before", "now")
Step = tuple[str, list[str]]
"""Name and arguments of a command."""
MORE = "상품을 받으신 뒤 7일 안에 반품을 신청하실 수 있고, 문제가 있으면 30일 안에 신청하실 수 있습니다. "


def write_short_samples(folder: Path, n: int) -> None:
    """Write test.jsonl with short questions in Korean and English."""
    with (folder / "test.jsonl").open("w", encoding="utf-8") as file:
        for number in range(n):
            is_korean = number % 2 == 0
            korean, english = (
                f"주문 {number}번은 며칠 걸리나요?",
                f"When will order {number} arrive?",
            )
            sample = {
                "id": f"q{number:08}",
                "input": korean if is_korean else english,
                "expected": short_answer(number),
                "language": "ko" if is_korean else "en",
            }
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")


def short_answer(number: int) -> str:
    """Return the right answer to a short question."""
    days = number % 28 + 1
    return f"영업일 기준 {days}일입니다." if number % 2 == 0 else f"In {days} business days."


def write_run(folder: Path, side: int, *, is_short: bool) -> None:
    """Write the folder of a run that answered every sample."""
    dataset = load_dataset(folder / "test.jsonl")
    run = folder / RUNS[side]
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
    """Return an answer.

    A fifth of the short ones are wrong in both runs, one in 28 of them in one run alone. One in eleven
    of the long ones has another number of days in the second run.
    """
    if is_short:
        is_wrong = (number % 5 == 0) != (side == 1 and number % 55 in {0, 11})
        return "잘 모르겠습니다." if is_wrong else short_answer(number)
    days = number % 28 + 1 + (side and number % 11 == 0)
    text = (
        f"네, 고객님. 문의하신 {number}번 주문은 영업일 기준 {days}일 안에 환불됩니다. {MORE * 8}"
    )
    return text[:450]


def write_config(folder: Path, *, is_short: bool, samples: str | None) -> None:
    """Write the config of both runs."""
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


def evaluations(folder: Path, *, is_short: bool) -> Iterator[Step]:
    """Yield the evaluation of each run, which is on the disk only as long as it is needed."""
    for side, name in enumerate(RUNS):
        write_run(folder, side, is_short=is_short)
        out = folder / f"reports-{name}"
        command = ["evaluate", *named(folder), "--run", str(folder / name), "-o", str(out)]
        yield "evaluate", command
        shutil.rmtree(folder / name)


def later_steps(folder: Path) -> Iterator[Step]:
    """Yield what follows on two reports."""
    old, new, out = (str(folder / name) for name in ("reports-before", "reports-now", "reports"))
    yield "compare", ["compare", new, *named(folder), "--baseline", old, "-o", out]
    comparison = ["--comparison", f"{out}/comparison.json"]
    for kind in ("md", "html"):
        yield (
            f"report {kind}",
            ["report", new, *comparison, "--format", kind, "-o", f"{out}/{kind}"],
        )
    why = ["--reason", "a benchmark", "--force"]
    yield "baseline update", ["baseline", "update", new, *named(folder), *why]


def named(folder: Path) -> list[str]:
    """Return the options that name the config."""
    return ["-c", str(folder / "lm-eval-so.yaml"), "-q"]


def bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rows", type=int, action="append")
    arguments.add_argument("--short", action="store_true", help="short answers and one metric")
    arguments.add_argument("--samples", choices=["inline", "file"], help="report.samples")
    told = arguments.parse_args()
    print(f"{machine()}\n\n| rows | step | wall s | CPU s | peak MiB | MB written |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |", flush=True)
    for n in told.rows or [100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (write_short_samples if told.short else write_samples)(folder, n)
            write_config(folder, is_short=told.short, samples=told.samples)
            for step, command in chain(
                evaluations(folder, is_short=told.short), later_steps(folder)
            ):
                before = bytes_in(folder)
                took = measure([sys.executable, "-m", "lm_eval_so", *command], exits=(0, 1))
                written = (bytes_in(folder) - before) / 1e6
                figures = f"{took.wall_s:.0f} | {took.cpu_s:.0f} | {took.peak_mib:.0f}"
                print(f"| {n:,} | {step} | {figures} | {written:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
