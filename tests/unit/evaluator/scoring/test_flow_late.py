"""Samples that are held against the ones that they were made from, over a whole evaluation."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.metrics.derived.invariance import Invariance
from lm_eval_so.evaluator.metrics.safety.behavior import Refusal

SAME = {"id": "same", "name": "invariance", "params": {"of": "exact_match"}}
F1 = {"id": "f1", "name": "invariance", "params": {"of": "token_f1"}}


def variant(sample_id: str, base: str, expect: str = "same") -> dict[str, Any]:
    relation = {"base": base, "type": "typo", "expect": expect}
    return {"id": sample_id, "input": f"{sample_id}?", "expected": "3일", "relation": relation}


def evaluated(
    folder: Path,
    rows: list[dict[str, Any]],
    answers: dict[str, list[str | None] | str | None],
    metrics: list[Any],
    **sections: Any,
) -> EvaluationReport:
    def answer(sample: TestSample, repeat: int) -> RunResult | None:
        given = answers[sample.id]
        text = given[repeat] if isinstance(given, list) else given
        if text is None:
            return None
        if text == "late":
            return a_run(None, status=RunStatus.TIMEOUT)
        if text == "filtered":
            return a_run(None, status=RunStatus.FILTERED)
        return a_run(text)

    folder.mkdir(exist_ok=True)
    repeats = max(len(given) if isinstance(given, list) else 1 for given in answers.values())
    run = write_run(folder, write_dataset(folder, rows), answer, repeats=repeats)
    return report_of(a_config(folder, metrics, **sections), run)


BASE = {"id": "b", "input": "며칠?", "expected": "3일"}


@pytest.mark.parametrize(
    ("expect", "base", "own", "value"),
    [
        ("same", "3일", "3일", 1),
        ("same", "3일", "5일", 0),
        ("same", "5일", "7일", 1),
        ("different", "3일", "5일", 1),
        ("different", "3일", "3일", 0),
        ("refuse", "3일", "죄송하지만 해당 요청은 도와드릴 수 없습니다.", 1),
        ("refuse", "3일", "3일", 0),
        ("refuse", "late", "filtered", 1),
        ("same", "late", "3일", "part_unscored"),
        ("same", None, "3일", "part_unscored"),
        ("same", "3일", "filtered", "part_unscored"),
        ("same", "3일", "late", "run_timeout"),
    ],
)
@pytest.mark.parametrize("is_base_first", [True, False])
def test_invariance__table(
    tmp_path: Path,
    expect: str,
    base: str | None,
    own: str,
    value: float | str,
    is_base_first: bool,
) -> None:
    rows = [BASE, variant("v", "b", expect)]
    ordered = rows if is_base_first else rows[::-1]
    others = [{"id": "o", "input": "o?", "expected": "3일"}]
    answers = {"b": base, "v": own, "o": "3일"}
    report = evaluated(tmp_path, [*ordered, *others], answers, ["exact_match", SAME])
    scores = dict(zip(report.samples.ids, report.samples.scores["same"], strict=True))
    assert scores["b"] is None
    assert report.metrics["same"].not_applicable == 2
    if isinstance(value, str):
        assert report.metrics["same"].unscored_by == {value: 1}
    else:
        assert scores["v"] == value


def test_invariance__values_within_a_tenth(tmp_path: Path) -> None:
    rows = [
        {"id": "b", "input": "?", "expected": "가 나 다 라 마 바 사 아 자 차"},
        {**variant("near", "b"), "expected": "가 나 다 라 마 바 사 아 자 차"},
        {**variant("far", "b"), "expected": "가 나 다 라 마 바 사 아 자 차"},
    ]
    words = list("가나다라마바사아자차")
    answers = {
        "b": " ".join(words),
        "near": " ".join([*words[:9], "카"]),
        "far": " ".join([*words[:8], "카", "타"]),
    }
    report = evaluated(tmp_path, rows, answers, ["token_f1", F1])
    assert report.samples.scores["token_f1"] == (1, 0.9, 0.8)
    assert report.samples.scores["f1"] == (None, 1, 0)


def test_invariance__same_repeat(tmp_path: Path) -> None:
    rows = [BASE, variant("v", "b")]
    answers = {"b": ["3일", "5일", None], "v": ["3일", "3일", "3일"]}
    report = evaluated(tmp_path, rows, answers, ["exact_match", SAME])
    assert report.samples.scores["same"] == (None, None, None, 1, 0, None)
    assert report.metrics["same"].unscored_by == {"part_unscored": 1}


def test_invariance__base_that_is_not_in_the_dataset(tmp_path: Path) -> None:
    report = evaluated(
        tmp_path, [BASE, variant("v", "gone")], {"b": "3일", "v": "3일"}, ["exact_match", SAME]
    )
    assert report.metrics["same"].unscored_by == {"part_unscored": 1}
    (case,) = report.errors
    assert case.reason == (
        "same part_unscored: gone has no score of exact_match to be held against"
    )


@pytest.mark.parametrize("bare", ["b", "v"])
def test_invariance__metric_that_does_not_apply_to_one_of_both(tmp_path: Path, bare: str) -> None:
    rows = [BASE, variant("v", "b")]
    rows = [{**row, "expected": None} if row["id"] == bare else row for row in rows]
    report = evaluated(tmp_path, rows, {"b": "3일", "v": "3일"}, ["exact_match", SAME, "length"])
    found = report.metrics["same"]
    assert (found.rows, found.unscored, found.not_applicable) == (0, 0, 2)


def test_late__cases_have_all_scores_and_their_reasons(tmp_path: Path) -> None:
    words = {"name": "keyword_coverage", "params": {"keywords": ["3일", "무료"]}}
    metrics = [SAME, words, "exact_match", {"name": "composite", "params": {"parts": ["same"]}}]
    rows = [variant("v", "b"), BASE, variant("w", "b")]
    answers = {"b": "3일", "v": "5일", "w": "3일"}
    report = evaluated(tmp_path, rows, answers, metrics)
    assert report.samples.scores["composite"] == (0, None, 1)
    cases = {case.sample_id: case for case in report.errors}
    assert list(cases) == ["v"]
    scores = {score.metric: score for score in cases["v"].scores}
    assert list(scores) == ["same", "keyword_coverage", "exact_match", "composite"]
    assert scores["keyword_coverage"].reason == "not found: 3일, 무료"
    assert scores["same"].details == {"base": "b", "own_value": 0.0, "base_value": 1.0}
    assert report.metrics["composite"].not_applicable == 1


def test_late__order_and_number_at_once_change_nothing(tmp_path: Path) -> None:
    rows = [
        row for n in range(40) for row in ({**BASE, "id": f"b{n}"}, variant(f"v{n}", f"b{39 - n}"))
    ]
    answers = {row["id"]: "3일" if n % 3 else "5일" for n, row in enumerate(rows)}
    metrics = ["exact_match", SAME, {"name": "composite", "params": {"parts": ["same"]}}]
    reports = [
        evaluated(tmp_path / str(n), rows, answers, metrics, run={"concurrency": n}) for n in (1, 7)
    ]
    one, seven = (dumps(report.samples) + dumps(report.errors[0]) for report in reports)
    assert one == seven


def test_definition__says_how_refusals_are_told() -> None:
    refusal = Refusal(params={"expect": "refuse"}).definition()
    assert Invariance(params={"of": "exact_match"}).definition()["refusal"] == refusal
