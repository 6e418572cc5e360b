"""Shards on machines of their own, put together with commands."""

import json
from pathlib import Path

import pytest
from servers.commands import lm_eval_so
from servers.runs import rows, write_dataset

CONFIG = """
version: 1
suite: e2e
dataset: {path: .}
backend: {name: scripted, label: bot, options: {default: echo}}
run: {cache: false}
metrics: [exact_match]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asked = [f"환불은 며칠? #{i}" for i in range(30)]
    write_dataset(tmp_path, [{"id": t, "input": t, "expected": t} for t in asked])
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    for number in (1, 2, 3):
        done = lm_eval_so("run", "--quiet", "--shard", f"{number}/3", cwd=tmp_path)
        assert done.stdout.splitlines()[0] == f"runs/bot-{number}of3/run_results.jsonl"
    return tmp_path


def test_merge__shards_are_evaluated_as_one_run(folder: Path) -> None:
    parts = [f"runs/bot-{number}of3" for number in (3, 1, 2)]
    merged = lm_eval_so("merge", *parts, cwd=folder)
    assert (merged.returncode, merged.stderr) == (0, "merge: 30 rows from 3 folders: ok 30\n")
    assert merged.stdout == "runs/bot/run_results.jsonl\nruns/bot/run.json\n"
    assert [row["sample_id"] for row in rows(folder / "runs/bot")] == [
        f"환불은 며칠? #{i}" for i in range(30)
    ]
    assert lm_eval_so("evaluate", "--quiet", cwd=folder).returncode == 0
    report = json.loads((folder / "reports/report.json").read_text(encoding="utf-8"))
    assert report["experiment"]["complete"]
    assert report["metrics"]["exact_match"]["sample_count"] == 30
    again = lm_eval_so("run", cwd=folder)
    assert "nothing to ask: all 30 rows are in runs/bot" in again.stderr


def test_merge__a_shard_is_missing(folder: Path) -> None:
    parts = ("runs/bot-1of3", "runs/bot-2of3")
    merged = lm_eval_so("merge", *parts, cwd=folder)
    assert (merged.returncode, merged.stdout) == (3, "")
    assert merged.stderr.startswith("error: the run is not whole: shard 3/3 is missing\n")
    partial = lm_eval_so("merge", *parts, "--allow-partial", "--json", "-o", "half", cwd=folder)
    assert partial.returncode == 0
    info = json.loads(partial.stdout)
    assert (info["state"], info["stopped"]["by"]) == ("stopped", "allow_partial")
    assert info == json.loads((folder / "half/run.json").read_text(encoding="utf-8"))


def test_merge__an_altered_answer(folder: Path) -> None:
    for name in ("run_results.jsonl", "run.json"):
        text = (folder / "runs/bot-2of3" / name).read_text(encoding="utf-8")
        (folder / "again").mkdir(exist_ok=True)
        (folder / "again" / name).write_text(text.replace("며칠", "몇 달"), encoding="utf-8")
    before = (folder / "again/run_results.jsonl").read_text(encoding="utf-8")
    restored = before.replace('"sample_id":"환불은 몇 달', '"sample_id":"환불은 며칠')
    (folder / "again/run_results.jsonl").write_text(restored, encoding="utf-8")
    merged = lm_eval_so("merge", "again", *(f"runs/bot-{i}of3" for i in (1, 2, 3)), cwd=folder)
    assert merged.returncode == 2
    assert 'error: sample "환불은 며칠? #' in merged.stderr
    assert "runs/bot-2of3 and again have different answers" in merged.stderr.replace(
        "again and runs/bot-2of3", "runs/bot-2of3 and again"
    )
    assert not (folder / "runs/bot").exists()
