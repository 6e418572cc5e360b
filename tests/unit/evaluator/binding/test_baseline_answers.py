"""Where the answers of a baseline come from, and what is told if there are none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation import (
    SaidAsker,
    a_config,
    a_failure,
    a_run,
    placed,
    report_of,
    write_dataset,
    write_run,
)

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ConfigError, ErrorKind, InputError
from lm_eval_so.evaluator.binding.baseline_answers import baseline_problems, needs_baseline
from lm_eval_so.evaluator.evaluation_plan import plan_evaluation

TIE = '{"reason":"r","label":"TIE"}'
OLD = "옛 답변 ANSWER-OLD"
BACKEND = {"name": "scripted", "params": {"model": "judge-1"}}
ROWS = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "3일"} for i in range(4)]


def versus(**params: Any) -> dict[str, Any]:
    return {"id": "versus", "name": "pairwise", "params": params, "backend": BACKEND}


def an_old_run(folder: Path, dataset: Path, **options: Any) -> Path:
    def answer(sample: TestSample, repeat: int) -> RunResult:
        if sample.id == "q3":
            failed = a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "late")
            return placed(a_run(None, **failed), sample, repeat)
        return placed(a_run(OLD), sample, repeat)

    return write_run(folder, dataset, answer, name="old", **options)


def a_new_run(folder: Path, dataset: Path) -> Path:
    return write_run(folder, dataset, lambda s, r: placed(a_run("새 답변"), s, r), name="new")


def old_report(folder: Path, run: Path, answers: str = "full") -> EvaluationReport:
    config = a_config(folder, ["exact_match"], report={"answers": answers})
    return report_of(config, run)


def scored(
    config: Config, run: Path, **options: Any
) -> tuple[list[float | None], SaidAsker, EvaluationReport]:
    asker = SaidAsker(TIE)
    report = report_of(config, run, opens=asker.opens, **options)
    return list(report.samples.scores["versus"]), asker, report


def test_baseline_run__answers_by_offset(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    an_old_run(tmp_path, dataset)
    config = a_config(tmp_path, [versus(baseline_run="old")])
    values, asker, report = scored(config, a_new_run(tmp_path, dataset))
    assert values == [0.5, 0.5, 0.5, None]
    assert report.metrics["versus"].not_applicable == 1
    assert all(OLD in request.messages[0].content for request in asker.requests)
    assert len(asker.requests) == 6


def test_baseline_report__its_answers_column(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    baseline = old_report(tmp_path, an_old_run(tmp_path, dataset))
    config = a_config(tmp_path, [versus()])
    values, asker, report = scored(config, a_new_run(tmp_path, dataset), baseline=baseline)
    assert values == [0.5, 0.5, 0.5, None]
    assert OLD in asker.requests[0].messages[0].content
    assert report.metrics["versus"].definition["baseline"] == "f" * 64


def test_baseline_report__sample_that_asks_something_else_now__has_no_pair(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    baseline = old_report(tmp_path, an_old_run(tmp_path, dataset))
    write_dataset(tmp_path, [{**ROWS[0], "input": "다른 질문"}, *ROWS[1:]])
    config = a_config(tmp_path, [versus()])
    values, _, report = scored(config, a_new_run(tmp_path, dataset), baseline=baseline)
    assert values == [None, 0.5, 0.5, None]
    assert report.metrics["versus"].not_applicable == 2


@pytest.mark.parametrize("answers", ["hash", "none"])
def test_baseline_report__that_keeps_no_answers__is_a_config_problem(
    tmp_path: Path, answers: str
) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    baseline = old_report(tmp_path, an_old_run(tmp_path, dataset), answers)
    config = a_config(tmp_path, [versus()])
    with pytest.raises(InputError, match="keeps no answers, which the metric versus needs"):
        scored(config, a_new_run(tmp_path, dataset), baseline=baseline)
    by_run = a_config(tmp_path, [versus(baseline_run="old")])
    assert not list(baseline_problems(by_run, baseline))


def test_no_baseline__says_what_to_set(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    config = a_config(tmp_path, [versus()])
    with pytest.raises(ConfigError, match="versus has no answers of a baseline") as refused:
        scored(config, a_new_run(tmp_path, dataset))
    hint = str(refused.value.problems[0].hint)
    for way in ("baseline_run", "baseline.path", "metrics.versus.baseline_answer"):
        assert way in hint


def test_baseline_yet_to_be_made__applies_to_no_sample(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    config = a_config(tmp_path, ["exact_match", versus()], baseline={"path": "baseline.json"})
    values, asker, _ = scored(config, a_new_run(tmp_path, dataset))
    assert (values, asker.requests) == ([None] * 4, [])


def test_answers_of_the_samples__need_no_baseline(tmp_path: Path) -> None:
    own = {"metrics": {"versus": {"baseline_answer": "내 답변"}}}
    dataset = write_dataset(tmp_path, [{**ROWS[0], **own}, *ROWS[1:]])
    values, asker, _ = scored(a_config(tmp_path, [versus()]), a_new_run(tmp_path, dataset))
    assert values == [0.5, None, None, None]
    assert "내 답변" in asker.requests[0].messages[0].content


def test_missing_run__is_told_with_its_place(tmp_path: Path) -> None:
    config = a_config(tmp_path, [versus(baseline_run="nowhere")])
    (problem,) = baseline_problems(config, None)
    assert problem.what == "no run at nowhere"
    assert problem.where is not None
    assert problem.where.key == "metrics[0].params.baseline_run"


def test_needs_baseline__only_if_a_metric_compares_with_the_report(tmp_path: Path) -> None:
    assert needs_baseline(a_config(tmp_path, [versus()]))
    assert not needs_baseline(a_config(tmp_path, [versus(baseline_run="old")]))
    assert not needs_baseline(a_config(tmp_path, ["exact_match"]))
    assert not needs_baseline(a_config(tmp_path, ["no_such_metric"]))


def test_plan__calls_of_every_kind_of_judge(tmp_path: Path) -> None:
    scenario = {
        "turns": [{"user": "안녕"}],
        "success": [{"type": "judge", "text": "인사한다"}, {"type": "contains", "text": "새"}],
        "must_not": [{"type": "judge", "text": "무례하다"}],
    }
    talk = {"id": "t1", "scenario": scenario}
    dataset = write_dataset(tmp_path, [*ROWS, talk])
    an_old_run(tmp_path, dataset)
    panel = {"panel": [{**BACKEND, "params": {"seed": seed}} for seed in range(3)]}
    metrics = [
        versus(baseline_run="old"),
        {"name": "llm_judge", "params": {"rubric": "맞나?"}, **panel, "judge": {"retest": 2}},
        {"name": "llm_scale", "params": {"anchors": list("abcde")}, "backend": BACKEND},
        {"name": "conversation", "backend": BACKEND},
        {"name": "goal", **panel},
    ]
    plan = plan_evaluation(a_config(tmp_path, metrics), runs=[a_new_run(tmp_path, dataset)])
    assert {name: each["calls"] for name, each in plan["metrics"].items()} == {
        "versus": [8, 16],
        "llm_judge": [21, 42],
        "llm_scale": [5, 10],
        "conversation": [1, 2],
        "goal": [6, 12],
    }
    assert set(plan["prompts"]) == set(plan["metrics"])
    assert OLD in plan["prompts"]["versus"]


def test_report__of_a_baseline_without_answers_at_all(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    baseline = old_report(tmp_path, an_old_run(tmp_path, dataset))
    empty = replace(baseline.samples, answers=(None,) * len(baseline.samples.ids))
    config = a_config(tmp_path, ["exact_match", versus()])
    run = a_new_run(tmp_path, dataset)
    values, _, _ = scored(config, run, baseline=replace(baseline, samples=empty))
    assert values == [None] * 4
