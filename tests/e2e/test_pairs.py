"""Answers held against those of the baseline: from the first report to `ci`."""

import json
import shutil
from pathlib import Path
from typing import Any

from servers.commands import Done, lm_eval_so

CONFIG = """\
version: 1
suite: shop
dataset: {{path: test.jsonl}}
backend: {{name: scripted, options: {{default: "{answer}"}}}}
run: {{cache: false}}
metrics:
  - exact_match
  - name: pairwise
    backend:
      name: scripted
      options:
        match: regex
        default: '{{"reason": "비슷함", "label": "TIE"}}'
        answers:
          '<<A [0-9a-f]+>>\\n새 답변': '{{"reason": "새 답변이 낫다", "label": "A"}}'
          '<<B [0-9a-f]+>>\\n새 답변': '{{"reason": "새 답변이 낫다", "label": "B"}}'
baseline: {{path: baseline.json}}
gate: {{metrics: {{pairwise: {{min: 0.5}}}}}}
"""


def command(*arguments: str, cwd: Path) -> Done:
    done = lm_eval_so(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def answer(folder: Path, text: str) -> None:
    (folder / "lm-eval-so.yaml").write_text(CONFIG.format(answer=text), encoding="utf-8")


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reports/report.json").read_text("utf-8"))
    return found


def test_pairwise__from_the_first_report_to_ci(tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "옛 답변"} for i in range(12)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "test.jsonl").write_text(lines, encoding="utf-8")
    answer(tmp_path, "옛 답변")
    command("ci", "-q", cwd=tmp_path)
    first = report(tmp_path)
    assert first["metrics"]["pairwise"]["not_applicable"] == 12
    shutil.copy(tmp_path / "reports/report.json", tmp_path / "baseline.json")

    answer(tmp_path, "새 답변")
    command("run", "-q", "--fresh", cwd=tmp_path)
    planned = json.loads(command("evaluate", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert planned["metrics"]["pairwise"] == {"rows": 12, "calls": [24, 48]}
    assert "옛 답변" in planned["prompts"]["pairwise"]
    command("evaluate", "-q", cwd=tmp_path)
    found = report(tmp_path)
    assert found["metrics"]["pairwise"]["mean"] == 1.0
    assert found["judges"]["pairwise"]["order_flip_rate"] == 0.0
    assert found["judges"]["pairwise"]["first_position_share"] == 0.5

    command("ci", "-q", "--fresh", cwd=tmp_path)
    compared = json.loads((tmp_path / "reports/comparison.json").read_text("utf-8"))
    pairs = compared["metrics"]["pairwise"]
    assert (compared["verdict"], pairs["verdict"], pairs["gating"]) == ("pass", "pass", True)
    assert pairs["sentence"].startswith("pairwise: 1.00 against the answers of the baseline.")

    answer(tmp_path, "그저 그런 답변")
    text = (tmp_path / "lm-eval-so.yaml").read_text("utf-8").replace("min: 0.5", "min: 0.8")
    (tmp_path / "lm-eval-so.yaml").write_text(text, encoding="utf-8")
    assert lm_eval_so("ci", "-q", "--fresh", cwd=tmp_path).returncode == 1
    assert report(tmp_path)["metrics"]["pairwise"]["mean"] == 0.5
