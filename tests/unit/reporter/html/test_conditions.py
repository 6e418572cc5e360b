"""Conditions of a run: rules, forecast, judges, statuses, latency."""

import re
from dataclasses import replace

import pytest
from full_report import full_report, with_rows
from made_reports import comparison, report
from outcomes import OUTCOMES
from rendering import render

from lm_eval_so.core.records.comparison import ForecastNote
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.stats.diagnostic import LOW_J
from lm_eval_so.core.words.rules_text import rules_text
from lm_eval_so.evaluator.judging import health
from lm_eval_so.reporter.html.conditions import conditions_of

EN = Language.EN


def conditions(given=None, made=None):
    rules = rules_text(made, EN) if made else None
    return conditions_of(given or report(), made, rules, EN)


def test_rules__values_stand_side_by_side_and_all_else_in_words():
    rows = conditions(made=OUTCOMES["rules loosened"][0]).rules
    told = [(row.rule, row.base, row.head, row.effect) for row in rows]
    assert told[:2] == [
        ("exact_match.margin", "0.05", "0.2", "looser"),
        ("3 cases quarantined", "", "", "looser"),
    ]
    assert told[-2:] == [
        ("gate.control", "cases", "off", "other"),
        ("rubrics/tone.md of tone changed", "", "", "other"),
    ]
    assert conditions().rules == ()


def test_forecast__is_drawn_and_told_once():
    made = comparison(forecast=ForecastNote(fails=0.06, day="2026-11-29"))
    text = render(report(), made, format=ReportFormat.HTML)
    found = conditions(made=made)
    assert text.count(found.forecast_text) == 1
    widths = [
        float(w)
        for w in re.findall(r'class="f-\w+" x="[\d.]+" y="0" width="([\d.]+)"', found.forecast)
    ]
    assert widths == [375, 23]
    assert not conditions(made=comparison()).forecast


def test_meters__warn_where_the_judge_does():
    over = {each.name for each in conditions(full_report()).meters["helpful"] if each.is_over}
    assert over == {"Asked again for a valid output", "No verdict"}
    names = {each.name: each.share for each in conditions(full_report()).meters["helpful"]}
    assert names["Agreement of the panel (α)"] == "0.71"
    assert names["Valid at once"] == "94.4%"
    assert "Order flips" not in names


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("Asked again for a valid output", health._MUCH_REPAIRED),
        ("No verdict", health._BAD_UNSCORED),
        ("Votes UNKNOWN", health._MUCH_UNKNOWN),
        ("The same when asked again", health._LITTLE_REPEATED),
        ("Agreement of the panel (α)", health._LOW_ALPHA),
        ("Agreement with people (J)", LOW_J),
    ],
)
def test_meters__have_the_limits_by_which_judges_are_warned_of(name, limit):
    (meter,) = [each for each in conditions(full_report()).meters["helpful"] if each.name == name]
    assert f'class="mark" x1="{round(80 * limit, 1):g}"' in meter.bar


def test_statuses__only_those_that_occur():
    found = conditions(full_report()).statuses
    assert [(each.name, each.n, each.tone) for each in found] == [
        ("ok", "230", "pass"),
        ("empty", "3", "pass"),
        ("timeout", "5", "bad"),
        ("missing", "2", "bad"),
    ]


def test_latency__is_drawn_of_what_was_measured_in_this_run():
    made = with_rows(full_report())
    assert 'class="steps"' in conditions(made).latency
    cached = replace(made.samples, cached=tuple(range(240)))
    assert not conditions(replace(made, samples=cached)).latency
    assert not conditions().latency
