"""Metrics of a config, checked before anything is spent."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_sample

from lm_eval_so.core.config.load import load_config
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.binding.bind import bind_metrics, gating_ids
from lm_eval_so.evaluator.evaluation_plan import check
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.base import metrics as registered

JUDGE = {"backend": {"name": "scripted", "options": {"default": "x"}}}

YAML = """\
version: 1
suite: test
dataset: {path: test.jsonl}
metrics:
  - exact_mach
  - name: keyword_coverage
    params: {keywords: [3일], forbiddn: [불가]}
  - name: llm_judge
    params:
      rubric: rubrics/gone.md
      labls: [good, bad]
  - id: tone
    name: llm_judge
    params: {rubric: rubrics/gone.md}
    backend: {name: scripted}
  - {id: close, name: token_f1, pass_if: ">= 1.2.3"}
  - name: regex
    params: {pattern: "("}
  - name: no.such:Thing
gate:
  metrics:
    tone: {margin: 0.05}
    close_: {margin: 0.05}
"""


def line_and_text(problem: Problem) -> tuple[int | None, str]:
    return (problem.where.line if problem.where else None), problem.what


def test_check__finds_everything_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "lm-eval-so.yaml"
    file.write_text(YAML, encoding="utf-8")
    found = [line_and_text(problem) for problem in check(load_config(file))]
    assert found == [
        (5, 'unknown metric "exact_mach" (did you mean "exact_match"?)'),
        (7, 'unknown key "forbiddn" (did you mean "forbidden"?)'),
        (8, "the metric llm_judge needs a judge"),
        (11, 'unknown key "labls" (did you mean "labels"?)'),
        (10, "no rubric file rubrics/gone.md"),
        (14, "no rubric file rubrics/gone.md"),
        (16, '">= 1.2.3" is no comparison with a number'),
        (18, found[7][1]),
        (19, found[8][1]),
        (23, 'gate.metrics names "close_", which is no metric here (did you mean "close"?)'),
    ]
    assert "no regular expression: missing )" in found[7][1]
    assert "cannot import no.such:Thing" in found[8][1]


def test_check__good_config__has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("\ufeffBe right.", encoding="utf-8")
    metrics = ["exact_match", {"name": "llm_judge", "params": {"rubric": "good.md"}, **JUDGE}]
    config = a_config(tmp_path, metrics, gate={"metrics": {"exact_match": {"margin": 0.05}}})
    assert check(config) == []
    assert check(config, environ={}) == []


def test_bind_metrics__know_what_the_config_sends_with_each_sample(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    (bound,) = bind_metrics(a_config(tmp_path, ["exact_match"], system="S", tools=[tool]), {})
    asked = bound.metric.env.as_asked(a_sample())
    assert (asked.system, asked.tools) == ("S", (tool,))


def test_check__no_metrics(tmp_path: Path) -> None:
    config = a_config(tmp_path, [])
    assert [problem.what for problem in check(config, environ={})] == ["no metrics"]
    assert check(config) == []  # it is what evaluating lacks, and no mistake


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("exact_match", 'two metrics have the id "exact_match"'),
        (
            {"name": "llm_judge", "params": {"rubric": "r"}, **JUDGE, "panel": [JUDGE["backend"]]},
            "give either backend or panel",
        ),
        (
            {"name": "llm_judge", "params": {"rubric": "r"}, **JUDGE, "judge": {"quorum": 2}},
            "judge.quorum is more than the judges that there are",
        ),
    ],
)
def test_check__what_does_not_go_together_hides_nothing(
    tmp_path: Path, metric: object, what: str
) -> None:
    found = check(a_config(tmp_path, ["exact_match", metric, "exact_macth"]))
    whats = [problem.what for problem in found]
    assert what in whats
    assert 'unknown metric "exact_macth" (did you mean "exact_match"?)' in whats
    assert len(whats) == 2


@pytest.mark.parametrize(
    "backend",
    [
        {"name": "scriptd"},
        {"name": "scripted", "options": {"answerz": {}}},
        {"name": "openai", "params": {"model": "m"}, "options": {"api_key_env": "NO_SUCH_KEY"}},
    ],
    ids=["name", "option", "key"],
)
def test_check__judges_backend(tmp_path: Path, backend: dict[str, Any]) -> None:
    metric = {"name": "llm_judge", "params": {"rubric": "r"}, "backend": backend}
    assert check(a_config(tmp_path, [metric]), environ={}) != []


def test_bind_metrics__one_metric_twice(tmp_path: Path) -> None:
    metrics = [
        "exact_match",
        {"id": "em_loose", "name": "exact_match", "params": {"profile": "loose"}},
    ]
    bound = bind_metrics(a_config(tmp_path, metrics), {})
    assert [each.id for each in bound] == ["exact_match", "em_loose"]
    assert [each.metric.params.profile for each in bound] == ["basic", "loose"]


def test_bind_metrics__rubric_file_is_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("정확하면 good", encoding="utf-8")
    metric = {"name": "llm_judge", "params": {"rubric": "good.md"}, **JUDGE}
    (bound,) = bind_metrics(a_config(tmp_path, [metric]), {})
    assert bound.metric.env.read_file("good.md") == "정확하면 good"
    assert bound.metric.env.read_file("gone.md") is None


@pytest.mark.parametrize(
    ("gate", "ids"),
    [
        ({}, ("exact_match",)),
        ({"metrics": {"latency_ms": {"max_increase": 0.2}}}, ("latency_ms",)),
        ({"metrics": {"token_f1": {}, "exact_match": {}}}, ("exact_match", "token_f1")),
        ({"metrics": {}}, ()),
    ],
    ids=["default", "latency", "order", "none"],
)
def test_gating_ids__in_the_configs_order(
    tmp_path: Path, gate: dict[str, Any], ids: tuple[str, ...]
) -> None:
    config = a_config(tmp_path, ["exact_match", "latency_ms", "token_f1"], gate=gate)
    assert gating_ids(config, bind_metrics(config, {})) == ids


def test_sample_problems__only_of_metrics_that_are_asked_for(tmp_path: Path) -> None:
    (bound,) = bind_metrics(a_config(tmp_path, ["keyword_coverage"]), {})
    sample = a_sample(metrics={"keyword_coverage": {"keywords": 3}, "regex": {"pattren_": 1}})
    problems = list(bound.sample_problems(sample))
    assert len(problems) == 1
    assert "keyword_coverage" in problems[0].what


class BadDefinition(Metric):
    def definition(self) -> dict[str, Any]:
        return {"words": {"a", "b"}}


class BadCheck(Metric):
    def check_params(self) -> list[Problem]:
        raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("metric", "said"),
    [(BadDefinition, "TypeError: Object of type set"), (BadCheck, "RuntimeError: boom")],
)
def test_check__a_metric_that_fails_is_named_before_anything_is_paid(
    tmp_path: Path, metric: type[Metric], said: str
) -> None:
    config = a_config(tmp_path, [{"id": "x", "name": f"{__name__}:{metric.__name__}"}])
    (problem,) = check(config)
    assert problem.what.startswith(f"the metric x fails: {said}")


def test_check__a_judge_that_sits_on_a_panel_twice(tmp_path: Path) -> None:
    judge = {"name": "scripted", "options": {"default": "echo"}}
    panel = [judge, {**judge, "params": {"seed": 2}}, judge]
    section = {"name": "llm_judge", "params": {"rubric": "r"}, "panel": panel}
    (problem,) = check(a_config(tmp_path, [section]))
    assert problem.what == "this judge sits on the panel twice"
    assert problem.where is not None
    assert problem.where.key == "metrics[0].panel[2]"


@pytest.mark.parametrize(
    ("metric", "is_wording"),
    [
        ("token_f1", True),
        ("char_f1", True),
        ("rouge_l", True),
        ("chrf", True),
        ("edit_similarity", True),
        ("exact_match", False),
        ({"name": "turns", "params": {"metric": "token_f1"}}, True),
        ({"name": "turns", "params": {"metric": "exact_match"}}, False),
        ({"name": "turns"}, False),
        ({"name": "composite", "params": {"parts": ["a", "b"]}}, True),
        ({"name": "composite", "params": {"parts": ["a", "right"]}}, False),
    ],
)
def test_gating_ids__wording_gates_where_it_is_named(
    tmp_path: Path, metric: Any, is_wording: bool
) -> None:
    section = {"name": metric} if isinstance(metric, str) else metric
    parts = [{"id": "a", "name": "token_f1"}, {"id": "b", "name": "chrf"}]
    metrics = [{**section, "id": "it"}, *parts, {"id": "right", "name": "exact_match"}]
    by_default, named = (
        a_config(tmp_path, metrics, gate=gate) for gate in ({}, {"metrics": {"it": {}}})
    )
    bound = bind_metrics(by_default, {})
    assert bound[0].measures_overlap is is_wording
    assert gating_ids(by_default, bound) == (("right",) if is_wording else ("it", "right"))
    assert gating_ids(named, bound) == ("it",)


def test_measures_overlap__is_what_the_classes_say() -> None:
    # loading `bleu` and `embedding_similarity` needs no extra
    said = {name for name in registered.names() if registered.resolve(name).measures_overlap}
    assert said == {
        *("token_f1", "char_f1", "rouge_l", "bleu", "chrf", "edit_similarity"),
        "embedding_similarity",
    }
