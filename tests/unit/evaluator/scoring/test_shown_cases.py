"""The rows that a person should look at."""

from pathlib import Path
from typing import Any

from evaluation import a_config, a_failure, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ErrorKind

ROWS = [
    {"id": "a-right", "input": "1", "expected": "둘 셋"},
    {"id": "b-half", "input": "1", "expected": "둘 셋 넷 다섯"},
    {"id": "c-wrong", "input": "1", "expected": "둘 셋"},
    {"id": "d-timeout", "input": "1", "expected": "둘 셋"},
    {"id": "e-wrong", "input": "1", "expected": "둘 셋", "tags": ["t"], "language": "ko"},
    {"id": "f-empty", "input": "1", "expected": "둘 셋"},
]
ANSWERS = {"a-right": "둘 셋", "b-half": "둘", "c-wrong": "하나", "e-wrong": "여섯"}


def answer(sample: TestSample, repeat: int) -> RunResult:
    if sample.id == "d-timeout":
        return a_run(None, **a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "no answer in 60 s"))
    if sample.id == "f-empty":
        return a_run("", status=RunStatus.EMPTY)
    return a_run(ANSWERS[sample.id])


def report(tmp_path: Path, metrics: list[Any], **sections: Any) -> EvaluationReport:
    dataset = write_dataset(tmp_path, reversed(ROWS))
    run = write_run(tmp_path, dataset, answer)
    return report_of(a_config(tmp_path, metrics, **sections), run)


def test_cases__without_an_answer_first_then_worst(tmp_path: Path) -> None:
    found = report(tmp_path, ["token_f1"])
    shown = [(case.sample_id, case.kind, case.reason) for case in found.errors]
    assert shown == [
        ("d-timeout", "infrastructure", "timeout: no answer in 60 s"),
        ("c-wrong", "quality", "token_f1 0"),
        ("e-wrong", "quality", "token_f1 0"),
        ("f-empty", "quality", "token_f1 0"),
        ("b-half", "quality", "token_f1 0.4"),
    ]
    assert found.failed_ids == tuple(sample_id for sample_id, *_ in shown)


def test_cases__are_whole(tmp_path: Path) -> None:
    case = next(c for c in report(tmp_path, ["token_f1"]).errors if c.sample_id == "e-wrong")
    assert (case.input, case.expected, case.answer) == ("1", "둘 셋", "여섯")
    assert (case.tags, case.language, case.status) == (("t",), "ko", "ok")
    assert [score.metric for score in case.scores] == ["token_f1"]


def test_cases__examples_limit_what_is_shown_not_the_ids(tmp_path: Path) -> None:
    for most in (0, 2):
        folder = tmp_path / str(most)
        folder.mkdir()
        found = report(folder, ["token_f1"], report={"examples": most})
        assert [case.sample_id for case in found.errors] == ["d-timeout", "c-wrong"][:most]
        assert len(found.failed_ids) == 5


def test_cases__gating_metric_orders(tmp_path: Path) -> None:
    metrics = [{"name": "token_f1", "pass_if": ">= 0.9"}, "contains"]
    found = report(tmp_path, metrics, gate={"metrics": {"contains": {"margin": 0.05}}})
    assert found.errors[1].reason == "contains 0"
    assert [case.sample_id for case in found.errors][-1] == "b-half"


def test_cases__pass_if_decides_what_fails(tmp_path: Path) -> None:
    found = report(tmp_path, [{"name": "token_f1", "pass_if": ">= 0.3"}])
    assert "b-half" not in found.failed_ids


def test_cases__a_missing_latency_is_no_fault(tmp_path: Path) -> None:
    assert report(tmp_path, ["token_f1", "latency_ms"]).failed_ids[1] == "c-wrong"


def test_cases__name_the_metrics_that_failed_the_gating_one_first(tmp_path: Path) -> None:
    metrics = ["token_f1", "contains", "exact_match"]
    found = report(tmp_path, metrics, gate={"metrics": {"contains": {"margin": 0.05}}})
    failed = {case.sample_id: case.failed for case in found.errors}
    assert failed["c-wrong"] == ("contains", "token_f1", "exact_match")
    assert failed["d-timeout"] == ("contains", "token_f1", "exact_match")
    assert failed["b-half"] == ("contains", "token_f1", "exact_match")
