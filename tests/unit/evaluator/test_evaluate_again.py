"""A second evaluation of what the first one scored."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from evaluation import SaidAsker, a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.report import EvaluationReport

GOOD = '{"reason":"맞습니다","evidence":["3일"],"label":"good"}'
BAD = '{"reason":"틀립니다","evidence":[],"label":"bad"}'
BACKEND = {"name": "openai", "params": {"model": "judge-1"}, "options": {"api_key_env": ""}}
JUDGE: dict[str, Any] = {
    "id": "helpful",
    "name": "llm_judge",
    "params": {"rubric": "It is right."},
    "backend": BACKEND,
}
ROWS = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "3일"} for i in range(4)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    dataset = write_dataset(tmp_path, ROWS)
    return write_run(tmp_path, dataset, lambda sample, _: a_run(f"3일 {sample.id}"))


def evaluated(
    folder: Path, answers: Path, *metrics: Any, said: str = GOOD, **sections: Any
) -> tuple[EvaluationReport, int]:
    """Give the report, and how often the judge was asked."""
    judge = SaidAsker(said)
    report = report_of(a_config(folder, metrics, **sections), answers, opens=judge.opens)
    return report, len(judge.requests)


def shown(report: EvaluationReport) -> dict[str, Any]:
    values = to_json(report)
    values["experiment"] = None
    return values


def test_evaluate__again__nothing_is_asked_and_the_report_is_the_same(tmp_path: Path, run: Path):
    first, asked = evaluated(tmp_path, run, JUDGE, "exact_match")
    again, asked_again = evaluated(tmp_path, run, JUDGE, "exact_match", said=BAD)
    assert (asked, asked_again) == (4, 0)
    assert shown(again) == shown(first)


def test_evaluate__again__only_what_changed_is_scored(tmp_path: Path, run: Path):
    evaluated(tmp_path, run, JUDGE)
    write_dataset(tmp_path, [*ROWS[:3], {**ROWS[3], "expected": "4일"}])
    report, asked = evaluated(tmp_path, run, JUDGE, "char_f1", said=BAD)
    assert asked == 1  # the sample whose reference changed
    assert report.samples.scores["helpful"] == (1, 1, 1, 0)
    assert report.metrics["char_f1"].rows == 4  # a metric that is new


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"rubric": "It is polite."}},
        {"pass_if": ">= 0.5"},
        {"backend": {**BACKEND, "params": {"model": "judge-2"}}},
        {"backend": {**BACKEND, "options": {"api_key_env": "", "base_url": "http://h/v1"}}},
        {"judge": {"template": "ko"}},
    ],
)
def test_evaluate__again__another_definition_is_scored_anew(
    tmp_path: Path, run: Path, change: dict[str, Any]
):
    evaluated(tmp_path, run, JUDGE)
    _, asked = evaluated(tmp_path, run, {**JUDGE, **change})
    assert asked == 4


def test_evaluate__again__an_answer_that_changed_is_scored_anew(tmp_path: Path, run: Path):
    evaluated(tmp_path, run, JUDGE)
    rows = (run / "run_results.jsonl").read_text("utf-8").splitlines()
    changed = json.loads(rows[0])
    changed["response"]["text"] = "모르겠습니다"
    rows[0] = json.dumps(changed, ensure_ascii=False)
    (run / "run_results.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    report, asked = evaluated(tmp_path, run, JUDGE, said=BAD)
    assert asked == 1
    assert report.samples.scores["helpful"] == (0, 1, 1, 1)


@pytest.mark.parametrize(
    "sections", [{"run": {"cache": False}}, {"run": {"cache": "elsewhere/cache.sqlite"}}]
)
def test_evaluate__again__without_what_is_kept_all_is_scored(
    tmp_path: Path, run: Path, sections: dict[str, Any]
):
    evaluated(tmp_path, run, JUDGE)
    assert evaluated(tmp_path, run, JUDGE, **sections)[1] == 4


def test_evaluate__again__personal_data_stay_masked(tmp_path: Path):
    dataset = write_dataset(tmp_path, ROWS[:1])
    run = write_run(tmp_path, dataset, lambda *_: a_run("010-1234-5678로 전화하세요"))
    for _ in range(2):
        report, _ = evaluated(tmp_path, run, "pii_leak")
        assert report.samples.scores["pii_leak"] == (0,)
        assert "1234" not in json.dumps(to_json(report), ensure_ascii=False)


def test_evaluate__again__what_is_taken_from_the_row_is_not_kept(tmp_path: Path, run: Path):
    evaluated(tmp_path, run, "exact_match", "output_tokens")
    with sqlite3.connect(tmp_path / ".lm-eval-so" / "scores.sqlite") as file:
        kept = [json.loads(value)[1] for (value,) in file.execute("SELECT value FROM scores")]
    assert [len(scores) for scores in kept] == [1] * len(ROWS)
    report, _ = evaluated(tmp_path, run, "exact_match", "output_tokens")
    assert list(report.metrics) == ["exact_match", "output_tokens"]
