"""A gate's mistakes are found before anything is paid for, with their lines."""

import pytest

from lm_eval_so.comparator.effect.finding import make_shape
from lm_eval_so.comparator.gate.check import check
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.enums import Direction, MetricKind

CONFIG = """\
version: 1
suite: support-qa
dataset: {{path: data.jsonl}}
metrics: [exact_match, latency_ms, {{id: 유용성, name: llm_judge}}]
gate:
  metrics:
    {metric}:
      {key}
"""
SHAPES = {
    "exact_match": make_shape(MetricKind.BINARY, Direction.HIGHER, (0.0, 1.0)),
    "latency_ms": make_shape(MetricKind.RATIO, Direction.LOWER, None),
    "length": make_shape(MetricKind.UNBOUNDED, Direction.HIGHER, None),
}


def problems_of(tmp_path, metric, key, shapes=SHAPES):
    file = tmp_path / "lm-eval-so.yaml"
    file.write_text(CONFIG.format(metric=metric, key=key).replace("유용성", "helpful"), "utf-8")
    return check(load_config(file), shapes)


@pytest.mark.parametrize(
    ("metric", "key", "line", "what"),
    [
        ("exact_mach", "min: 0.5", 7, 'unknown metric "exact_mach" (did you mean "exact_match"?)'),
        ("exact_match", "min: 0.9\n      max: 0.8", 8, "min 0.9 is above max 0.8"),
        ("exact_match", "margin: 1.0", 8, "a margin of 1 accepts any drop"),
        ("exact_match", "min: 80", 8, "80 is outside the range of exact_match, 0 … 1"),
        ("exact_match", "max_increase: 0.1", 8, "is no cost, time or token count"),
        ("exact_match", "statistic: p95", 8, "compared by its mean, not by p95"),
        ("exact_match", "rule: bound", 8, "rule is given without a bound"),
        ("latency_ms", "margin: 0.1", 8, "compared as a ratio, which has no margin"),
        (
            "latency_ms",
            "{max: 900, rule: bound, statistic: p95}".strip("{}").replace(", ", "\n      "),
            9,
            "rule: bound is about a mean",
        ),
        (
            "helpful",
            "margin: 0.1\n      max_increase: 0.1",
            9,
            "margin and max_increase exclude each other",
        ),
    ],
)
def test_check__says_what_and_where(tmp_path, metric, key, line, what) -> None:
    (problem,) = problems_of(tmp_path, metric, key)
    assert what in problem.what
    assert problem.where.line == line


@pytest.mark.parametrize(
    ("metric", "key", "hint"),
    [
        ("exact_match", "min: 80", "scores go from 0 to 1: 80% is 0.8"),
        ("exact_match", "max: 99.5", "scores go from 0 to 1: 99.5% is 0.995"),
        ("exact_match", "margin: 5", "scores go from 0 to 1: 5% is 0.05"),
        ("exact_match", "min: -1", "give a score from 0 to 1"),
        ("exact_match", "min: 800", "give a score from 0 to 1"),
        ("exact_match", "margin: 1", "a margin is the largest drop that you accept, as 0.05"),
        ("helpful", "min: 80", "give a score from 1 to 5"),
        ("helpful", "margin: 4", "a margin is the largest drop that you accept, as 0.12"),
        ("exact_match", "statistic: p95", "leave statistic out"),
    ],
)
def test_check__says_what_to_write_instead(tmp_path, metric, key, hint) -> None:
    shapes = {**SHAPES, "helpful": make_shape(MetricKind.BOUNDED, Direction.HIGHER, (1.0, 5.0))}
    (problem,) = problems_of(tmp_path, metric, key, shapes)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("metric", "key"),
    [
        ("exact_match", "{margin: 0.05, min: 0.8, max: 1.0, rule: bound}"),
        ("latency_ms", "{max_increase: 0.2, statistic: p95, max: 3000}"),
        ("helpful", "{margin: 5}"),
    ],
)
def test_check__accepts_what_fits(tmp_path, metric, key) -> None:
    assert problems_of(tmp_path, metric, key) == []


def test_check__without_shapes_leaves_kinds_to_the_comparison(tmp_path) -> None:
    assert problems_of(tmp_path, "exact_match", "max_increase: 0.1", shapes=None) == []


def test_check__the_claim_about_these_questions_excludes_confirm(tmp_path) -> None:
    told = "0.5\n  claim: these\n  confirm: 2"
    (problem,) = problems_of(tmp_path, "exact_match", f"min: {told}")
    assert problem.what == "confirm and claim: these exclude each other"
    assert (problem.where.line, problem.where.key) == (10, "gate.confirm")
    assert "run.repeats" in problem.hint


def test_check__lists_all_problems_at_once(tmp_path) -> None:
    key = "margin: 2\n      statistic: p50\n      min: 7"
    assert len(problems_of(tmp_path, "exact_match", key)) == 3


def test_check__a_config_without_metrics_leaves_names_to_the_reports(tmp_path) -> None:
    file = tmp_path / "lm-eval-so.yaml"
    text = CONFIG.format(metric="exact_match", key="min: 0.5")
    file.write_text("\n".join(line for line in text.splitlines() if "metrics: [" not in line))
    assert check(load_config(file)) == []
