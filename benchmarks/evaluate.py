"""How long `lm-eval-so evaluate` takes and how much memory it needs, on this machine.

    python benchmarks/evaluate.py                       both sizes, as Markdown on stdout
    python benchmarks/evaluate.py --scale 0.1 --rounds 1
    python benchmarks/evaluate.py --each                what each metric costs alone, too

The input is a Korean dataset, with a reference, keywords and a tag for every sample, and a run with
answers of about 120 characters. The figures cover the whole process: start-up, reading, scoring and
writing the report. Texts are left out of the report (`report.answers: none`).
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import Taken, machine, measure

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.codec import dump_row, dumps
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import BackendInfo, DatasetRef, Response, RunInfo, RunResult

METRICS: tuple[dict[str, Any], ...] = (
    {"name": "exact_match"},
    {"name": "contains", "params": {"boundary": "word"}},
    {"name": "keyword_coverage"},
    {"name": "regex", "params": {"pattern": "영업일|무료"}},
    {"name": "token_f1"},
    {"name": "char_f1"},
    {"name": "rouge_l"},
    {"name": "edit_similarity"},
    {"name": "latency_ms"},
    {"name": "output_tokens"},
)
FINGERPRINT = "f" * 64


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    folder: Path
    rounds: int
    scale: float

    def folder_of(self, n: int) -> tuple[int, Path]:
        """Return a dataset and its run, about n samples, made once."""
        n = max(10, round(n * self.scale))
        folder = self.folder / str(n)
        if not folder.is_dir():
            folder.mkdir()
            write_samples(folder, n)
            write_run(folder)
        return n, folder


def write_samples(folder: Path, n: int) -> None:
    """Write test.jsonl."""
    with (folder / "test.jsonl").open("w", encoding="utf-8") as file:
        for number in range(n):
            days = number % 28 + 1
            sample = {
                "id": f"q{number:07}",
                "input": f"주문 {number}번의 환불은 며칠 걸리고 배송비는 얼마인가요?",
                "expected": f"환불은 영업일 기준 {days}일이고, 배송비는 3,000원입니다.",
                "language": "ko",
                "tags": [f"tag{number % 20}"],
                "metrics": {"keyword_coverage": {"keywords": [f"{days}일", "배송비"]}},
            }
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")


def write_run(folder: Path) -> None:
    """Write the folder of a run that answered every sample, some of them wrongly."""
    dataset = load_dataset(folder / "test.jsonl")
    run = folder / "bot"
    run.mkdir()
    with (run / "run_results.jsonl").open("w", encoding="utf-8") as file:
        for number, sample in enumerate(dataset):
            days = number % 28 + 1 + (number % 5 == 0)
            text = (
                f"네, 고객님. 문의하신 {number}번 주문은 영업일 기준 {days}일 안에 환불됩니다. "
                "반품이 확인되면 결제하신 수단으로 돌려드리며, 배송비는 3,000원이고 회원 등급에 따라 "
                "무료일 수 있습니다. 더 궁금하신 점은 고객센터로 문의해 주세요."
            )
            row = RunResult(
                sample_id=sample.id,
                sample_hash=sample_hash(sample),
                status=RunStatus.OK,
                response=Response(text=text, finish_reason="stop"),
                usage=Usage(input_tokens=40, output_tokens=60 + number % 20),
                latency_ms=200.0 + number % 700,
                fingerprint=FINGERPRINT,
                model="bot-1",
            )
            file.write(dump_row(row) + "\n")
    write_info(run, "speed", dataset.ref)


def write_info(run: Path, suite: str, dataset: DatasetRef) -> None:
    """Write run.json of a run that answered every sample."""
    info = RunInfo(
        state="complete",
        suite=suite,
        config_digest="c" * 64,
        fingerprint=FINGERPRINT,
        reach="e" * 64,
        backend=BackendInfo(name="scripted", label=run.name, model="bot-1"),
        dataset=dataset,
        repeats=1,
        seed=7,
        planned=dataset.n,
        counts={"ok": dataset.n},
        requests=dataset.n,
        started_at="2026-03-02T09:10:00.000Z",
        finished_at="2026-03-02T09:13:00.000Z",
    )
    (run / "run.json").write_text(dumps(info) + "\n", encoding="utf-8")


def evaluate(folder: Path, metrics: Sequence[dict[str, Any]]) -> Taken:
    """Evaluate the run in a folder by the command, and give what its process took."""
    config = {
        "version": 1,
        "suite": "speed",
        "dataset": {"path": "."},
        "metrics": list(metrics),
        "report": {"answers": "none", "formats": ["json"], "out": "reports"},
    }
    file = folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    command = [sys.executable, "-m", "lm_eval_so", "evaluate", "-c", str(file), "-q"]
    return measure([*command, "--run", str(folder / "bot")])


def sizes(plan: Plan) -> str:
    """Time and memory by the number of samples."""
    lines = [
        "| samples | wall s | CPU s | CPU µs per score | peak MiB |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for wanted in (10_000, 100_000):
        n, folder = plan.folder_of(wanted)
        taken = [evaluate(folder, METRICS) for _ in range(plan.rounds)]
        lines.append(f"| {n:,} | {_figures(n, taken)} |")
    title = f"## {len(METRICS)} rule metrics, median of {plan.rounds}"
    return "\n".join([title, "", *lines, ""])


def _figures(n: int, runs: Sequence[Taken]) -> str:
    wall = statistics.median(run.wall_s for run in runs)
    cpu = statistics.median(run.cpu_s for run in runs)
    peak = max(run.peak_mib for run in runs)
    return f"{wall:.1f} | {cpu:.1f} | {cpu / n / len(METRICS) * 1e6:.1f} | {peak:.0f}"


def each(plan: Plan) -> str:
    """What a metric adds to an evaluation by `latency_ms`, which takes a number from the row."""
    n, folder = plan.folder_of(10_000)
    nothing = evaluate(folder, [{"name": "latency_ms"}]).cpu_s
    lines = ["| metric | CPU µs per row |", "| --- | ---: |"]
    for metric in METRICS:
        if metric["name"] != "latency_ms":
            more = evaluate(folder, [{"name": "latency_ms"}, metric]).cpu_s
            more -= nothing
            lines.append(f"| {metric['name']} | {more / n * 1e6:.0f} |")
    return "\n".join([f"## Each metric, n = {n:,}", "", *lines, ""])


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--scale", type=float, default=1, help="times the number of samples")
    arguments.add_argument("--each", action="store_true", help="measure each metric alone, too")
    told = arguments.parse_args()
    print(f"# Evaluate\n\n{machine()}\n\n{__doc__.partition(chr(10) * 2)[2]}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), told.rounds, told.scale)
        print(sizes(plan), flush=True)
        if told.each:
            print(each(plan), flush=True)


if __name__ == "__main__":
    main()
