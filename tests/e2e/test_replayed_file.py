"""Answers of another program, scored by what it told of them."""

import json
from pathlib import Path

import lm_eval_so
from lm_eval_so.core.records.report import EvaluationReport

SAMPLES = [
    {
        "id": f"q{number}",
        "input": f"환불은 며칠? {number}",
        "metrics": {
            "retrieval": {"gold_ids": ["policy.md#1"]},
            "tool_call": {"calls": [{"name": "find", "arguments": {"q": "환불"}}]},
        },
        **({"tool_results": [{"name": "find", "result": "3일"}]} if number == 1 else {}),
    }
    for number in range(3)
]
CALL = {"name": "find", "arguments": '{"q": "환불"}'}
ANSWERS = [
    {"id": "q0", "answer": "3일", "context_ids": ["policy.md#1"], "tool_calls": [CALL]},
    {"id": "q1", "answer": "3일", "context_ids": ["policy.md#1", "x"], "tool_calls": [CALL]},
    {"id": "q2", "answer": "3일", "context_ids": ["faq.md#7"], "tool_calls": []},
]


def evaluated(folder: Path) -> EvaluationReport:
    for name, rows in (("test.jsonl", SAMPLES), ("answers.jsonl", ANSWERS)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), "utf-8")
    config = {
        "version": 1,
        "suite": "replayed",
        "dataset": {"path": str(folder / "test.jsonl")},
        "backend": {"name": "replay", "options": {"run": str(folder / "answers.jsonl")}},
        "metrics": ["retrieval", "tool_call"],
        "run": {"cache": False, "out": str(folder / "runs")},
        "report": {"out": str(folder / "reports")},
    }
    file = folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(config), "utf-8")
    lm_eval_so.run(file)
    return lm_eval_so.evaluate(file)


def test_evaluate__a_replayed_file__is_scored_by_passages_and_calls(tmp_path: Path) -> None:
    report = evaluated(tmp_path)
    assert report.metrics["retrieval"].unscored == 0
    assert report.samples.scores["retrieval"] == (1.0, 1.0, 0.0)
    assert report.samples.scores["tool_call"] == (1.0, 1.0, 0.0)
