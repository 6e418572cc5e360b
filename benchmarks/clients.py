"""The two clients that are set side by side: `lm-eval-so run`, and `reference.py`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from measured import HERE, Seen, Taken, measure, serve
from server import answer_to

BACKENDS: Mapping[str, object] = {
    "openai": {
        "name": "openai",
        "params": {"model": "bench", "temperature": 0},
        "options": {"base_url": "URL/v1"},
    },
    "http": {
        "name": "http",
        "options": {
            "url": "URL/chat",
            "body": {"message": "{{ last_user }}"},
            "response": {
                "text": "answer.text",
                "input_tokens": "usage.in",
                "output_tokens": "usage.out",
            },
        },
    },
    "scripted": {"name": "scripted", "options": {"default": "echo"}},
}
CONCURRENCY = 64
KEY = {"OPENAI_API_KEY": "no-secret-at-all"}


def write_samples(folder: Path, n: int) -> Path:
    """Write a dataset of n short questions."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "test.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for i in range(n):
            sample = {
                "id": f"q{i:07}",
                "input": f"주문 {i}번의 환불은 며칠 걸리나요?",
                "expected": "영업일 기준 3일",
                "language": "ko",
            }
            lines.write(json.dumps(sample, ensure_ascii=False) + "\n")
    return file


def ours(
    dataset: Path, folder: Path, *, backend: str, url: str = "", concurrency: int = CONCURRENCY
) -> Taken:
    """Run `lm-eval-so run` into a folder; the cache is off."""
    section = json.loads(json.dumps(BACKENDS[backend]).replace("URL", url))
    config = {
        "version": 1,
        "suite": "speed",
        "dataset": {"path": str(dataset)},
        "backend": section,
        "run": {"concurrency": concurrency, "cache": False},
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    command = ["-m", "lm_eval_so", "run", "--quiet", "-c", str(file), "-o", str(folder / "run")]
    return measure([sys.executable, *command], environ=KEY)


def reference(
    dataset: Path, folder: Path, *, kind: str, url: str, concurrency: int = CONCURRENCY
) -> Taken:
    """Run the reference client into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "reference.py"), str(dataset), "--url", url]
    command += ["--kind", kind, "--concurrency", str(concurrency)]
    return measure([*command, "--out", str(folder / "rows.jsonl")])


def ask(
    who: str, dataset: Path, folder: Path, *, kind: str, latency_ms: float = 0
) -> tuple[Taken, Seen]:
    """Let one of the two ("ours", "reference") ask a server of its own, and check what it wrote.

    Raises:
        RuntimeError: If a row is missing or has another answer than the server gave.
    """
    with serve(latency_ms=latency_ms) as server:
        if who == "ours":
            taken = ours(dataset, folder, backend=kind, url=server.url)
            check_rows(dataset, folder / "run" / "run_results.jsonl")
        else:
            taken = reference(dataset, folder, kind=kind, url=server.url)
            check_rows(dataset, folder / "rows.jsonl")
        return taken, server.seen()


def check_rows(dataset: Path, rows: Path) -> None:
    """Compare what was written with what the server answers to each sample.

    Raises:
        RuntimeError: If a row is missing, stands twice or has another answer.
    """
    asked = {}
    with dataset.open(encoding="utf-8") as samples:
        for sample in map(json.loads, samples):
            asked[sample["id"]] = answer_to(sample["input"])
    with rows.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["response"]["text"] != asked.pop(row["sample_id"], None):
                raise RuntimeError(f"{rows}: a wrong answer to {row['sample_id']}")
    if asked:
        raise RuntimeError(f"{rows}: {len(asked)} rows are missing")
