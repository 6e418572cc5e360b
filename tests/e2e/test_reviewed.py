"""A person reviews tests in a spreadsheet; the commands say what became of it."""

import csv
import json
import shutil
from pathlib import Path

from servers.commands import lm_eval_so

SHOP = Path(__file__).parents[1] / "data/shop"
CONFIG = """\
version: 1
suite: shop
language: ko
dataset: {path: made}
generator:
  sources: [{id: docs, as: documents, path: policy.md}]
  synthesise: {questions: 6, mix: {fact: 1}, twins: 0}
"""


def test_review__from_the_spreadsheet_to_the_report(tmp_path: Path) -> None:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG)
    shutil.copy(SHOP / "policy.md", tmp_path)
    assert lm_eval_so("generate", cwd=tmp_path).returncode == 0
    command = ("dataset", "review")
    done = lm_eval_so(*command, "export", "made", "--format", "csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "made/review.csv\n")
    table = tmp_path / "made/review.csv"
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines(keepends=True)))
    for row, ruling in zip(rows, ("승인", "승인", "반려", "accept", "", ""), strict=True):
        row["decision"] = ruling
    rows[3]["expected"] = "다른 답"
    with table.open("w", encoding="cp949", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    refused = lm_eval_so(*command, "import", "made", "made/review.csv", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    problem = f"{rows[3]['id']} is accepted, and expected changed\n  --> made/review.csv:6\n"
    assert "\n" in rows[0]["flags"] or "\n" in rows[1]["flags"]  # a row takes two lines
    assert refused.stderr.startswith(f"error: {problem}")
    taken = lm_eval_so(*command, "import", "made", "made/review.csv", "--partial", cwd=tmp_path)
    assert taken.returncode == 0
    assert taken.stderr.startswith(f"left out: {problem}")
    said = "결정 3건: 승인 2, 수정 0, 반려 1. 빈자리 1개는 generate가 채웁니다\n"
    assert taken.stderr.endswith(said)
    assert "made/review.html" in taken.stdout.splitlines()
    again = lm_eval_so(
        *(*command, "import", "made", "made/review.csv", "--partial", "--json", "--language", "en"),
        cwd=tmp_path,
    )
    figures = {"n": 3, "accepted": 2, "edited": 0, "rejected": 1, "open": 1, "left_out": 1}
    assert json.loads(again.stdout) == figures
    assert again.stderr.endswith(
        "3 decisions: accepted 2, edited 0, rejected 1; generate fills 1\n"
    )
    check = lm_eval_so("generate", "--check", cwd=tmp_path)
    assert check.returncode == 0, check.stderr
    several = lm_eval_so("generate", "--check", "--update", cwd=tmp_path)
    assert (several.returncode, "give one" in several.stderr) == (2, True)
    both = lm_eval_so("generate", "--force", "--keep-edits", cwd=tmp_path)
    assert both.returncode == 2
    assert "give one" in both.stderr
    assert lm_eval_so("generate", "--keep-edits", cwd=tmp_path).returncode == 0
    assert len((tmp_path / "made/test.jsonl").read_text("utf-8").splitlines()) == 6
