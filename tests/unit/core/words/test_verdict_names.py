"""Icon and name of a verdict, and the metrics that decide."""

from dataclasses import replace

import pytest
from made_reports import compared, comparison

from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.verdict_names import (
    deciding_metrics,
    lead_metric,
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
