"""The cases that stand right under the headline: which, in which order, and what is said of them."""

from dataclasses import replace

import pytest
from made_reports import broken, broken_case, changed, compared, comparison

from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.words.broken_cases import advice
from lm_eval_so.core.words.first_cases import first_cases


def found(*changes, language=Language.EN, **more):
    return first_cases(comparison(changed=changes, **more), language)


def test_first_cases__broken_then_those_that_fell() -> None:
    """Those that fell stay in the order of the record: proven slices, then the largest falls."""
    fell = [changed(name) for name in ("z", "refund-014", "a", "promo-007")]
    cases = found(*fell, changed("good", "better"), broken=broken())
    assert [case.name for case in cases] == ["must-001", "refund-014", "ship-003", "z", "a"]
    assert [case.state for case in cases] == ["must", "proven", "unproven", "worse", "worse"]


def test_first_cases__one_that_slipped_is_no_case_to_look_at() -> None:
    slip = broken_case("promo-007", "slip", now=(1, 2))
    assert found(changed("promo-007"), broken=broken(slip)) == ()


@pytest.mark.parametrize(
    ("case", "was", "now", "korean"),
    [
        (broken_case(), "right 5 of 5", "wrong 6 of 6", ("5번 중 5번 맞음", "6번 모두 틀림")),
        (
            broken_case(state="must", now=(2, 3), baseline=None),
            "",
            "wrong 2 of 3",
            ("", "3번 중 2번 틀림"),
        ),
        (
            broken_case(no_answer=True, answer=None, reason="HTTP 500"),
            "right 5 of 5",
            "no answer (HTTP 500), 6 of 6",
            ("5번 중 5번 맞음", "답변 없음(HTTP 500), 6번 모두"),
        ),
    ],
)
def test_first_cases__figures_of_a_broken_one(case, was, now, korean) -> None:
    [told] = found(broken=broken(case))
    assert (told.was, told.now) == (was, now)
    [spoken] = found(broken=broken(case), language=Language.KO)
    assert (spoken.was, spoken.now) == korean
    assert told.reasons == (() if case.no_answer else ((case.metric, case.reason),))


def test_first_cases__the_expected_answer_is_that_of_the_change() -> None:
    [told] = found(changed(), broken=broken(broken_case()))
    assert told.expected == "Yes, within 30 days."


@pytest.mark.parametrize(
    ("metric", "scores", "told"),
    [
        (compared(), (1.0, 0.0), ("right", "wrong")),
        (compared(direction=Direction.LOWER), (0.0, 1.0), ("right", "wrong")),
        (compared(), (0.667, 0.0), ("exact_match 0.667", "wrong")),
        (compared(kind=MetricKind.BOUNDED), (1.0, 0.0), ("exact_match 1", "exact_match 0")),
    ],
)
def test_first_cases__right_or_wrong_where_it_can_be_nothing_else(metric, scores, told) -> None:
    case = changed(baseline=scores[0], candidate=scores[1])
    [shown] = found(case, metrics={"exact_match": metric})
    assert (shown.was, shown.now) == told


def test_first_cases__a_sample_once_by_all_its_metrics() -> None:
    same = changed(metric="helpful", baseline=0.9, candidate=0.2, reason="rude")
    [case] = found(changed(reason="rude"), same)
    assert case.was == "exact_match right, helpful 0.9"
    assert case.now == "exact_match wrong, helpful 0.2"
    assert case.reasons == (("exact_match, helpful", "rude"),)


def test_first_cases__each_reason_with_its_own_metric() -> None:
    others = (changed(metric="helpful", reason="rude"), changed(metric="polite"))
    [case] = found(changed(reason="no match"), *others)
    assert case.reasons == (("exact_match", "no match"), ("helpful", "rude"))


def test_first_cases__the_own_id_is_the_name() -> None:
    [case] = found(changed("s24f1bb61e3983b7a", ref="refund-014"))
    assert (case.name, case.own_id) == ("refund-014", "s24f1bb61e3983b7a")
    [bare] = found(changed("s24f1bb61e3983b7a"))
    assert (bare.name, bare.own_id) == ("s24f1bb61e3983b7a", "")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"baseline": (3, 3), "now": (4, 4), "needed": 8}, "8 wrong answers would prove that it"),
        ({"baseline": (2, 3), "needed": None}, "The baseline itself was not always right."),
        ({"baseline": (2, 2), "needed": None}, "with baseline.repeats: 3 they would do."),
        ({"baseline": (1, 1), "needed": None}, ""),
    ],
)
def test_first_cases__how_sure_it_is(changes, note) -> None:
    [case] = found(broken=broken(broken_case(state="unproven", **changes)))
    assert note in " ".join(case.notes)
    assert bool(note) is bool(case.notes)


def test_advice__only_for_cases_that_were_asked_once() -> None:
    once = broken_case(state="unproven", baseline=(1, 1), needed=None)
    assert "With baseline.repeats: 3 such a case can fail." in advice(broken(once), Language.EN)
    assert "baseline.repeats: 3이면" in advice(broken(once), Language.KO)
    assert advice(broken(replace(once, baseline=(2, 3))), Language.EN) == ""
    assert advice(broken(replace(once, main=(0, 3))), Language.EN) == ""
    assert advice(broken(once, family=10**9), Language.EN).endswith("fix it.")
    assert advice(None, Language.EN) == ""
