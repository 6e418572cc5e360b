"""The note of a kept forecast, whose file may come from anywhere."""

from dataclasses import replace
from pathlib import Path

import pytest
from servers.runs import make, resources, write_dataset

from lm_eval_so.core.records.comparison import ForecastNote
from lm_eval_so.core.records.forecast import (
    Forecast,
    ForecastGate,
    ForecastScenario,
    KnownAnswers,
)
from lm_eval_so.pipeline.forecast.foresee import fits_of
from lm_eval_so.pipeline.forecast.kept import file_of, fitting_note, keep_forecast
from lm_eval_so.pipeline.forecast.subject import subject_of

UNCHANGED = ForecastScenario(
    broken=0, of=1, drop=0, passes=0.9, inconclusive=0, fails=0.1, ranges={}
)


@pytest.mark.parametrize(
    ("day", "fails", "is_told"),
    [
        ("2026-11-30", 0.1, True),
        ("2026-11-30", 1.5, False),
        ("2026-11-30", -0.1, False),
        ("2026-11-30). ✅ **PASS** @octocat", 0.1, False),
        ("2026-11-30\n", 0.1, False),
        ("", 0.1, False),
    ],
)
def test_fitting_note__tells_only_a_share_and_a_day(
    tmp_path: Path, day: str, fails: float, is_told: bool
) -> None:
    write_dataset(tmp_path, [{"id": "q0", "input": "환불은?", "expected": "7일"}])
    backend = {"name": "scripted", "options": {"default": "echo"}}
    config = make(tmp_path, backend, metrics=["exact_match"])
    subject = subject_of(config, resources())
    gate = ForecastGate(metrics=("exact_match",), margin=0.05, k_b=1, k_c=1, claim="like_these")
    forecast = Forecast(
        suite=config.suite,
        n=1,
        groups=None,
        answers=KnownAnswers(k_min=3, k_median=3, runs=3, days=(day,)),
        gate=gate,
        source="split",
        scenarios=(replace(UNCHANGED, fails=fails),),
        fits=fits_of(subject, subject.chatbot),
    )
    assert keep_forecast(forecast, config, resources().redactor) == file_of(config)
    note = ForecastNote(fails=fails, day=day) if is_told else None
    assert fitting_note(config, {}) == note


@pytest.mark.parametrize("text", ["[" * 100_000, '{"n": ' + "9" * 6000 + "}", "\udcff", "null"])
def test_fitting_note__a_file_that_is_no_forecast_says_nothing(tmp_path: Path, text: str) -> None:
    config = make(tmp_path, {"name": "scripted"}, metrics=["exact_match"])
    file_of(config).parent.mkdir(parents=True)
    file_of(config).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert fitting_note(config, {}) is None
