"""An incomparable verdict tells how to measure the baseline again, and that works as it is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

from servers.commands import git, lm_eval_so

CONFIG = """\
version: 1
suite: echo
dataset: {path: data}
backend: {name: python, options: {target: "bot.py:answer"}}
metrics: [exact_match]
"""
BOT = """\
def answer(messages, *, sample, params, session):
    return PREFIX + messages[-1]["content"]
"""


def test_rerun__the_commands_measure_the_old_chatbot_by_the_new_metric(tmp_path: Path) -> None:
    folder = tmp_path / "평가 폴더"
    (folder / "data").mkdir(parents=True)
    samples = [{"id": f"q{i}", "input": str(i), "expected": str(i)} for i in range(60)]
    (folder / "data/test.jsonl").write_text("".join(f"{json.dumps(s)}\n" for s in samples), "utf-8")
    (folder / "evaluate.yml").write_text(CONFIG, "utf-8")
    (folder / "bot.py").write_text(BOT.replace("PREFIX", '""'), "utf-8")
    (folder / ".gitignore").write_text(".lm-eval-so/\nruns/\nreports/\n__pycache__/\n", "utf-8")
    git("init", "-q", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-qm", "base", cwd=tmp_path)
    measure(folder)
    (folder / "reports/report.json").rename(folder / "base.json")

    (folder / "bot.py").write_text(BOT.replace("PREFIX", '"x"'), "utf-8")
    changed = CONFIG.replace("[exact_match]", "[{name: exact_match, params: {profile: raw}}]")
    (folder / "evaluate.yml").write_text(changed, "utf-8")
    measure(folder, "--fresh")
    compare = ["compare", "reports/report.json", "-c", "evaluate.yml", "--baseline", "base.json"]
    assert lm_eval_so(*compare, cwd=folder).returncode == 3
    told = json.loads((folder / "reports/comparison.json").read_text("utf-8"))
    assert "params.profile: basic → raw" in told["sentence"]

    scripts = Path(sys.executable).parent
    for _ in range(2):  # nothing that they leave behind is in their way
        again = subprocess.run(
            ["sh", "-e", "-c", told["rerun"]],
            cwd=folder,
            env={
                "PATH": f"{scripts}:{os.environ['PATH']}",
                "LANG": "C.UTF-8",
                "HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 1, again.stderr
        assert "60 samples went from right to wrong" in " ".join(again.stderr.split())


def measure(folder: Path, *arguments: str) -> None:
    for command in (["run", *arguments], ["evaluate"]):
        done = lm_eval_so(*command, "-c", "evaluate.yml", cwd=folder)
        assert done.returncode == 0, done.stderr
