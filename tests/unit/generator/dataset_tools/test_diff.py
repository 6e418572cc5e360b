"""`dataset diff`: tests by id, field by field."""

import json
from pathlib import Path
from typing import Any

from servers.commands import lm_eval_so

from lm_eval_so.core.records.enums import Language
from lm_eval_so.generator.dataset_tools.diff import diff, diff_text


def write(file: Path, *tests: dict[str, Any]) -> Path:
    file.write_text("".join(json.dumps(each) + "\n" for each in tests), "utf-8")
    return file


SAME = {"id": "q0", "input": "같은 질문"}
OLD = {
    "id": "q1",
    "ref": "F-1",
    "input": "환불은 며칠?",
    "expected": "3일",
    "metrics": {"keyword_coverage": {"keywords": ["3일"]}},
    "review": {"status": "unreviewed"},
}
NEW = {**OLD, "expected": "5일\x1b[2J", "review": {"status": "accepted", "note": "맞음"}}
EDITED = {"id": "s2", "input": "교환은?", "review": {"status": "edited", "edited_from": "s1"}}


def test_diff__removed_added_changed_and_the_question_that_was_edited(tmp_path: Path) -> None:
    old = write(
        tmp_path / "a.jsonl",
        SAME,
        OLD,
        {"id": "s1", "input": "교환?"},
        {"id": "gone", "input": "?"},
    )
    new = write(tmp_path / "b.jsonl", EDITED, NEW, SAME, {"id": "more", "input": "새 질문"})
    found = diff(old, new)
    assert (found.same, found.language) == (1, Language.EN)
    text = diff_text(found, Language.KO)
    assert text == (
        "- gone ?\n"
        "+ more 새 질문\n"
        "~ s2 교환은?\n"
        "    id: s1 → s2\n"
        '    messages: [{"role":"user","content":"교환?"}] → [{"role":"user","content":"교환은?"}]\n'
        "    review.status: – → edited\n"
        "    review.edited_from: – → s1\n"
        "~ q1 (F-1) 환불은 며칠?\n"
        "    expected: 3일 → 5일\n"
        "    review.status: unreviewed → accepted\n"
        "    review.note: – → 맞음\n"
        "추가 1개, 삭제 1개, 변경 2개, 그대로 1개\n"
    )
    assert diff_text(diff(old, old), Language.EN) == "0 added, 0 removed, 0 changed, 4 the same\n"


def test_diff__is_a_command(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", OLD)
    write(tmp_path / "b.jsonl", NEW)
    done = lm_eval_so("dataset", "diff", "a.jsonl", "b.jsonl", "--json", cwd=tmp_path)
    [changed] = json.loads(done.stdout)["changed"]
    assert changed["changes"][0] == {"field": "expected", "old": "3일", "new": "5일\x1b[2J"}
    text = lm_eval_so("dataset", "diff", "a.jsonl", "b.jsonl", "--language", "ko", cwd=tmp_path)
    assert text.stdout.endswith("변경 1개, 그대로 0개\n")
    (tmp_path / "b.jsonl").write_text("{}\n", "utf-8")
    assert lm_eval_so("dataset", "diff", "a.jsonl", "b.jsonl", cwd=tmp_path).returncode == 2
