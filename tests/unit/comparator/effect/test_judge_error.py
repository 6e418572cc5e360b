"""What the gate makes of a judge's errors."""

from dataclasses import replace

import pytest
from comparing import flips, judge, only
from factories import make_health, make_report

from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, MetricKind, Verdict
from lm_eval_so.core.records.judge_health import JudgeCalibration

GOOD = JudgeCalibration(
    state="ok",
    n=100,
    positives=50,
    negatives=50,
    kappa=0.7,
    se=0.8,
    sp=0.9,
    j=0.7,
    date="2026-11-24T06:30:00Z",
)
LOW = JudgeCalibration(state="ok", n=100, positives=50, negatives=50, se=0.7, sp=0.7, j=0.4)
WEAK = JudgeCalibration(state="ok", n=100, positives=50, negatives=50, se=0.6, sp=0.6, j=0.2)
SMALL = JudgeCalibration(state="small", n=40, positives=12, negatives=28, se=0.9, sp=0.9, j=0.8)


def reports(calibration, scores=None, **options):
    before, now = scores or flips(worse=10, better=10, n=300, right=230)
    return (
        make_report({"helpful": before}, **options),
        make_report({"helpful": now}, judges={"helpful": calibration}, **options),
    )


def compared(calibration, scores=None, language=Language.EN, **options):
    return only(judge(*reports(calibration, scores, **options), language=language))


def codes(metric):
    return [warning.code for warning in metric.warnings]


def test_margin__is_shrunk_by_what_the_judge_shows() -> None:
    metric = compared(GOOD)
    assert (metric.judge_j, metric.verdict) == (0.7, Verdict.PASS)
    assert metric.margin == pytest.approx(0.035)
    assert metric.corrected.margin == pytest.approx(0.05)
    assert metric.corrected.delta == pytest.approx(metric.delta / 0.7)
    assert metric.corrected.ci90 == pytest.approx([end / 0.7 for end in metric.ci90])
    assert metric.corrected.baseline == pytest.approx((metric.baseline + 0.9 - 1) / 0.7)
    assert codes(metric) == []


def test_margin__of_the_config_is_the_one_that_is_shrunk() -> None:
    gate = {"metrics": {"helpful": {"margin": 0.03}}}
    metric = only(judge(*reports(GOOD), gate=gate))
    assert metric.margin == pytest.approx(0.021)
    assert metric.verdict is Verdict.INCONCLUSIVE  # the drop may be 2.6 points


def test_corrected_change__is_clipped() -> None:
    metric = compared(LOW, flips(worse=200, better=0, n=200))
    assert metric.corrected.delta == -1
    assert metric.corrected.ci90[0] == -1
    assert metric.verdict is Verdict.REGRESSION


def test_margin__with_repeats_is_shrunk_as_well() -> None:
    scores = [[1, 1], [1, 0], [0, 0]] * 40
    metric = compared(GOOD, (scores, scores), kinds={"helpful": MetricKind.BINARY})
    assert metric.margin == pytest.approx(0.035)
    assert metric.corrected is not None


def test_weak_judge__decides_nothing() -> None:
    metric = compared(WEAK)
    assert (metric.verdict, metric.reason, metric.judge_j) == (
        Verdict.INCONCLUSIVE,
        "judge_weak",
        0.2,
    )
    assert (metric.ci90, metric.corrected, metric.p_worse) == (None, None, None)
    assert metric.sentence == (
        "helpful: the judge hardly tells right from wrong (Youden J 0.20); improve the judge before "
        "gating on it."
    )


def test_weak_judge__of_graded_labels_decides_nothing_either() -> None:
    metric = compared(WEAK, ([0.5, 1.0] * 30, [0.5, 0.0] * 30))
    assert (metric.verdict, metric.reason) == (Verdict.INCONCLUSIVE, "judge_weak")


def test_weak_judge__too_many_missing_rows_come_first() -> None:
    before, now = flips(worse=0, better=0, n=100)
    metric = compared(WEAK, (before, [None] * 10 + now[10:]))
    assert metric.reason == "error_rate"


def test_low_j__is_told_and_used() -> None:
    metric = compared(LOW)
    assert (metric.margin, metric.reason, codes(metric)) == (
        pytest.approx(0.02),
        "too_noisy",
        ["judge_low"],
    )
    assert metric.sentence.endswith(
        "The judge often errs (Youden J 0.40): improve it, and the same samples prove more."
    )


@pytest.mark.parametrize(
    ("calibration", "code", "told"),
    [
        (JudgeCalibration(), "judge_uncalibrated", "nobody has held the judge against labels"),
        (JudgeCalibration(state="stale"), "judge_stale", "the calibration is of another judge"),
        (SMALL, "judge_small", "12 good and 28 bad answers labelled by people are too few"),
    ],
)
def test_unused_calibration__margin_is_about_the_judges_score(calibration, code, told) -> None:
    metric = compared(calibration)
    assert (metric.verdict, metric.margin, metric.judge_j) == (Verdict.PASS, 0.05, None)
    assert (codes(metric), metric.corrected) == ([code], None)
    assert told in metric.sentence
    assert "평가 모델의 점수에 적용됩니다" in compared(calibration, language=Language.KO).sentence


def test_unused_calibration__is_not_told_where_nothing_is_decided() -> None:
    metric = compared(JudgeCalibration(), ([0.5], [0.5]))
    assert (metric.reason, codes(metric)) == ("few_samples", [])


def test_graded_labels__margin_is_about_the_judges_score() -> None:
    scores = [0.5, 1.0, 0.0] * 60
    metric = compared(GOOD, (scores, scores))
    assert (metric.margin, metric.judge_j, metric.corrected) == (0.03, 0.7, None)
    assert codes(metric) == ["judge_graded"]


def test_rule_metric__has_no_note() -> None:
    before, now = flips(worse=10, better=10, n=300)
    metric = only(judge(make_report({"m": before}), make_report({"m": now})))
    assert (metric.judge_j, metric.corrected, metric.warnings) == (None, None, ())


def test_calibration__of_the_candidate_counts() -> None:
    before, now = flips(worse=10, better=10, n=300)
    old = make_report({"helpful": before}, judges={"helpful": WEAK})
    new = make_report({"helpful": now}, judges={"helpful": GOOD})
    assert only(judge(old, new)).judge_j == 0.7


def test_sentence__tells_what_the_figures_stand_for() -> None:
    assert compared(GOOD).sentence == (
        "helpful: 80.0% → 80.0% (0.0 points). Not worse than allowed: the true drop is at most 2.6 "
        "points (95% sure), you allow 3.5 points. The judge shows 0.70 of a true change (Youden J), "
        "so your 5.0 points are 3.5 points of its score, with room for the error of J; without the "
        "judge's errors, if the labels are right, the change is between −3.7 and +3.7 points (0.0 "
        "points)."
    )
    korean = compared(GOOD, language=Language.KO).sentence
    assert "평가 모델의 점수에는 실제 변화의 0.70배만 나타납니다" in korean
    assert "허용 폭 5.0%p에 해당하는 점수 폭은 J의 오차까지 고려해 3.5%p이며" in korean


def test_margin__of_few_labels_is_smaller() -> None:
    known, unsure = compared(replace(GOOD, j_error=0.01)), compared(replace(GOOD, j_error=0.15))
    assert 0 < unsure.margin < known.margin < 0.035
    assert unsure.corrected.margin == known.corrected.margin == 0.05
    assert unsure.ci90 == known.ci90


@pytest.mark.parametrize(
    ("before", "now", "share", "rho", "told"),
    [
        (100.0, 130.0, None, None, "answers are 30.0% longer, and many judges prefer longer"),
        (100.0, 130.0, None, 0.4, "answers are 30.0% longer, and this judge prefers longer"),
        (100.0, 130.0, 0.7, None, "answers are 30.0% longer, and this judge prefers longer"),
        (100.0, 75.0, None, 0.4, "answers are 25.0% shorter"),
        (100.0, 119.0, 0.5, 0.4, "This judge prefers longer answers"),
        (None, 130.0, 0.7, 0.1, "This judge prefers longer answers"),
        (100.0, 119.0, 0.6, 0.2, None),
        (None, 130.0, None, None, None),
    ],
)
def test_leaning_judge__is_told(before, now, share, rho, told) -> None:
    old, new = reports(JudgeCalibration())
    health = make_health(JudgeCalibration())
    figures = {"longer_won_share": share, "length_rho": rho}
    old = replace(old, judges={"helpful": replace(health, mean_length=before)})
    new = replace(new, judges={"helpful": replace(health, mean_length=now, **figures)})
    for language in Language:
        metric = only(judge(old, new, language=language))
        assert ("judge_leans" in codes(metric)) is (told is not None)
    assert told is None or told in only(judge(old, new)).sentence


def test_comparison__keeps_it_in_its_file() -> None:
    comparison = judge(*reports(GOOD))
    assert loads(dumps(comparison), Comparison) == comparison
