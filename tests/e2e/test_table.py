"""A table as people keep it, from its cells to the scores."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.checkout import CONFIG as CHECKOUT
from servers.checkout import open_checkout
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


def test_table__a_dataset_edited_by_hand_is_kept(folder: Path) -> None:
    assert lm_eval_so("generate", cwd=folder).returncode == 0
    file = folder / "data/test.jsonl"
    edited = file.read_text("utf-8").replace("내일", "모레쯤", 1)
    file.write_text(edited, "utf-8")
    for arguments in (["generate"], ["generate", "--dry-run"]):
        refused = lm_eval_so(*arguments, cwd=folder)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "error: data/test.jsonl was edited after generate wrote it" in refused.stderr
        assert "  --> data/test.jsonl:2\n" in refused.stderr
        assert (
            "fix: edit the source (cases.csv:3), or generate --keep-edits takes" in refused.stderr
        )
        assert "generate --force, which keeps the edited file as test.edited" in refused.stderr
        assert file.read_text("utf-8") == edited
    forced = lm_eval_so("generate", "--force", cwd=folder)
    assert forced.returncode == 0, forced.stderr
    assert "was edited by hand: kept as data/test.edited.jsonl" in forced.stderr
    assert (folder / "data/test.edited.jsonl").read_text("utf-8") == edited
    assert lm_eval_so("generate", "--check", cwd=folder).returncode == 0


def test_ci__does_not_overwrite_a_dataset_edited_by_hand(tmp_path: Path) -> None:
    rows = "".join(f"질문 #{i},답 {i}\n" for i in range(40))
    with open_checkout(tmp_path) as place:
        source = "generator: {sources: [{id: faq, path: faq.csv}]}\n"
        (place.folder / "faq.csv").write_bytes(f"질문,답변\n{rows}".encode("cp949"))
        config = CHECKOUT.replace("{path: data}", "{path: made}")
        (place.folder / "lm-eval-so.yaml").write_text(config + source, encoding="utf-8")
        made = lm_eval_so("generate", cwd=place.folder, environ=place.environ())
        assert made.returncode == 0, made.stderr
        file = place.folder / "made/test.jsonl"
        edited = file.read_bytes().replace("답 7".encode(), "답 77".encode(), 1)
        file.write_bytes(edited)
        place.commit("edited")
        asked = len(place.bot.requests)
        done = place.ci(INPUT_GENERATE="always")
        assert done.returncode == 2, done.stderr
        assert "made/test.jsonl was edited after generate wrote it" in done.stderr
        assert "--> made/test.jsonl:8\n" in done.stderr
        assert file.read_bytes() == edited
        assert len(place.bot.requests) == asked
        missing = place.ci(INPUT_GENERATE="missing")  # there is one, and it is asked as it stands
        assert missing.returncode in {0, 1, 3}, missing.stderr
        assert file.read_bytes() == edited
