"""The two clients that are set side by side: `lm-eval-so run`, and `reference.py`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
PASSING = frozenset(
    {
        *("latency_ms", "total_ms", "queue_ms", "started_at", "answered_at"),
        *("request_hash", "fingerprint"),
    }
)
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
    dataset: Path,
    folder: Path,
    *,
    kind: str,
    url: str = "",
    concurrency: int = CONCURRENCY,
    cache: bool = False,
) -> Taken:
    """Run `lm-eval-so run` into a folder, where its cache is, too, if it has one."""
    cached = str(folder / "cache.sqlite") if cache else False
    config = write_config(
        dataset, folder, kind=kind, url=url, run={"concurrency": concurrency, "cache": cached}
    )
    return measure(run_command(config), environ=KEY)


def write_config(
    dataset: Path, folder: Path, *, kind: str, url: str, run: Mapping[str, object]
) -> Path:
    """Write a config into a folder."""
    section = json.loads(json.dumps(BACKENDS[kind]).replace("URL", url))
    config = {
        "version": 1,
        "suite": "speed",
        "dataset": {"path": str(dataset)},
        "backend": section,
        "run": {**run, "seed": 0},
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return file


def run_command(config: Path) -> list[str]:
    """Return the command that asks what a config says, into a folder beside it."""
    command = ["-m", "lm_eval_so", "run", "--quiet", "-c", str(config)]
    return [sys.executable, *command, "-o", str(config.parent / "run")]


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
    """Let one ("ours", "ours, cache on", "reference") ask a server of its own; check what it wrote.

    Raises:
        RuntimeError: If a row is missing or has another answer than the server gave.
    """
    with serve(latency_ms=latency_ms) as server:
        if who == "reference":
            taken = reference(dataset, folder, kind=kind, url=server.url)
        else:
            cache = who == "ours, cache on"
            taken = ours(dataset, folder, kind=kind, url=server.url, cache=cache)
        check_rows(dataset, rows_of(folder))
        return taken, server.seen()


def rows_of(folder: Path) -> Path:
    """Return the rows that one of the two wrote into a folder."""
    rows = folder / "run" / "run_results.jsonl"
    return rows if rows.is_file() else folder / "rows.jsonl"


def check_rows(dataset: Path, rows: Path) -> None:
    """Compare what was written with what the server answers to each sample.

    Raises:
        RuntimeError: If a row is missing, stands twice or has another answer.
    """
    with dataset.open(encoding="utf-8") as samples:
        asked = {sample["id"]: answer_to(sample["input"]) for sample in map(json.loads, samples)}
    with rows.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["response"]["text"] != asked.pop(row["sample_id"], None):
                raise RuntimeError(f"{rows}: a wrong answer to {row['sample_id']}")
    if asked:
        raise RuntimeError(f"{rows}: {len(asked)} rows are missing")


def check_same(ours: Path, reference: Path) -> None:
    """Compare the rows of both, but for times and the digests that only ours can know.

    Raises:
        RuntimeError: If a row differs.
    """
    with reference.open(encoding="utf-8") as lines:
        theirs = {row["sample_id"]: _lasting(row) for row in map(json.loads, lines)}
    with ours.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if list(_lasting(row).items()) != list(theirs.pop(row["sample_id"]).items()):
                raise RuntimeError(f"the rows of {row['sample_id']} differ")


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in PASSING}
