"""Forecasts against the truth of chatbots whose dice are known; the whole is a benchmark."""

import runpy
from pathlib import Path

import pytest

from lm_eval_so.core.stats.trials import Effort, Sides

BENCHMARK = runpy.run_path(str(Path(__file__).parents[4] / "benchmarks" / "forecast.py"))
errors_of, forecasts, judged_noise, make_bot, mean, naive_fails, rehearse, truth_of = (
    BENCHMARK[name]
    for name in (
        "errors_of",
        "forecasts",
        "judged_noise",
        "make_bot",
        "mean",
        "naive_fails",
        "rehearse",
        "truth_of",
    )
)
SMALL = Effort(trials=200, sets=12, of_set=8)
VERDICTS = 1000


@pytest.mark.parametrize("name", ["80/20", "90/10"])
def test_scenarios__twenty_answers_tell_what_the_gate_will_do(name: str) -> None:
    bot = make_bot(name, 60)
    found = errors_of(truth_of(bot, VERDICTS), forecasts(bot, 20, 1, SMALL))
    assert found.fails.worst < 3.0
    assert abs(found.passes.bias) < 6.0
    assert abs(found.finds.bias) < 6.0


def test_scenarios__three_answers_are_right_on_average_and_say_how_sure_they_are() -> None:
    bot = make_bot("80/20", 60)
    found = errors_of(truth_of(bot, VERDICTS), forecasts(bot, 3, 5, SMALL))
    assert abs(found.passes.bias) < 4.0
    assert abs(found.fails.bias) < 1.5
    assert found.passes.covered is not None
    assert found.passes.covered >= 0.8


def test_scenarios__drawn_with_replacement_the_same_answers_would_pass_too_often() -> None:
    bot, drawn, split = (
        make_bot("80/20", 100),
        BENCHMARK["with_replacement"],
        BENCHMARK["shares_of"],
    )
    passes = [drawn(bot, 3, seed, 200) - split(bot, 3, seed, SMALL) for seed in range(4)]
    assert mean(passes) > 0.05


def test_scenarios__a_naive_gate_is_seen_to_be_bad() -> None:
    assert 0.38 < mean([naive_fails(seed, 300) for seed in range(4)]) < 0.49


def test_scenarios__a_baseline_that_is_asked_more_often_passes_more() -> None:
    bot = make_bot("80/20", 60)
    once = next(rehearse(bot, 5, 0, SMALL).scenarios())
    often = next(rehearse(bot, 5, 0, SMALL, Sides(baseline=4, candidate=1)).scenarios())
    assert often.passes > once.passes + 0.05


def test_noise__judge_and_chatbot_are_told_apart() -> None:
    found = [judged_noise(seed) for seed in range(20)]
    assert mean([judge for judge, _ in found]) == pytest.approx(0.095, abs=0.01)
    assert mean([chatbot for _, chatbot in found]) == pytest.approx(0.08, abs=0.015)
