"""Metrics that are built from others: problems and definitions."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, write_dataset

from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.evaluator.binding.metric_problems import dataset_problems, find_problems
from lm_eval_so.evaluator.metrics.base import Metric


class OneToFive(Metric):
    range = (1.0, 5.0)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.make_score(sample, value=3)


def own(metric: type[Metric]) -> str:
    return f"{metric.__module__}:{metric.__name__}"


def composite(parts: Any, metric_id: str = "all", **params: Any) -> dict[str, Any]:
    return {"id": metric_id, "name": "composite", "params": {"parts": parts, **params}}


@pytest.mark.parametrize(
    ("metrics", "problems"),
    [
        (["exact_match", composite(["exact_match"])], []),
        (["exact_match", composite({"exact_match": 2})], []),
        (
            ["exact_match", composite(["exact_mach"])],
            [
                'all is built from "exact_mach", which is no metric here (did you mean "exact_match"?)'
            ],
        ),
        (
            ["exact_match", composite(["zzz"])],
            ['all is built from "zzz", which is no metric here'],
        ),
        ([composite(["all"])], ["all is built from itself: all → all"]),
        (
            [composite(["b"], "a"), composite(["c"], "b"), composite(["a"], "c")],
            [
                "a is built from itself: a → b → c → a",
                "b is built from itself: b → c → a → b",
                "c is built from itself: c → a → b → c",
            ],
        ),
        (
            ["latency_ms", composite(["latency_ms"])],
            ["all cannot be built from latency_ms: it is unbounded"],
        ),
        (
            [{"id": "five", "name": own(OneToFive)}, composite(["five"])],
            ["all cannot be built from five: it goes from 1 to 5, not from 0 to 1"],
        ),
        (
            ["token_f1", composite(["token_f1"], mode="all_of")],
            ["all cannot be built from token_f1: it neither passes nor fails; give it pass_if"],
        ),
        (
            [{"name": "token_f1", "pass_if": ">= 0.5"}, composite(["token_f1"], mode="all_of")],
            [],
        ),
        (
            [
                "exact_match",
                composite(["exact_match"], "a", mode="any_of"),
                composite(["a"], "b", mode="all_of"),
            ],
            [],
        ),
        ([composite([])], ["dictionary should have at least 1 item after validation, not 0"]),
        ([composite({"exact_match": 0})], ["input should be greater than 0, found 0"]),
        (
            ["exact_match", {"name": "invariance", "params": {"of": "exact_matc"}}],
            [
                (
                    'invariance is built from "exact_matc", which is no metric here '
                    '(did you mean "exact_match"?)'
                )
            ],
        ),
        (
            ["latency_ms", {"name": "invariance", "params": {"of": "latency_ms"}}],
            [
                (
                    "invariance cannot be built from latency_ms: it is unbounded and neither "
                    "passes nor fails; give it pass_if"
                )
            ],
        ),
        (
            [
                "exact_match",
                {"id": "i", "name": "invariance", "params": {"of": "exact_match"}},
                {"id": "j", "name": "invariance", "params": {"of": "i"}},
            ],
            ["j cannot be built from i: it is itself of two samples"],
        ),
        (
            [
                "consistency",
                {"id": "c", "name": "consistency", "params": {"measure": "consistency"}},
            ],
            ["c cannot be built from consistency: it gives one value a sample"],
        ),
    ],
)
def test_find_problems__parts(tmp_path: Path, metrics: list[Any], problems: list[str]) -> None:
    found = find_problems(a_config(tmp_path, metrics))
    assert [problem.what for problem in found] == problems


def test_find_problems__parts__name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "lm-eval-so.yaml"
    file.write_text(
        "version: 1\nsuite: test\ndataset: {path: test.jsonl}\nmetrics:\n"
        "  - exact_match\n  - name: composite\n    params: {parts: [exact_mach]}\n",
        encoding="utf-8",
    )
    (problem,) = find_problems(load_config(file))
    assert problem.where is not None
    assert (Path(problem.where.file or "").name, problem.where.line) == ("lm-eval-so.yaml", 7)


def test_definition__changes_with_that_of_a_part(tmp_path: Path) -> None:
    def definition(profile: str) -> dict[str, Any]:
        exact = {"name": "exact_match", "params": {"profile": profile}}
        metrics = [composite(["b"], "a"), composite(["exact_match"], "b"), exact]
        return bind_metrics(a_config(tmp_path, metrics), {})[0].definition()

    assert definition("basic") == definition("basic")
    assert definition("basic") != definition("loose")


@pytest.mark.parametrize("part", [{"pass_if": ">= 0.5"}, {"only": {"tags": ["refund"]}}])
def test_definition__changes_with_when_a_part_passes_and_applies(
    tmp_path: Path, part: dict[str, Any]
) -> None:
    def definition(**section: Any) -> dict[str, Any]:
        given = {"name": "char_f1", "pass_if": ">= 0.8", **section}
        metrics = [composite(["char_f1"], "a"), given]
        return bind_metrics(a_config(tmp_path, metrics), {})[0].definition()

    assert definition() == definition()
    assert definition() != definition(**part)


def test_definition__changes_with_the_quorum(tmp_path: Path) -> None:
    def definition(**judge: Any) -> dict[str, Any]:
        panel = [{"name": "scripted"}, {"name": "scripted"}, {"name": "scripted"}]
        given = {"name": "llm_judge", "params": {"rubric": "r"}, "panel": panel, "judge": judge}
        return bind_metrics(a_config(tmp_path, [given]), {})[0].definition()

    assert definition() == definition(retest=5)
    assert definition() != definition(quorum=3)


@pytest.mark.parametrize("judge", [{}, {"backend": {"name": "scripted"}}])
def test_dataset_problems__condition_for_a_judge__needs_one(
    tmp_path: Path, judge: dict[str, Any]
) -> None:
    ends = [{"type": "judge", "text": "The user is calm."}]
    write_dataset(tmp_path, [{"id": "s1", "scenario": {"turns": [{"user": "?"}], "success": ends}}])
    found = dataset_problems(a_config(tmp_path, [{"name": "goal", **judge}]))
    expected = [] if judge else ['sample s1, scenario.success: "The user is calm." needs a judge']
    assert [problem.what for problem in found] == expected
