"""Files of calibrations: where they are, reading them."""

from dataclasses import replace
from pathlib import Path

import pytest
from evaluation import a_config
from factories import make_calibration

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.errors import InputError
from lm_eval_so.evaluator.calibration.calibration_files import (
    calibration_path,
    calibration_problems,
    read_calibration,
    read_calibrations,
)


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
