"""A second evaluation: rules are scored anew, and a judge is not paid for the same answer twice."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.testing import ChatServer, Seen

ROWS = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "3일"} for i in range(4)]
KEYWORDS = [
    {
        "id": f"q{i}",
        "input": f"질문 {i}",
        "metrics": {"facts": {"keywords": ["3일"]}, "manners": {"keywords": ["고객님"]}},
    }
    for i in range(4)
]
FACTS = {"id": "facts", "name": "keyword_coverage"}
MANNERS = {"id": "manners", "name": "keyword_coverage"}


def verdict(seen: Seen) -> str:
    """Judge by the reference that is told: an answer is good if that is the right one."""
    label = "bad" if "4일" in seen.text else "good"
    return json.dumps({"reason": "봤습니다", "evidence": [], "label": label}, ensure_ascii=False)


@pytest.fixture
def judge() -> Iterator[ChatServer]:
    with ChatServer(verdict) as server:
        yield server


def judged(server: ChatServer, **section: Any) -> dict[str, Any]:
    given = {
        "id": "helpful",
        "name": "llm_judge",
        "params": {"rubric": "맞는가?", "show": ["expected"]},
    }
    backend = {
        "name": "openai",
        "params": {"model": "test-model"},
        "options": {"base_url": server.url, "api_key_env": ""},
    }
    return {**given, "backend": backend, **section}


def answered(folder: Path, rows: list[dict[str, Any]], said: str = "3일") -> Path:
    dataset = write_dataset(folder, rows)
    return write_run(folder, dataset, lambda sample, _: a_run(f"{said} {sample.id}"))


def evaluated(folder: Path, answers: Path, *metrics: Any, **sections: Any) -> EvaluationReport:
    return report_of(a_config(folder, metrics, **sections), answers)


def scores(report: EvaluationReport) -> dict[str, Any]:
    return dict(report.samples.scores)


def test_evaluate__again__two_metrics_of_a_name_keep_their_own_values(tmp_path: Path):
    run = answered(tmp_path, KEYWORDS)
    for _ in range(2):
        report = evaluated(tmp_path, run, FACTS, MANNERS)
        assert scores(report) == {"facts": (1.0,) * 4, "manners": (0.0,) * 4}


def test_evaluate__again__another_id_has_the_values_of_its_own_parameters(tmp_path: Path):
    run = answered(tmp_path, KEYWORDS)
    assert scores(evaluated(tmp_path, run, FACTS)) == {"facts": (1.0,) * 4}
    renamed = evaluated(tmp_path, run, MANNERS)
    assert scores(renamed) == {"manners": (0.0,) * 4}
    assert renamed.metrics["manners"].not_applicable == 0


def test_evaluate__again__writes_no_scores_beside_the_cache(tmp_path: Path):
    run = answered(tmp_path, KEYWORDS)
    evaluated(tmp_path, run, FACTS)
    assert not list(tmp_path.rglob("*.sqlite"))


def test_evaluate__again__scores_that_an_earlier_version_kept_are_left_alone(tmp_path: Path):
    run = answered(tmp_path, KEYWORDS)
    old = tmp_path / ".lm-eval-so" / "scores.sqlite"
    old.parent.mkdir()
    with sqlite3.connect(old) as file:
        file.execute("CREATE TABLE scores (key BLOB PRIMARY KEY, value BLOB)")
    file.close()
    before, events = old.read_bytes(), list[Event]()
    report = report_of(a_config(tmp_path, [FACTS]), run, listener=events.append)
    assert scores(report) == {"facts": (1.0,) * 4}
    assert not [event for event in events if isinstance(event, Warned)]
    assert old.read_bytes() == before
    assert [file.name for file in old.parent.iterdir()] == ["scores.sqlite"]


def test_evaluate__again__a_judge_is_asked_nothing_and_says_the_same(
    tmp_path: Path, judge: ChatServer
):
    run = answered(tmp_path, ROWS)
    first, again = (evaluated(tmp_path, run, judged(judge), "exact_match") for _ in range(2))
    assert len(judge.requests) == 4
    assert shown(again) == shown(first)


def test_evaluate__again__a_judge_is_asked_about_what_changed(tmp_path: Path, judge: ChatServer):
    run = answered(tmp_path, ROWS)
    evaluated(tmp_path, run, judged(judge))
    write_dataset(tmp_path, [*ROWS[:3], {**ROWS[3], "expected": "4일"}])
    report = evaluated(tmp_path, run, judged(judge), "char_f1")
    assert len(judge.requests) == 5
    assert report.samples.scores["helpful"] == (1, 1, 1, 0)
    assert report.metrics["char_f1"].rows == 4


def test_evaluate__again__a_judge_is_asked_about_an_answer_that_changed(
    tmp_path: Path, judge: ChatServer
):
    run = answered(tmp_path, ROWS)
    evaluated(tmp_path, run, judged(judge))
    lines = (run / "run_results.jsonl").read_text("utf-8").splitlines()
    changed = json.loads(lines[0])
    changed["response"]["text"] = "4일"
    lines[0] = json.dumps(changed, ensure_ascii=False)
    (run / "run_results.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    report = evaluated(tmp_path, run, judged(judge))
    assert len(judge.requests) == 5
    assert report.samples.scores["helpful"] == (0, 1, 1, 1)


@pytest.mark.parametrize(
    "change",
    [{"params": {"rubric": "공손한가?"}}, {"judge": {"template": "ko"}}],
    ids=["rubric", "template"],
)
def test_evaluate__again__a_judge_that_is_told_otherwise_is_asked_anew(
    tmp_path: Path, judge: ChatServer, change: dict[str, Any]
):
    run = answered(tmp_path, ROWS)
    evaluated(tmp_path, run, judged(judge))
    evaluated(tmp_path, run, judged(judge, **change))
    assert len(judge.requests) == 8


def test_evaluate__again__what_passes_is_decided_anew_and_nothing_asked(
    tmp_path: Path, judge: ChatServer
):
    run = answered(tmp_path, ROWS)
    shares = [
        evaluated(tmp_path, run, judged(judge, pass_if=pass_if)).metrics["helpful"].passed_share
        for pass_if in (">= 0.5", "< 0.5")
    ]
    assert shares == [1.0, 0.0]
    assert len(judge.requests) == 4


@pytest.mark.parametrize("cache", [False, "elsewhere/cache.sqlite"])
def test_evaluate__again__without_that_cache_a_judge_is_asked(
    tmp_path: Path, judge: ChatServer, cache: object
):
    run = answered(tmp_path, ROWS)
    evaluated(tmp_path, run, judged(judge))
    evaluated(tmp_path, run, judged(judge), run={"cache": cache})
    assert len(judge.requests) == 8


def test_evaluate__again__personal_data_stay_masked(tmp_path: Path):
    run = answered(tmp_path, ROWS[:1], "010-1234-5678로 전화하세요")
    for _ in range(2):
        report = evaluated(tmp_path, run, "pii_leak")
        assert report.samples.scores["pii_leak"] == (0,)
        assert "1234" not in json.dumps(to_json(report), ensure_ascii=False)


def shown(report: EvaluationReport) -> dict[str, Any]:
    """Return what a report says of the answers, without when and for how much it was found."""
    values = to_json(report)
    for case in values["errors"]:
        for score in case["scores"]:
            score["cost_usd"] = None
            for vote in score["judge"]:
                vote.update(cost_usd=None, cached=None)
    return {key: values[key] for key in ("metrics", "samples", "breakdowns", "errors")}
