"""Reports whose run its budget ended."""

from dataclasses import replace

import pytest
from comparing import judge, only
from factories import make_report

from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.headline import headline_of

N = 120
BASE = make_report({"exact_match": [1] * N})
BY_MONEY = {"max_cost_usd": 1.0, "stopped": {"by": "max_cost_usd", "at": 0.99}}


def cut(measured, *, wrong=0, failed=0, budget=BY_MONEY):
    """Return a report whose run ended early, with some wrong answers and some that failed."""
    right = measured - wrong - failed
    report = make_report(
        {"exact_match": [0] * wrong + [1] * right + [None] * (failed + N - measured)}
    )
    head = replace(
        report.experiment,
        complete=measured == N,
        eligible=measured == N,
        missing=N - measured,
        budget=budget,
    )
    return replace(report, experiment=head)


def unjudged(n):
    """Return a complete report with so many answers that no judge could be paid for."""
    report = make_report({"exact_match": [1] * (N - n) + [None] * n})
    summary = replace(report.metrics["exact_match"], unscored_by={"judge_budget": n})
    return replace(report, metrics={"exact_match": summary})


@pytest.mark.parametrize(
    ("candidate", "gate", "verdict", "code", "exit_code"),
    [
        (cut(40), {}, "inconclusive", "budget", 3),
        (cut(95), {}, "inconclusive", "budget", 3),
        (cut(96), {}, "inconclusive", "budget", 0),
        (cut(110), {}, "inconclusive", "budget", 0),
        (cut(110), {"on_inconclusive": "fail"}, "inconclusive", "budget", 3),
        (cut(119), {}, "inconclusive", "budget", 0),
        (cut(N), {}, "pass", None, 0),
        (cut(95), {"metrics": {}}, "inconclusive", "budget", 3),
        (cut(110), {"metrics": {}}, "inconclusive", "budget", 0),
        # proven with the rows that are missing at their best
        (cut(116, wrong=40), {}, "regression", None, 1),
        (cut(110, failed=20), {}, "error", "error_rate", 3),
        (cut(110, failed=2), {}, "inconclusive", "budget", 0),
        (cut(110, budget={"stopped": {"by": "auth"}}), {}, "error", "error_rate", 3),
        (unjudged(20), {}, "inconclusive", "budget", 0),
        (unjudged(40), {}, "inconclusive", "budget", 3),
    ],
)
def test_compare__a_budget_that_ended_decides_nothing(candidate, gate, verdict, code, exit_code):
    found = judge(BASE, candidate, gate=gate)
    assert (found.verdict, only(found).reason, found.exit_code) == (verdict, code, exit_code)
    assert found.passed is (exit_code == 0)


@pytest.mark.parametrize(("measured", "exit_code"), [(40, 3), (110, 0)])
def test_compare__without_a_baseline(measured, exit_code):
    found = judge(None, cut(measured))
    assert (found.verdict, found.exit_code) == (Verdict.INCOMPARABLE, exit_code)


def test_compare__a_fixed_bound_is_not_decided_either():
    gate = {"metrics": {"exact_match": {"min": 0.9}}}
    found = judge(BASE, cut(40), gate=gate)
    assert (found.verdict, found.exit_code) == ("inconclusive", 3)


@pytest.mark.parametrize(
    ("language", "line", "sentence"),
    [
        (
            Language.EN,
            "🟡 The budget ended with 80 answers not measured",
            "exact_match: not decided, because the budget ended with 80 of 120 rows not measured.",
        ),
        (
            Language.KO,
            "🟡 예산을 다 써서 답변 80건을 측정하지 못함",
            "exact_match: 예산을 다 써서 120건 중 80건을 측정하지 못했으므로",
        ),
    ],
)
def test_headline__tells_of_the_budget(language, line, sentence):
    report = cut(40)
    found = judge(BASE, report, language=language)
    assert headline_of(found, report, language).line("") == line
    assert found.sentence.startswith(sentence)
