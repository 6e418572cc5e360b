"""What a report says of the whole run: costs by part, origin, budget."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import SaidAsker, a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult, SimulatorUse
from lm_eval_so.core.records.sample import TestSample

ROWS = [{"id": f"q{n}", "input": "환불은?", "expected": "3일"} for n in range(4)]
JUDGE = {
    "id": "helpful",
    "name": "llm_judge",
    "params": {"rubric": "맞으면 good", "labels": ["good", "bad"]},
    "backend": {"name": "scripted", "params": {"model": "judge-1"}},
}
GOOD = '{"reason": "맞습니다", "evidence": [], "label": "good"}'


def answer(sample: TestSample, repeat: int) -> RunResult:
    match sample.id:
        case "q0":
            return a_run("3일", cost_usd=0.1, latency_ms=100.0, model="bot-1-2026")
        case "q1":
            return a_run("3일", cost_usd=0.0, latency_ms=9.0, cached=True, cost_saved_usd=0.2)
        case "q2":
            used = SimulatorUse(usage=Usage(input_tokens=5, output_tokens=2), cost_usd=0.01)
            return a_run("3일", latency_ms=300.0, simulator=used, model="bot-1-2025")
        case _:
            return a_run("", latency_ms=200.0, simulator=SimulatorUse())


def report(folder: Path, **options: Any) -> EvaluationReport:
    run = write_run(folder, write_dataset(folder, ROWS), answer, **options)
    config = a_config(folder, ["exact_match", JUDGE], run={"max_cost_usd": 2.0})
    return report_of(config, run, opens=SaidAsker(GOOD).opens)


def test_report__costs_of_the_parts_apart(tmp_path: Path) -> None:
    cost = report(tmp_path).cost
    assert (cost.bot_usd, cost.bot_priced, cost.bot_rows) == (0.1, 2, 4)
    assert cost.bot_saved_usd == 0.2
    assert (cost.simulator_usd, cost.simulator_priced, cost.simulator_rows) == (0.01, 1, 2)
    assert cost.simulator_usage == Usage(input_tokens=5, output_tokens=2)
    assert cost.judges_usd == pytest.approx(0.003)
    assert (cost.judges_priced, cost.judges_rows) == (3, 3)  # an empty answer asks nobody
    assert cost.judges_usage == Usage(input_tokens=300, output_tokens=60)


def test_report__latency_leaves_cached_rows_out(tmp_path: Path) -> None:
    latency = report(tmp_path).latency
    assert (latency.n, latency.p50_ms, latency.max_ms, latency.cached) == (3, 200.0, 300.0, 1)


def test_report__origin__all_that_it_takes_to_measure_again(tmp_path: Path) -> None:
    head = report(tmp_path).experiment
    assert head.backend.models_answered == ("bot-1-2025", "bot-1-2026")
    assert head.fingerprints["run_config"] == "c" * 64
    assert head.runs == ("bot",)
    assert head.budget == {"max_cost_usd": 2.0, "stopped": None}
    assert {"lm-eval-so", "python", "prices"} <= set(head.versions)


def test_report__stopped_by_the_budget(tmp_path: Path) -> None:
    stopped = {"by": "max_cost_usd", "at": 2.0}
    head = report(tmp_path, state="stopped", stopped=stopped).experiment
    assert head.budget["stopped"] == stopped
    assert not head.complete


def test_report__a_run_elsewhere_is_named_without_its_folders(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    write_dataset(here, ROWS)
    run = write_run(there, write_dataset(there, ROWS), answer)
    config = a_config(here, ["exact_match"])
    assert report_of(config, run).experiment.runs == ("bot",)
