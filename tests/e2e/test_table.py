"""A table as people keep it, from its cells to the scores."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so

CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
generator:
  sources:
    - id: cases
      path: cases.csv
      map: {ref: 사례, input: 질문, keywords: 필수 표현, forbidden: 금지 표현, tags: 분류}
backend:
  name: scripted
  options:
    match: regex
    answers:
      환불: 영업일 기준 3일 안에 환불됩니다.
      배송: 내일이나 모레 도착하며, 무료입니다.
      교환: 교환은 5일 안에 가능합니다.
metrics:
  - keyword_coverage
  - {id: must, name: keyword_coverage, only: {tags: [must]}}
"""
CASES = """\
사례,질문,필수 표현,금지 표현,분류
R-1,환불은 며칠 걸리나요?,3일; 영업일,무료；언젠가,"must, 환불"
D-7,배송은 언제 되나요?,"내일
모레",무료; 공짜,must;배송
X-2,교환은 며칠까지 되나요?,7일; 교환,,교환
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "cases.csv").write_bytes(CASES.replace("\n", "\r\n").encode("cp949"))
    return tmp_path


def report_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "reports/report.json").read_bytes())
    return values


def test_table__phrases_and_labels_in_one_cell_are_scored_one_by_one(folder: Path) -> None:
    made = lm_eval_so("generate", cwd=folder)
    assert made.returncode == 0, made.stderr
    told = [line for line in made.stderr.splitlines() if " into several " in line]
    assert len(told) == 3, made.stderr
    for command in ("run", "evaluate"):
        done = lm_eval_so(command, cwd=folder)
        assert done.returncode == 0, done.stderr
    samples = report_of(folder)["samples"]
    assert samples["refs"] == ["R-1", "D-7", "X-2"]
    assert samples["scores"] == {"keyword_coverage": [1, 0, 0.5], "must": [1, 0, None]}
    slices = {each["value"] for each in report_of(folder)["breakdowns"] if each["by"] == "tag"}
    assert slices == {"must", "환불", "배송", "교환"}
