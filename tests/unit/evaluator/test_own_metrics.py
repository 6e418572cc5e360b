"""Metrics that score in ways of their own, over a whole evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation import a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.base import Metric


class CountsBatches(Metric):
    """Breaks in its second batch."""

    seen: list[list[str]] = []  # noqa: RUF012 - of the test

    async def score_batch(self, items: Any) -> list[Score]:
        CountsBatches.seen.append([sample.id for sample, _ in items])
        if len(CountsBatches.seen) == 2:
            raise RuntimeError("no memory")
        return [self.make_score(sample, value=1) for sample, _ in items]


class FailsOnThird(Metric):
    """Breaks on one row."""

    def score(self, sample: TestSample, run: RunResult) -> Score:
        if sample.id == "q3":
            raise RuntimeError("boom")
        return self.make_score(sample, value=1.0)


def own(metric: type[Metric]) -> str:
    return f"{metric.__module__}:{metric.__name__}"


def make(
    folder: Path,
    n: int = 10,
    answer: Callable[[TestSample, int], RunResult | None] | None = None,
    **options: Any,
) -> Path:
    rows = [{"id": f"q{i}", "input": f"질문 {i}", "expected": f"답 {i}"} for i in range(n)]
    say = answer or (lambda sample, repeat: a_run(sample.expected))
    return write_run(folder, write_dataset(folder, rows), say, **options)


def test_evaluate__batches_of_64__one_that_breaks(tmp_path: Path) -> None:
    CountsBatches.seen.clear()
    config = a_config(tmp_path, [own(CountsBatches), "exact_match"])
    report = report_of(config, make(tmp_path, n=150))
    assert [len(batch) for batch in CountsBatches.seen] == [64, 64, 22]
    assert [each for batch in CountsBatches.seen for each in batch] == [f"q{i}" for i in range(150)]
    summary = report.metrics["CountsBatches"]
    assert (summary.rows, summary.unscored_by) == (86, {"metric_error": 64})
    assert report.metrics["exact_match"].rows == 150
    scores = report.samples.scores["CountsBatches"]
    assert scores == (1.0,) * 64 + (None,) * 64 + (1.0,) * 22


def test_evaluate__repeats_are_averaged_within_a_sample(tmp_path: Path) -> None:
    right = {("q0", 0), ("q0", 1), ("q1", 0)}
    run = make(
        tmp_path,
        n=3,
        answer=lambda s, r: a_run(s.expected if (s.id, r) in right else "모름"),
        repeats=2,
    )
    report = report_of(a_config(tmp_path, ["exact_match", "consistency"]), run)
    summary = report.metrics["exact_match"]
    found = (summary.mean, summary.sample_count, summary.rows, summary.std)
    assert found == (0.5, 3, 6, 0.5)
    assert report.samples.scores["consistency"] == (1, None, 0, None, 1, None)
    summary = report.metrics["consistency"]
    assert (summary.sample_count, summary.rows, summary.not_applicable) == (3, 3, 3)
    assert summary.unscored == 0


def test_evaluate__parts_that_break_cost_the_composite(tmp_path: Path) -> None:
    parts = {"id": "all", "name": "composite", "params": {"parts": ["FailsOnThird", "exact_match"]}}
    report = report_of(
        a_config(tmp_path, [parts, own(FailsOnThird), "exact_match"]), make(tmp_path)
    )
    assert report.metrics["all"].unscored_by == {"part_unscored": 1}
    assert list(report.metrics) == ["all", "FailsOnThird", "exact_match"]
    (case,) = report.errors
    assert [score.metric for score in case.scores] == ["all", "FailsOnThird", "exact_match"]
