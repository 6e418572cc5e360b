"""The benchmark runs, and both clients that it compares write the same rows."""

import subprocess
import sys
from pathlib import Path

import pytest
from servers.chromium import program

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(folder: Path, script: str, *arguments: str) -> str:
    """Run a benchmark in a folder, and give what it prints."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        cwd=folder,
        env={"TMPDIR": str(folder), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speed__small(tmp_path: Path):
    shown = run(tmp_path, "speed.py", "--part", "overhead", "--rounds", "1", "--scale", "0.002")
    cells = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in cells[2:]] == [
        ["| openai", "ours"],
        ["| openai", "ours, cache on"],
        ["| openai", "reference"],
        ["| http", "ours"],
        ["| http", "ours, cache on"],
        ["| http", "reference"],
    ]
    assert "n = 40" in shown
    assert not list(tmp_path.iterdir())


def test_compare__small(tmp_path: Path):
    shown = run(tmp_path, "compare.py", "--samples", "200")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[2:]] == ["same", "shuffled", "groups", "missing"]
    assert all(row[-1] == "50 |" for row in rows[2:])


def test_gate_these__small(tmp_path: Path):
    shown = run(tmp_path, "gate_these.py", "--part", "unequal", "--runs", "3")
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[:2] for row in rows[2:4]] == [["| 30", "10 : 3"], ["| 30", "5 : 2"]]
    assert not list(tmp_path.iterdir())


def test_gate_guards__small(tmp_path: Path):
    shown = run(tmp_path, "gate_guards.py", "--part", "skewed", "--part", "missing", "--runs", "2")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert next(row[0] for row in rows if row[1] == "30") == "| few lose all, the others nothing"
    assert rows[-1][:3] == ["| margin", "10", "wrong answers"]
    assert not list(tmp_path.iterdir())


def test_repeats__small(tmp_path: Path):
    shown = run(tmp_path, "repeats.py", "--part", "creep", "--runs", "4")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert [row[1:3] for row in rows[2:5]] == [["1", "–"], ["5", "–"], ["1", "1"]]
    assert not list(tmp_path.iterdir())


def test_broken__small(tmp_path: Path):
    shown = run(tmp_path, "broken.py", "--runs", "5")
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:5]] == ["| 80/20"] * 3
    assert rows[-1].startswith("| 1 | 20.0 % | 10 | 100 | ")
    assert not list(tmp_path.iterdir())


def test_control__small(tmp_path: Path):
    shown = run(tmp_path, "control.py", "--runs", "2")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert {row[0] for row in rows[2:]} == {"| nobody", "| provider", "| pull request"}
    assert not list(tmp_path.iterdir())


def test_control_server__small(tmp_path: Path):
    which = ("--answers", "1", "--by", "provider", "pull request")
    shown = run(tmp_path, "control_server.py", "--seeds", "5", *which)
    cells = [line.strip("| ").split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    blamed, main_too = ({row[0]: row[place] for row in cells[2:]} for place in (2, 3))
    assert blamed["provider"] == "0.0 %"
    assert float(blamed["pull request"].removesuffix(" %")) >= 80
    assert float(main_too["provider"].removesuffix(" %")) >= 80
    assert main_too["pull request"] == "0.0 %"
    assert not list(tmp_path.iterdir())


def test_staleness__small(tmp_path: Path):
    shown = run(tmp_path, "staleness.py", "--pure", "12", "--effects", "60")
    rows = [line for line in shown.splitlines() if line.startswith("| **all**")]
    assert rows == ["| **all** | 12 | 0 | 0 |", "| **all** | 60 | 0 | 0 |"]
    assert not list(tmp_path.iterdir())


def test_report_page__small(tmp_path: Path):
    program()  # or there is none
    shown = run(tmp_path, "report_page.py", "--cases", "60", "--rounds", "1")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[2:]] == [["| changed", "60"], ["| all", "60"]]


@pytest.mark.ray
def test_engine__small(tmp_path: Path):
    """Each row once, and no process left; or the benchmark fails."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    few = ("--part", "overhead", "--workers", "2", "--rounds", "1", "--scale", "0.005")
    shown = run(tmp_path, "engine.py", *few)
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["| local", "| ray, 2 workers"]
    assert all(float(row[1].partition(" ")[0].replace(",", "")) > 1 for row in rows[2:])
    assert not list(tmp_path.iterdir())
