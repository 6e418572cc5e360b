"""Icon, name and headline of a verdict."""

from dataclasses import replace

import pytest
from made_reports import compared, comparison, lost

from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.verdict_names import (
    deciding_metrics,
    figures_of,
    headline,
    lead_metric,
    run_icon,
    verdict_heading,
    verdict_icon,
    verdict_name,
)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdict__has_an_icon_and_a_name_in_both_languages(verdict) -> None:
    assert verdict_icon(verdict)
    for language in Language:
        name = verdict_name(verdict, language)
        assert verdict_heading(verdict, language).lower() == name.lower()
    assert verdict_heading(verdict, Language.EN)[0].isupper()


def test_run_icon__of_lost_answers_is_no_tick() -> None:
    good = comparison(Verdict.PASS, metrics={"m": compared(Verdict.PASS)})
    assert run_icon(good) == "✅"
    assert run_icon(replace(good, lost=lost())) == "⚠️"
    assert run_icon(replace(good, verdict=Verdict.REGRESSION, lost=lost())) == "❌"


def test_lead_metric__is_the_first_that_decides() -> None:
    metrics = {
        "beside": replace(compared(Verdict.REGRESSION), gating=False),
        "calm": compared(Verdict.PASS),
        "bad": compared(Verdict.REGRESSION),
        "worse": compared(Verdict.REGRESSION),
    }
    made = comparison(Verdict.REGRESSION, metrics=metrics)
    assert deciding_metrics(made) == ["bad", "worse"]
    assert lead_metric(made) == "bad"
    assert lead_metric(replace(made, verdict=Verdict.ERROR)) == "calm"
    assert lead_metric(replace(made, metrics={"beside": metrics["beside"]})) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"baseline": 0.9, "candidate": 0.85, "delta": -0.05}, "m 90.0% → 85.0% (−5.0 points)"),
        ({"baseline": 0.9, "candidate": 0.85, "delta": None}, "m 90.0% → 85.0%"),
        ({"baseline": None, "candidate": 0.85, "delta": None}, "m 85.0%"),
        ({"candidate": None}, ""),
    ],
)
def test_headline__is_the_change(changes, text) -> None:
    made = comparison(metrics={"m": replace(compared(), **changes)})
    shown = figures_of(made, None, Language.EN)
    assert headline("m", made.metrics["m"], shown["m"]) == text
