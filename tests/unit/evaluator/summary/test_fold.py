"""From rows to the figures of a metric."""

from collections.abc import Sequence

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import Direction, RunStatus
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import CorpusScore, Metric
from lm_eval_so.evaluator.metrics.operation import LatencyMs
from lm_eval_so.evaluator.metrics.text.overlap import TokenF1
from lm_eval_so.evaluator.metrics.text.wording import ExactMatch
from lm_eval_so.evaluator.rows.sheet import Column, Sheet
from lm_eval_so.evaluator.summary.fold import deviation, percentile, summarise

NOT_APPLICABLE = "n/a"


def summary_of(
    metric: Metric, samples: list[list[float | str | None]], groups: Sequence[str | None] = ()
) -> MetricSummary:
    """Summarise rows by sample: a value, None for unscored, or "n/a"."""
    bound = BoundMetric(metric=metric, section=MetricSection(name=metric.name))
    sheet = Sheet([metric.id])
    for number, values in enumerate(samples):
        group = groups[number] if groups else None
        sheet.samples.add(a_sample(f"q{number}", group_id=group), "h")
        for repeat, value in enumerate(values):
            row = sheet.add_row(repeat, a_run("답", status=RunStatus.OK))
            sample = a_sample(f"q{number}")
            if value == NOT_APPLICABLE:
                score = metric.not_applicable(sample)
            elif value is None:
                score = metric.unscored(sample, "metric_error")
            else:
                score = metric.make_score(sample, value=value)
            sheet.put(row, [score])
    return summarise(bound, sheet)


@pytest.mark.parametrize(
    ("ones", "n", "low", "high"),
    [(87, 100, 0.7902, 0.9224), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1)],
)
def test_summarise__binary__wilson(ones: int, n: int, low: float, high: float) -> None:
    summary = summary_of(ExactMatch(), [[float(i < ones)] for i in range(n)])
    assert summary.ci95 == pytest.approx((low, high), abs=5e-5)
    assert summary.mean == ones / n


@pytest.mark.parametrize(
    ("values", "mean", "std", "ci95"),
    [
        ([0.2, 0.4, 0.6, 0.8, 1], 0.6, 0.3162, (0.2074, 0.9926)),
        ([0.9, 0.95, 1], 0.95, 0.05, (0.8258, 1.0)),
        ([0.5], 0.5, None, None),
        ([], None, None, None),
    ],
)
def test_summarise__bounded__student(
    values: list[float],
    mean: float | None,
    std: float | None,
    ci95: tuple[float, float] | None,
) -> None:
    summary = summary_of(TokenF1(), [[value] for value in values])
    assert summary.mean == (None if mean is None else pytest.approx(mean))
    assert summary.std == (None if std is None else pytest.approx(std, abs=5e-5))
    assert summary.ci95 == (None if ci95 is None else pytest.approx(ci95, abs=5e-5))


def test_summarise__groups__widen_the_interval() -> None:
    values = [[float(i % 4 < 3)] for i in range(60)]
    alone = summary_of(ExactMatch(), values)
    # whole groups are right or wrong: 15 units, not 60
    together = summary_of(ExactMatch(), sorted(values), [f"g{i // 4}" for i in range(60)])
    assert alone.ci95 is not None
    assert together.ci95 is not None
    assert together.ci95[1] - together.ci95[0] > 1.5 * (alone.ci95[1] - alone.ci95[0])
    assert 0 <= together.ci95[0] < 0.75 < together.ci95[1] <= 1


def test_summarise__few_groups_or_one_each__as_without() -> None:
    values = [[float(i % 4 < 3)] for i in range(20)]
    alone = summary_of(ExactMatch(), values).ci95
    assert summary_of(ExactMatch(), values, [f"g{i // 4}" for i in range(20)]).ci95 == alone
    assert summary_of(ExactMatch(), values, [f"g{i}" for i in range(20)]).ci95 == alone


def test_summarise__equal_values__no_interval_of_width_zero() -> None:
    summary = summary_of(TokenF1(), [[0.5]] * 20)
    assert summary.ci95 is not None
    assert summary.ci95[0] < 0.5 < summary.ci95[1]


def test_summarise__repeats_are_averaged_within_a_sample() -> None:
    summary = summary_of(ExactMatch(), [[1, 1], [1, 0], [0, 0]])
    assert (summary.mean, summary.sample_count, summary.rows, summary.std) == (0.5, 3, 6, 0.5)


def test_summarise__missing_rows_stay_out_of_the_mean() -> None:
    summary = summary_of(ExactMatch(), [[1.0]] * 6 + [[0.0]] * 3 + [[None]])
    assert (summary.mean, summary.rows, summary.unscored) == (pytest.approx(6 / 9), 9, 1)
    assert summary.unscored_by == {"metric_error": 1}
    assert summary.coverage == 0.9
    assert summary.mean_if_missing_worst == pytest.approx(0.6)
    assert summary.mean_if_missing_best == pytest.approx(0.7)


def test_summarise__missing_repeat_counts_within_its_sample() -> None:
    summary = summary_of(ExactMatch(), [[1, None], [1, 1]])
    assert summary.mean == 1
    assert summary.mean_if_missing_worst == pytest.approx((0.5 + 1) / 2)


def test_summarise__not_applicable_is_not_missing() -> None:
    summary = summary_of(ExactMatch(), [[1.0], [NOT_APPLICABLE], [None]])
    assert (summary.not_applicable, summary.unscored, summary.coverage) == (1, 1, 0.5)
    assert summary.mean_if_missing_worst == 0.5
    alone = summary_of(ExactMatch(), [[NOT_APPLICABLE]])
    assert (alone.coverage, alone.mean, alone.mean_if_missing_best) == (None, None, None)


def test_summarise__ratio__has_percentiles_and_no_worst_case() -> None:
    summary = summary_of(LatencyMs(), [[float(v)] for v in range(1, 21)] + [[None]])
    assert (summary.min, summary.p50, summary.p95, summary.max) == (1, 10, 19, 20)
    assert summary.mean_if_missing_worst is None
    assert summary.direction is Direction.LOWER
    assert summary.unit == "ms"


def test_summarise__score__has_no_percentiles() -> None:
    summary = summary_of(ExactMatch(), [[1.0], [0.0]])
    assert (summary.p50, summary.p95) == (None, None)


def test_summarise__fingerprint__follows_parameters() -> None:
    one, same, other = (
        summary_of(ExactMatch(params=params), [[1.0]])
        for params in ({}, {"profile": "basic"}, {"profile": "loose"})
    )
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("values", "level", "wanted"),
    [
        ([], 0.5, None),
        ([3], 0.95, 3),
        ([4, 1, 3, 2], 0.5, 2),
        ([4, 1, 3, 2], 0.95, 4),
        (list(range(1, 101)), 0.95, 95),
        ([1, 2], 0.0, 1),
    ],
)
def test_percentile__is_a_value_that_was_measured(
    values: list[float], level: float, wanted: float | None
) -> None:
    assert percentile(values, level) == wanted


def test_deviation__needs_two() -> None:
    assert deviation([1.0]) is None
    assert deviation([]) is None
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)


def test_summarise__counts_units_and_named_reasons() -> None:
    metric, column = TokenF1(), Column(values=[None] * 4)
    details = [{"unit": "char"}, {"unit": "char"}, {"unit": "13a"}, {}]
    for row, told in enumerate(details):
        code = "empty_answer" if row == 3 else None
        score = metric.make_score(a_sample(f"q{row}"), value=0.5, details=told, code=code)
        column.put(row, score)
    assert column.units == {"char": 2, "13a": 1}
    assert column.scored_codes == {"empty_answer": 1}
    unscored = metric.unscored(a_sample("q4"), "metric_error", details={"unit": "char"})
    column.values.append(None)
    column.put(4, unscored)
    assert (column.units["char"], column.scored_codes["metric_error"]) == (2, 0)


class Counted(TokenF1):
    """Tells what all rows have together."""

    def corpus_score(self, counts: Sequence[int], units: Sequence[str]) -> CorpusScore | None:
        return CorpusScore(value=counts[0] / counts[1], signature="+".join(units))


def test_summarise__corpus_score__is_of_sums_not_of_means() -> None:
    metric = Counted()
    bound = BoundMetric(metric=metric, section=MetricSection(name="counted"))
    sheet = Sheet([metric.id])
    for number, (hits, of) in enumerate([(1, 2), (0, 8)]):
        sheet.samples.add(a_sample(f"q{number}"), "h")
        row = sheet.add_row(0, a_run("답"))
        details = {"unit": "char", "corpus_counts": [hits, of]}
        sheet.put(row, [metric.make_score(a_sample("q"), value=hits / of, details=details)])
    summary = summarise(bound, sheet)
    assert (summary.mean, summary.corpus_score, summary.signature) == (0.25, 0.1, "char")
    assert summary.units == {"char": 2}
