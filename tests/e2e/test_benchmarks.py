"""The benchmark runs, and both clients that it compares write the same rows."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_speed__small(tmp_path: Path):
    command = [sys.executable, str(BENCHMARKS / "speed.py"), "--part", "overhead"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--scale", "0.002"],
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in cells[2:]] == [
        ["| openai", "ours"],
        ["| openai", "reference"],
        ["| http", "ours"],
        ["| http", "reference"],
    ]
    assert "n = 40" in done.stdout
    assert not list(tmp_path.iterdir())


def test_evaluate__small(tmp_path: Path):
    command = [sys.executable, str(BENCHMARKS / "evaluate.py"), "--rounds", "1", "--scale", "0.001"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    shown = [row.split(" | ")[:2] for row in rows[2:]]
    assert shown == [[n, each] for n in ("| 10", "| 100") for each in ("first", "second")]
    assert not list(tmp_path.iterdir())


def test_compare__small(tmp_path: Path):
    command = [sys.executable, str(BENCHMARKS / "compare.py"), "--samples", "200"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[2:]] == ["same", "shuffled", "groups", "missing"]
    assert all(row[-1] == "50 |" for row in rows[2:])
