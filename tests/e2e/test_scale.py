"""Many rows at once: none is lost, and memory does not grow with their number."""

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.runs import rows, write_dataset

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROWS = 5_000
QUESTION = ("주문한 물건이 아직 오지 않았어요. " * 40).encode()[:1000].decode(errors="ignore")


@contextmanager
def loopback(latency_ms: float) -> Iterator[str]:
    """Serve in a process of its own, and give its URL."""
    process = subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "server.py"), "--latency-ms", str(latency_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def run_measured(folder: Path, backend: dict[str, Any]) -> dict[str, float]:
    """Run the command over the dataset in a folder, and give what its process took."""
    config = {
        "version": 1,
        "suite": "scale",
        "dataset": {"path": "."},
        "backend": backend,
        "run": {"concurrency": 64, "cache": False},
    }
    (folder / "lm-eval-so.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "lm_eval_so", "run", "-c", str(folder / "lm-eval-so.yaml")]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "launch.py"), *command],
        env={"OPENAI_API_KEY": "sk-test-1234567890abcdef", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run__thousands_of_rows_of_one_kilobyte(tmp_path: Path):
    samples = [{"id": f"q{i:05}", "input": f"{QUESTION}#{i}"} for i in range(ROWS)]
    write_dataset(tmp_path, samples)
    assert all(1000 <= len(sample["input"].encode()) <= 1010 for sample in samples)
    with loopback(latency_ms=5) as url:
        options = {"base_url": f"{url}/v1"}
        taken = run_measured(
            tmp_path,
            {"name": "openai", "label": "bot", "params": {"model": "m"}, "options": options},
        )
    found = rows(tmp_path / "runs" / "bot")
    assert [row["sample_id"] for row in found] == [sample["id"] for sample in samples]
    assert {row["status"] for row in found} == {"ok"}
    for sample, row in zip(samples, found, strict=True):
        assert f"{zlib.crc32(sample['input'].encode()):08x}" in row["response"]["text"]
    assert taken["peak_mib"] <= 100, taken


def test_run__memory_is_flat(tmp_path: Path):
    peaks = []
    for n in (100, 4_000):
        folder = tmp_path / str(n)
        write_dataset(folder, n)
        echo = {"name": "scripted", "options": {"default": "echo"}}
        peaks.append(run_measured(folder, echo)["peak_mib"])
        again = run_measured(folder, echo)  # all rows are read, and none is asked
        peaks.append(again["peak_mib"])
    assert max(peaks) - min(peaks) <= 4, peaks  # 24 bytes a row for keys and places are 0.1


def test_evaluate__a_row_takes_little_memory(tmp_path: Path):
    """The benchmark, at a twentieth of its size; it leaves nothing behind."""
    command = [sys.executable, str(BENCHMARKS / "evaluate.py"), "--rounds", "1", "--scale", "0.05"]
    environ = {"TMPDIR": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=True)
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith("| ")]
    peaks = {row[0]: int(row[-1]) for row in (line.strip("| ").split(" | ") for line in lines[2:])}
    assert [*peaks] == ["500", "5,000"]
    assert peaks["5,000"] - peaks["500"] <= 8, peaks
    assert not list(tmp_path.iterdir())
