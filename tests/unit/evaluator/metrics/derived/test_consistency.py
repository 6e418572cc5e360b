"""How alike the answers to one sample are."""

import unicodedata

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.derived.consistency import Consistency
from lm_eval_so.evaluator.metrics.text.wording import ExactMatch
from lm_eval_so.evaluator.scoring.score_sample import ScoredRow, score_sample

NFD = unicodedata.normalize("NFD", "서울")
TIMEOUT = a_run(None, status=RunStatus.TIMEOUT)


async def consistency(
    runs: list[RunResult | None], measure: str = "exact", *parts: Metric
) -> list[Score]:
    rows = [ScoredRow(repeat=repeat, run=run) for repeat, run in enumerate(runs)]
    metrics = [*parts, Consistency(params={"measure": measure})]
    bound = [BoundMetric(metric=m, section=MetricSection(name=m.name)) for m in metrics]
    await score_sample(bound, a_sample(expected="서울"), rows)
    return [row.scores["consistency"] for row in rows]


@pytest.mark.parametrize(
    ("texts", "measure", "value"),
    [
        (["서울", "서울"], "exact", 1),
        (["서울", NFD, "\u200b서울 "], "exact", 1),
        (["서울", "서울", "부산"], "exact", 1 / 3),
        (["서울", "부산", "대구"], "exact", 0),
        (["", ""], "exact", 1),
        (["서울", "서울"], "char_f1", 1),
        (["서울 시", NFD + "시."], "char_f1", 1),
        (["가나", "가다"], "char_f1", 0.5),
        (["가나", "가다", "가나"], "char_f1", 2 / 3),
        (["서울", "서울", "부산"], "exact_match", 1 / 3),
        (["대구", "부산"], "exact_match", 1),
    ],
)
async def test_consistency__mean_over_pairs(texts: list[str], measure: str, value: float) -> None:
    first, *others = await consistency([a_run(text) for text in texts], measure, ExactMatch())
    assert first.value == pytest.approx(value)
    assert {score.status for score in others} == {ScoreStatus.NOT_APPLICABLE}


@pytest.mark.parametrize("measure", ["exact", "char_f1", "exact_match"])
@pytest.mark.parametrize("runs", [[a_run("서울")], [a_run("서울"), TIMEOUT], [a_run("서울"), None]])
async def test_consistency__fewer_than_two(runs: list[RunResult | None], measure: str) -> None:
    first = (await consistency(runs, measure, ExactMatch()))[0]
    assert (first.value, first.code) == (None, "part_unscored")
    assert first.reason is not None
    assert first.reason.endswith("answers can be compared, two are needed")


async def test_consistency__no_answer_at_all() -> None:
    first = (await consistency([None, TIMEOUT]))[0]
    assert (first.value, first.code) == (None, "run_timeout")


async def test_consistency__lost_rows_are_left_out() -> None:
    runs = [a_run("서울"), TIMEOUT, a_run("서울"), None]
    assert (await consistency(runs))[0].value == 1
    assert (await consistency(runs, "exact_match", ExactMatch()))[0].value == 1


class Length(Metric):
    """A value that neither passes nor fails."""

    def score(self, sample: object, run: RunResult) -> Score:  # type: ignore[override]
        return self.make_score(a_sample(), value=len(run.text) / 10)


async def test_consistency__equal_values_where_nothing_passes() -> None:
    runs = [a_run("가"), a_run("나"), a_run("가나")]
    assert (await consistency(runs, "length", Length()))[0].value == pytest.approx(1 / 3)


async def test_consistency__metric_that_does_not_apply() -> None:
    class Never(Metric):
        def applies(self, sample: object) -> bool:  # type: ignore[override]
            return False

    scores = await consistency([a_run("가"), a_run("가")], "never", Never())
    assert {score.status for score in scores} == {ScoreStatus.NOT_APPLICABLE}


def test_check_sample__the_measure_is_the_configs() -> None:
    sample = a_sample(metrics={"consistency": {"measure": "char_f1"}})
    (problem,) = Consistency().check_sample(sample)
    assert (
        problem.what == "sample s1, metrics.consistency.measure: the measure is that of the config"
    )
