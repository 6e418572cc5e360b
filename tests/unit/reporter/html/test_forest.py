"""The forest plot: one scale a group, better to the right, and what a row opens to."""

import re
from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report
from made_reports import comparison, first_run, report, summary

from lm_eval_so.core.records.enums import ABOUT_THESE, Direction, Language, MetricKind, Verdict
from lm_eval_so.reporter.html.forest import forest_of_changes, forest_of_means
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.metrics import metric_row
from lm_eval_so.reporter.views.view import words_of

EN = Language.EN


def plotted(made, given=None, language=EN):
    given = given or report()
    return forest_of_changes(made, view_comparison(made, given, language=language), given, language)


def dots(group):
    return [float(re.search(r'cx="([\d.]+)"', row.plot)[1]) for row in group.rows]


def axis(group):
    return re.findall(r">([^<>]+)</text>", group.axis)


def test_forest__a_group_shares_one_scale_and_ratios_stand_apart():
    scores, ratios = plotted(comparison()).groups
    assert [row.name for row in scores.rows] == ["exact_match", "helpful"]
    assert [row.name for row in ratios.rows] == ["latency_ms"]
    assert ratios.is_reported
    assert not scores.is_reported
    worse, near = dots(scores)
    assert worse < near
    zeros = {re.search(r'class="zero" x1="([\d.]+)"', row.plot)[1] for row in scores.rows}
    assert len(zeros) == 1
    assert axis(scores) == ["−8", "−6", "−4", "−2", "0"]
    assert scores.unit == "points"


def test_forest__a_cost_that_grew_lies_to_the_left():
    (row,) = plotted(comparison()).groups[1].rows
    zero = float(re.search(r'class="zero" x1="([\d.]+)"', row.plot)[1])
    limit = float(re.search(r'class="lim" x1="([\d.]+)"', row.plot)[1])
    assert limit < float(re.search(r'cx="([\d.]+)"', row.plot)[1]) < zero
    assert axis(plotted(comparison()).groups[1]) == ["×0.9", "×1.0", "×1.1", "×1.2", "×1.3"]
    assert (row.change, row.interval) == ("×1.10", "×0.90 to ×1.34")


def test_forest__less_is_better_has_an_axis_of_its_own():
    made = comparison()
    lower = replace(made.metrics["exact_match"], direction=Direction.LOWER)
    scores, turned, _ = plotted(replace(made, metrics=made.metrics | {"leaks": lower})).groups
    assert [row.name for row in turned.rows] == ["leaks"]
    assert turned.rows[0].change == "+4.6 points"
    assert axis(turned) == ["+8", "+6", "+4", "+2", "0"]
    assert dots(turned) == pytest.approx([dots(scores)[0]], abs=20)


def test_forest__a_row_opens_to_what_is_known_of_it():
    (row, *_), _ = (group.rows for group in plotted(comparison()).groups)
    facts = dict(row.facts)
    assert facts["Cases"] == "239 cases: 14 worse, 3 better"
    assert facts["Means with counts"] == "89.5% (214/239) → 84.9% (203/239)"
    assert facts["By chance alone"] == "in 1.5% of runs without a change"
    assert facts["Smallest margin to prove"] == "1.1 points"
    assert row.sentence.startswith("exact_match: 89.5% → 84.9%")


def test_forest__the_baseline_is_outlined_where_the_changes_tell_all_of_it():
    before = make_report({"m": [1, 1, 1, 0] * 5}, kinds={"m": "binary"})
    now = make_report({"m": [1, 1, 0, 0] * 5}, kinds={"m": "binary"})
    made = judge(before, now, gate={"metrics": {"m": {"margin": 0.05}}})
    (row,) = plotted(made, now).groups[0].rows
    assert 'd="M0 48V32H16V48H32V48H48V48H64V48H80V48H96V48H112V48H128V48H144V0H160V48"' in (
        row.histogram
    )
    part = replace(made, changed=made.changed[:-1])
    (row,) = plotted(part, now).groups[0].rows
    assert 'class="now"' in row.histogram
    assert 'class="was"' not in row.histogram


@pytest.mark.parametrize("method", ["tango_midp", "hall", *sorted(ABOUT_THESE)])
def test_forest__every_method_has_words(method):
    made = comparison()
    told = replace(made.metrics["exact_match"], method=method)
    (row, *_), _ = (
        g.rows for g in plotted(replace(made, metrics=made.metrics | {"exact_match": told})).groups
    )
    assert dict(row.facts)["Method"] not in {"", method}


def means(given, made=None):
    words = words_of("report", EN)
    rows = [metric_row(key, metric, words) for key, metric in given.metrics.items()]
    return forest_of_means(given, made, rows, words_of("page", EN))


def test_forest_of_means__stand_against_their_thresholds():
    made = first_run()
    held = replace(made.metrics["exact_match"], threshold={"min": 0.8, "held": True})
    missed = replace(made.metrics["helpful"], threshold={"min": 0.9, "held": False})
    given = replace(made, metrics=made.metrics | {"exact_match": held, "helpful": missed})
    scores, others = means(report(), given).groups
    assert [(row.means, row.allowed, row.tone, row.verdict) for row in scores.rows] == [
        ("84.9%", "≥ 80.0%", "pass", "holds"),
        ("0.803", "≥ 0.9", "bad", "missed"),
    ]
    assert [(row.verdict, row.plot) for row in others.rows] == [("not judged", "")]
    assert axis(scores) == ["70%", "80%", "90%", "100%"]


def test_forest_of_means__without_a_comparison_nothing_is_judged():
    given = report()
    empty = replace(
        given, metrics={"m": summary(MetricKind.BINARY, mean=None, ci95=None, sample_count=0)}
    )
    (group,) = means(empty).groups
    assert [(row.means, row.change, row.verdict) for row in group.rows] == [
        ("–", "–", "not judged")
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_forest__every_verdict_has_a_tone(verdict):
    tones = {row.tone for group in plotted(comparison(verdict)).groups for row in group.rows}
    assert tones <= {"pass", "bad", "open", "none"}
