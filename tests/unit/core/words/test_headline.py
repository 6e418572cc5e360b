"""The headline of every outcome, in both languages: the strongest thing that is true, cases first."""

from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report
from full_comparison import exemption
from made_reports import (
    broken,
    broken_case,
    changed,
    compared,
    comparison,
    first_run,
    lost,
    report,
    summary,
)
from outcomes import OUTCOMES, REMARKS

from lm_eval_so.core.records.comparison import BaselineRef, Reason
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.words.headline import (
    headline_of,
    unmeasured_headline,
)
from lm_eval_so.errors import Problem

LANGUAGES = list(Language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", list(OUTCOMES))
def test_headline__of_each_outcome(name, language) -> None:
    made, tone, *lines = OUTCOMES[name]
    found = headline_of(made, None, language)
    line = lines[LANGUAGES.index(language)]
    assert found.line("") == line
    assert found.tone == tone
    assert found.line("support-qa") == f"{line} · support-qa"


@pytest.mark.parametrize("name", list(OUTCOMES))
def test_headline__in_korean_has_no_english_words(name) -> None:
    text = headline_of(OUTCOMES[name][0], None, Language.KO).text
    known = (
        "exact_match",
        "latency_ms",
        "helpful",
        "toxicity",
        "PR",
        "main",
        "the endpoint refused the key",
    )
    for word in known:
        text = text.replace(word, "")
    assert not [char for char in text if char.isascii() and char.isalpha() and char != "p"]


@pytest.mark.parametrize("name", list(OUTCOMES))
def test_headline__green_without_a_proof_says_what_is_ruled_out(name) -> None:
    made = OUTCOMES[name][0]
    found = headline_of(made, None, Language.EN)
    is_unproven_green = found.icon == "🟢"
    assert bool(found.remark) is is_unproven_green
    if is_unproven_green:
        assert found.remark == REMARKS[name]


def test_headline__the_remark_in_korean() -> None:
    found = headline_of(OUTCOMES["nothing changed"][0], None, Language.KO)
    assert found.remark == "케이스가 적어 평균으로는 13.7%p보다 큰 하락만 배제할 수 있습니다."


@pytest.mark.parametrize("name", list(OUTCOMES))
def test_headline__where_it_was_asked_to_fail_says_so(name) -> None:
    made, _, english, korean = OUTCOMES[name]
    failing = replace(made, exit_code=3)
    is_unclear = made.verdict is Verdict.INCONCLUSIVE
    ends = [
        " (asked to fail where the mean is not proven)",
        " (평균이 확인되지 않으면 실패하도록 설정됨)",
    ]
    for language, line, end in zip(LANGUAGES, (english, korean), ends, strict=True):
        told = headline_of(failing, None, language).line("")
        if is_unclear:
            told = told.replace(end, "", 1)
        assert told == line
        assert is_unclear is (end in headline_of(failing, None, language).line(""))


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("language", LANGUAGES)
def test_headline__of_any_verdict_without_metrics(verdict, language) -> None:
    found = headline_of(comparison(verdict, metrics={}, changed=()), None, language)
    assert found.icon
    assert found.text


def test_headline__regression__of_several_metrics_counts_the_others() -> None:
    made = comparison(metrics={key: compared() for key in ("exact_match", "helpful", "choice")})
    assert headline_of(made, None, Language.EN).text.endswith("89.5% → 84.9%, and 2 more")
    assert headline_of(made, None, Language.KO).text.endswith("89.5% → 84.9% 외 2개")


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"min": 0.9, "value": 0.849}, "exact_match 84.9%, below the minimum 90.0%"),
        ({"min": 0.1, "max": 0.5, "value": 0.849}, "exact_match 84.9%, above the maximum 50.0%"),
    ],
)
def test_headline__a_missed_bound(limits, text) -> None:
    metric = compared(reason="threshold", threshold=limits, delta=0.02)
    assert headline_of(comparison(metrics={"exact_match": metric}), None, Language.EN).text == text


def test_headline__a_percentile_is_no_average() -> None:
    slow = compared(
        kind=MetricKind.RATIO, direction=Direction.LOWER, baseline=2100.0, candidate=3310.0,
        delta=1.58, threshold={"max_increase": 0.25, "statistic": "p95"},
    )  # fmt: skip
    found = headline_of(comparison(metrics={"latency_ms": slow}), None, Language.EN)
    assert found.text == "Worse: latency_ms 2,100 → 3,310"


def test_headline__an_error_with_broken_cases_names_the_cases() -> None:
    reasons = (Reason(code="error_rate"), Reason(code="broken_cases", figures={"proven": 1}))
    made = comparison(Verdict.ERROR, reasons=reasons, broken=broken(broken_case()))
    assert headline_of(made, None, Language.EN).text == "1 of 239 cases broke"


def test_headline__lost_answers__are_told_once() -> None:
    told = " · 2 cases that had an answer have none now"
    assert headline_of(comparison(lost=lost()), None, Language.EN).text.endswith(told)
    named = [broken_case(case.sample_id, no_answer=True) for case in lost().cases]
    reasons = (Reason(code="broken_cases", figures={"proven": 2}),)
    made = comparison(lost=lost(), broken=broken(*named), reasons=reasons)
    assert headline_of(made, None, Language.EN).text == "2 of 239 cases broke"


def test_headline__scores_with_a_bound_to_pass_are_watched() -> None:
    """Only the report knows that a score counts as right or wrong."""
    fell = compared(
        Verdict.INCONCLUSIVE, kind=MetricKind.BOUNDED, baseline=0.9, candidate=0.88, delta=-0.02
    )
    made = comparison(
        Verdict.INCONCLUSIVE, metrics={"helpful": fell}, broken=broken(broken_case(state="slip"))
    )
    assert headline_of(made, None, Language.EN).text == "Fell by 0.020, not proven"
    given = report()
    scored = summary(MetricKind.BOUNDED, passed_share=0.9)
    watched = replace(given, metrics={"helpful": scored})
    assert headline_of(made, watched, Language.EN).text == "Nothing broke: 1 case slipped once"


def test_headline__so_few_cases_that_there_is_no_interval() -> None:
    few = compared(
        Verdict.INCONCLUSIVE, kind=MetricKind.BOUNDED, delta=None, ci90=None,
        baseline=0.9, candidate=0.7, reason="few_samples",
    )  # fmt: skip
    made = comparison(Verdict.INCONCLUSIVE, metrics={"helpful": few})
    assert headline_of(made, None, Language.EN).text == "Fell by 0.200, not proven"


@pytest.mark.parametrize(
    ("changes", "unfit"),
    [
        ({}, "First run: take it as the baseline"),
        ({"complete": False}, "First run: nothing to compare with yet"),
    ],
)
def test_headline__first_run__an_unfinished_one_is_no_baseline(changes, unfit) -> None:
    given = report()
    given = replace(given, experiment=replace(given.experiment, **changes))
    assert headline_of(first_run(), given, Language.EN).text == unfit


def test_headline__a_baseline_that_does_not_count() -> None:
    why = BaselineRef(source="none", reason=Reason(code="base_unknown", figures={"depth": 2}))
    found = headline_of(replace(first_run(), baseline=why), None, Language.EN)
    assert found.text == "Not compared: no baseline that counts"


def test_unmeasured_headline__says_why_and_then_what_to_do() -> None:
    problem = Problem(what="could not measure: the endpoint refused the `KEY`.", hint="set it")
    found = unmeasured_headline(problem, Language.EN)
    assert found.line("shop") == ("⚠️ Could not be measured: the endpoint refused the KEY · shop")
    assert found.remark == "Fix: set it"


def test_unmeasured_headline__a_long_cause_is_told_whole_below() -> None:
    """The line is cut where it is shown, once secrets are out of it."""
    found = unmeasured_headline(Problem(what="x" * 300, hint="y"), Language.EN)
    assert found.text == f"Could not be measured: {'x' * 300}"
    assert found.remark == f"{'x' * 300}. Fix: y"


def test_headline__some_cases_main_gets_wrong_too() -> None:
    """One case of this pull request is enough for its own line."""
    once = {"state": "unproven", "baseline": (1, 1), "needed": None}
    both = broken(broken_case("a", main=(0, 3), **once), broken_case("b", main=(2, 3), **once))
    made = comparison(Verdict.INCONCLUSIVE, broken=both)
    assert headline_of(made, None, Language.EN).text == "2 cases stayed wrong, not proven"


def test_headline__changes_of_other_samples_than_those_compared() -> None:
    moved = replace(
        OUTCOMES["nothing changed"][0], changed=(changed("x", "better"),), changed_samples=(0, 1)
    )
    assert "Nothing changed" not in headline_of(moved, None, Language.EN).text
    assert exemption("s1").state == "applied"


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.EN, "So few answers to these questions only rule out a drop above 6.3 points"),
        (Language.KO, "질문마다 답변이 적어 평균으로는 6.3%p보다 큰 하락만 배제할 수 있습니다."),
    ],
)
def test_headline__about_these_questions_more_answers_would_tell(language, told) -> None:
    report = make_report({"exact_match": [[1, 1]] * 20})
    comparison = judge(report, report, gate={"claim": "these"}, language=language)
    assert headline_of(comparison, report, language).remark.startswith(told)
