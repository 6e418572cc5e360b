"""Calibrations as an evaluation uses them."""

from dataclasses import replace
from pathlib import Path

import pytest
from evaluation import a_config
from factories import make_calibration

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.report import JudgeCalibration
from lm_eval_so.errors import InputError
from lm_eval_so.evaluator.calibration import (
    calibration_path,
    calibration_problems,
    calibration_state,
    calibration_why,
    read_calibration,
    read_calibrations,
)

FINGERPRINT = "f" * 64


def config_of(folder: Path, calibration: str | None = "c.json") -> Config:
    judge = {"calibration": calibration} if calibration else {}
    section = {
        "id": "helpful",
        "name": "llm_judge",
        "params": {"rubric": "r"},
        "backend": {"name": "scripted"},
        "judge": judge,
    }
    return a_config(folder, ["exact_match", section])


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


def test_path__of_the_config_or_by_the_metric(tmp_path: Path) -> None:
    named, unnamed = config_of(tmp_path), config_of(tmp_path, None)
    assert calibration_path(named, named.metrics[1]) == tmp_path / "c.json"
    assert calibration_path(unnamed, unnamed.metrics[1]) == tmp_path / "calibration/helpful.json"


def test_read__only_what_the_config_names(tmp_path: Path) -> None:
    made = make_calibration(tp=1, fn=0, tn=1, fp=0)
    config = config_of(tmp_path)
    told: list[Event] = []
    assert read_calibrations(config, told.append) == {}
    assert [event.text for event in told if isinstance(event, Noticed)] == [
        "helpful: no calibration at c.json yet; lm-eval-so calibrate makes it"
    ]
    (tmp_path / "c.json").write_text(dumps(made), "utf-8")
    assert read_calibrations(config) == {"helpful": made}
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration/helpful.json").write_text(dumps(made), "utf-8")
    assert read_calibrations(config_of(tmp_path, None)) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "no JSON"),
        ('{"schema": "lm-eval-so/report/1"}', "expected a record lm-eval-so/calibration/1"),
        ('{"metric": "m"}', "field required"),
        (dumps(replace(make_calibration(tp=1, fn=0, tn=1, fp=0), fn=-1)), "counts are not below 0"),
        (
            dumps(make_calibration(tp=1, fn=0, tn=1, fp=0, weighted=True, se=7.0)),
            "se and sp lie between 0 and 1",
        ),
    ],
)
def test_read__what_is_no_calibration(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "c.json").write_text(text, "utf-8")
    config = config_of(tmp_path)
    with pytest.raises(InputError, match=what):
        read_calibration(config, config.metrics[1])
    problems = list(calibration_problems(config))
    assert {p.where.file for p in problems if p.where} == {str(tmp_path / "c.json")}


def test_read__a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.json").mkdir()
    assert len(list(calibration_problems(config_of(tmp_path)))) == 1
