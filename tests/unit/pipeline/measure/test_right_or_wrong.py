"""Metrics whose cases can be watched: they say right or wrong of one answer alone."""

from pathlib import Path
from typing import Any

import pytest
from factories import make_report
from servers.runs import make

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.pipeline.measure.right_or_wrong import right_or_wrong

NOTHING = make_report({})


def config(folder: Path, *metrics: Any) -> Config:
    return make(folder, {"name": "scripted"}, metrics=list(metrics))


class Fault(Metric):
    kind = MetricKind.BINARY
    higher_is_better = False


def test_right_or_wrong__a_fault_that_is_not_found_is_right(tmp_path: Path) -> None:
    tests = right_or_wrong(config(tmp_path, {"id": "fault", "name": f"{__name__}:Fault"}), NOTHING)
    assert [tests["fault"](score) for score in (0.0, 1.0)] == [True, False]


def test_right_or_wrong__binary_metrics_and_those_with_a_condition(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        "exact_match",
        "token_f1",
        {"name": "keyword_coverage", "pass_if": ">= 0.8"},
        "latency_ms",
    )
    tests = right_or_wrong(found, NOTHING)
    assert list(tests) == ["exact_match", "keyword_coverage"]
    assert [tests["exact_match"](score) for score in (0.0, 1.0)] == [False, True]
    assert [tests["keyword_coverage"](score) for score in (0.79, 0.8)] == [False, True]


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "consistency", "id": "m", "pass_if": ">= 0.5"},
        {"name": "invariance", "id": "m", "params": {"of": "exact_match"}},
    ],
)
def test_right_or_wrong__what_holds_answers_against_others_is_left_out(
    tmp_path: Path, metric: dict[str, Any]
) -> None:
    whole = {
        "name": "composite",
        "id": "both",
        "params": {"parts": ["m", "exact_match"]},
        "pass_if": ">= 0.5",
    }
    found = right_or_wrong(config(tmp_path, "exact_match", metric, whole), NOTHING)
    assert list(found) == ["exact_match"]


def test_right_or_wrong__a_metric_made_of_others_has_them_all(tmp_path: Path) -> None:
    parts = {"parts": ["exact_match", "token_f1"]}
    both = {"name": "composite", "id": "both", "params": parts, "pass_if": ">= 0.5"}
    assert list(right_or_wrong(config(tmp_path, "exact_match", "token_f1", both), NOTHING)) == [
        "exact_match",
        "both",
    ]


def test_right_or_wrong__an_unknown_metric_costs_no_other(tmp_path: Path) -> None:
    unknown = {"name": "of_a_plugin", "id": "m"}
    whole = {"name": "composite", "id": "w", "params": {"parts": ["m"]}, "pass_if": ">= 0.5"}
    assert list(right_or_wrong(config(tmp_path, unknown, whole, "exact_match"), NOTHING)) == [
        "exact_match"
    ]


def test_right_or_wrong__a_config_without_metrics_takes_those_of_the_report(tmp_path: Path) -> None:
    sections = [{"name": "keyword_coverage", "id": "k", "pass_if": ">= 0.8"}]
    report = make_report({}, evaluator_config={"metrics": sections})
    assert list(right_or_wrong(config(tmp_path), report)) == ["k"]
    for kept in (None, "x", [{"name": "exact_match", "of_another_version": 1}]):
        odd = make_report({}, evaluator_config={"metrics": kept})
        assert right_or_wrong(config(tmp_path), odd) == {}
