"""What a calibration is worth for the judge at hand."""

from dataclasses import replace

import pytest
from factories import make_calibration

from lm_eval_so.core.records.report import JudgeCalibration
from lm_eval_so.evaluator.calibration.worth import calibration_state, calibration_why

FINGERPRINT = "f" * 64


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ((40, 10, 45, 5), "ok"),
        ((20, 10, 25, 5), "ok"),
        ((20, 9, 25, 5), "small"),
        ((20, 10, 25, 4), "small"),
    ],
)
def test_state__needs_30_good_and_30_bad(counts: tuple[int, ...], state: str) -> None:
    tp, fn, tn, fp = counts
    found = calibration_state(make_calibration(tp=tp, fn=fn, tn=tn, fp=fp), FINGERPRINT)
    assert (found.state, found.positives, found.negatives) == (state, tp + fn, tn + fp)


def test_state__figures() -> None:
    made = make_calibration(tp=40, fn=10, tn=45, fp=5, kappa=0.7)
    assert calibration_state(made, FINGERPRINT) == JudgeCalibration(
        state="ok",
        n=100,
        positives=50,
        negatives=50,
        kappa=0.7,
        se=0.8,
        sp=0.9,
        j=0.7,
        date="2026-11-24T06:30:00.000Z",
    )


def test_state__of_a_weighted_one_are_the_weighted_figures() -> None:
    made = make_calibration(
        tp=95, fn=20, tn=84, fp=9, se=0.95, sp=0.7, j=0.65, weighted=True, run_labels={"good": 800}
    )
    found = calibration_state(made, FINGERPRINT, {"good": 50, "bad": 50})
    assert (found.state, found.positives, found.negatives) == ("ok", 115, 93)
    assert (found.se, found.sp, found.j) == pytest.approx((0.95, 0.7, 0.65))
    assert found.drift == 0.5
    unknown = calibration_state(replace(made, sp=None), FINGERPRINT)
    assert (unknown.state, unknown.j, unknown.drift) == ("small", None, None)


def test_state__of_another_judge_is_stale_and_has_no_figures() -> None:
    made = make_calibration(tp=40, fn=10, tn=45, fp=5)
    assert calibration_state(made, "e" * 64) == JudgeCalibration(
        state="stale", date="2026-11-24T06:30:00.000Z"
    )
    assert calibration_state(None, FINGERPRINT) == JudgeCalibration(state="none")


@pytest.mark.parametrize(
    ("j", "why"), [(0.2, ("j_weak",)), (0.21, ("j_low",)), (0.49, ("j_low",)), (0.5, ())]
)
def test_why__of_a_calibration_that_counts(j: float, why: tuple[str, ...]) -> None:
    assert calibration_why(JudgeCalibration(state="ok", j=j)) == why


@pytest.mark.parametrize("state", ["none", "stale", "small"])
def test_why__of_one_that_does_not(state: str) -> None:
    assert calibration_why(JudgeCalibration(state=state, j=0.1)) == (f"calibration_{state}",)
