"""The lines of a forecast, in both languages."""

from dataclasses import replace

import pytest

from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.comparison import ForecastNote
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.forecast import (
    Forecast,
    ForecastGate,
    ForecastOption,
    ForecastScenario,
    KnownAnswers,
    MetricNoise,
    NoisePart,
)
from lm_eval_so.core.words.forecast_text import Told, forecast_lines
from lm_eval_so.core.words.phrases import forecast_sentence

QUESTIONS = {
    f"s{i}": (f"q-{i:03}", f"환불은 며칠 걸리나요? #{i}", 3, 5)
    for i in (17, 20, 31, 44, 50, 51, 58)
}


def scenario(broken, passes, fails, ranges):
    return ForecastScenario(
        broken=broken,
        of=60,
        drop=broken / 60,
        passes=passes,
        inconclusive=round(1 - passes - fails, 3),
        fails=fails,
        ranges={"pass": ranges[:2], "fail": ranges[2:]},
    )


def option(name, value, passes, detect, requests, *, merge=0, source="split"):
    return ForecastOption(
        name=name,
        value=value,
        passes=passes,
        detect=detect,
        requests_run=requests,
        requests_merge=merge,
        usd=requests * 0.00233,
        source=source,
    )


WHOLE = Forecast(
    suite="shop",
    n=60,
    groups=None,
    answers=KnownAnswers(k_min=5, k_median=5, runs=5, days=("2026-11-28", "2026-11-29")),
    gate=ForecastGate(metrics=("exact_match",), margin=0.05, k_b=1, k_c=1, claim="like_these"),
    source="split",
    trials=2000,
    seed=7,
    scenarios=(
        scenario(0, 0.29, 0.037, (0.14, 0.47, 0.0, 0.10)),
        scenario(3, 0.02, 0.20, (0.0, 0.05, 0.08, 0.38)),
        scenario(6, 0.0, 0.56, (0.0, 0.0, 0.36, 0.75)),
    ),
    case="named",
    case_repeats=3,
    noise=(
        MetricNoise(
            metric="exact_match",
            is_share=True,
            total=NoisePart(value=0.10, low=0.07, high=0.13),
            chatbot=NoisePart(value=0.06, low=0.03, high=0.09),
            judge=NoisePart(value=0.04, low=0.02, high=0.06),
            between_days=0.012,
            half_by=tuple(QUESTIONS),
        ),
    ),
    options=(
        option("as_is", None, 0.29, 0.56, 60),
        option("baseline", 5, 0.41, 0.81, 60, merge=300, source="formula"),
        option("these", 3, 0.68, 0.96, 180, source="formula"),
        option("questions", 120, 0.48, 0.88, 120, source="split_questions"),
        option("without_noisy", 7, 0.38, 0.60, 53),
        option("margin", 0.1, 0.72, 0.59, 60),
    ),
    suggestion="these",
)
TOLD = Told(
    language=Language.EN,
    is_share=True,
    is_unit=True,
    questions=QUESTIONS,
    is_earlier=False,
    reached=5,
    held=0,
    next_baseline=1,
)
SCORES = replace(
    WHOLE,
    gate=replace(WHOLE.gate, metrics=("faithfulness", "right"), margin=0.03, k_b=3, claim="these"),
    answers=replace(WHOLE.answers, k_min=2, k_median=4.5, days=("2026-11-28",)),
    trials=400,
    case=None,
    noise=(
        MetricNoise(
            metric="faithfulness",
            is_share=False,
            total=NoisePart(value=0.036, low=0.03, high=0.04),
        ),
    ),
    options=tuple(replace(each, usd=None) for each in WHOLE.options[:1]),
    suggestion="as_is",
    left_out=("invariance",),
)
UNKNOWN = replace(
    WHOLE,
    answers=KnownAnswers(k_min=0, k_median=1, runs=1, days=("2026-11-28",)),
    source="assumed",
    trials=0,
    scenarios=(),
    noise=(),
    options=(),
    suggestion=None,
    missing=120,
)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("name", "forecast", "told"),
    [
        ("whole", WHOLE, TOLD),
        (
            "scores",
            SCORES,
            replace(TOLD, is_share=False, is_earlier=True, held=1, next_baseline=3),
        ),
        ("unknown", UNKNOWN, replace(TOLD, reached=1)),
    ],
)
def test_forecast_lines__as_people_see_them(name, forecast, told, language, golden) -> None:
    lines = forecast_lines(forecast, replace(told, language=language))
    golden(f"terminal/forecast_{name}.{language.value}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("held", "following", "told"),
    [
        (0, 1, "1 answer against 3"),
        (3, 3, "1 answer against 3"),
        (3, 1, "1 answer against 3 (as the baseline at hand)"),
        (1, 3, "1 answer against 3 (by baseline.repeats; the baseline at hand has 1)"),
    ],
)
def test_forecast_lines__the_first_says_whose_answers_are_counted(held, following, told) -> None:
    forecast = replace(WHOLE, gate=replace(WHOLE.gate, k_b=3))
    lines = forecast_lines(forecast, replace(TOLD, held=held, next_baseline=following))
    assert lines[0].endswith(f", {told}")
    # a baseline that was asked more often by chance does not make the next one
    assert ("set baseline.repeats: 3" in lines[-1]) is (following < 3)


def test_forecast_lines__of_one_are_in_the_singular() -> None:
    one = replace(WHOLE.noise[0].total, value=0.011)
    forecast = replace(
        WHOLE,
        scenarios=(WHOLE.scenarios[0], replace(WHOLE.scenarios[1], broken=1)),
        noise=(replace(WHOLE.noise[0], total=one, half_by=("s17",)),),
    )
    text = "\n".join(forecast_lines(forecast, TOLD))
    assert "If 1 of 60 answers breaks" in text
    assert "of 100 answers 1 changes when asked again" in text
    assert "Of 100 answers 1 changes between days, and would not" in text
    assert "Half of that is due to 1 of 60 questions: q-017" in text


def test_forecast_sentence__tells_the_share_of_unchanged_runs() -> None:
    text = "This gate fails 4% of runs in which nothing changed (forecast of 2026-11-29)."
    assert forecast_sentence(ForecastNote(fails=0.037, day="2026-11-29"), Language.EN) == text


def test_record__has_the_names_of_verdicts_and_comes_back() -> None:
    text = dumps(WHOLE)
    assert '"pass":0.29,"inconclusive":0.673,"fail":0.037' in text
    assert '"ranges":{"pass":[0.14,0.47],"fail":[0.0,0.1]}' in text
    assert loads(text, Forecast) == WHOLE
