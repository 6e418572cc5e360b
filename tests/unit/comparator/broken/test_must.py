"""Required cases: right once in three answers, or the run fails."""

from datetime import date

import pytest
from asking_again import (
    LOST,
    RIGHT,
    UNSCORED,
    WRONG,
    always,
    both,
    play,
    terms,
    then,
    with_failures,
)
from comparing import NOW, entry

from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.core.records.enums import Verdict

N = 30


def required(*names: int, k: int = 5, wrong=(), right=None, **made):
    """Return both reports, with the tag of required cases on some."""
    tags = [["must"] if i in names else [] for i in range(N)]
    return both(N, right or {}, k=k, wrong=set(wrong), tags=tags, **made)


def states(comparison):
    return [(case.sample_id, case.state, case.now) for case in comparison.broken.cases]


def test_must__wrong_three_times_fails_without_a_baseline() -> None:
    _, candidate = required(3, wrong=[3])
    found = play((None, candidate), always(WRONG), terms())
    assert states(found) == [("s3", "must", (3, 3))]
    assert found.broken.cases[0].baseline is None
    assert (found.broken.asked, found.broken.family) == (2, 0)
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    assert [reason.code for reason in found.reasons] == ["must_failed", "no_baseline"]


def test_must__wrong_three_times_fails_with_a_baseline_that_was_wrong_too() -> None:
    found = play(required(3, wrong=[3], right={3: 0}), always(WRONG), terms())
    assert states(found) == [("s3", "must", (3, 3))]
    assert found.broken.cases[0].baseline == (0, 5)
    assert (found.broken.asked, found.exit_code) == (2, 1)


def test_must__one_right_answer_is_enough() -> None:
    found = play(required(3, wrong=[3], right={3: 0}), always(RIGHT), terms())
    assert (found.broken.cases, found.broken.asked) == ((), 1)
    assert found.exit_code == 0


def test_must__a_right_first_answer_costs_nothing() -> None:
    assert play(required(*range(N)), always(WRONG), terms()).broken.asked == 0


def test_must__failing_ends_the_search_for_a_proof() -> None:
    found = play(required(3, wrong=[3]), always(WRONG), terms())
    assert states(found) == [("s3", "must", (3, 3))]
    assert found.broken.asked == 2


def test_must__a_required_case_may_be_a_suspect_that_slips() -> None:
    found = play(required(3, wrong=[3]), then(WRONG, RIGHT), terms())
    assert states(found) == [("s3", "slip", (2, 3))]


@pytest.mark.parametrize(
    ("right", "of", "script", "state", "asked"),
    [
        (2, 3, then(WRONG), "must", 1),
        (2, 3, then(RIGHT, WRONG), "must", 2),
        (2, 3, then(RIGHT), None, 2),
        (1, 1, always(RIGHT), "must", 0),
        (3, 3, always(RIGHT), "must", 0),
        (1, 5, then(WRONG, WRONG, WRONG, RIGHT), None, 4),
    ],
)
def test_must__asks_only_while_it_is_undecided(right, of, script, state, asked) -> None:
    gate = {"must": {"right": right, "of": of}}
    found = play(required(3, wrong=[3], right={3: 0}), script, terms(**gate))
    assert [case.state for case in found.broken.cases] == ([state] if state else [])
    assert found.broken.asked == asked


def test_must__another_tag_and_none_at_all() -> None:
    reports = required(3, wrong=[3], right={3: 0})
    assert play(reports, always(WRONG), terms(must={"tag": "core"})).broken.asked == 0
    assert play(reports, always(WRONG), terms(must=None)).broken.asked == 0
    assert play(reports, always(WRONG), terms(broken="off")).broken is None


def test_must__warn_names_it_and_lets_it_pass() -> None:
    found = play(required(3, wrong=[3]), always(WRONG), terms(broken="warn"))
    assert states(found) == [("s3", "must", (3, 3))]
    assert found.exit_code == 0
    assert found.broken.warnings[0].code == "broken_cases"


@pytest.mark.parametrize(("until", "asked"), [("2026-11-24", 0), ("2026-11-23", 2)])
def test_must__a_quarantined_case_is_required_again_the_day_after(until: str, asked: int) -> None:
    assert date.fromisoformat(NOW[:10]) == date(2026, 11, 24)
    held = Exceptions(quarantine=(entry("s3", until=until),))
    found = play(required(3, wrong=[3]), always(WRONG), terms(exceptions=held))
    assert found.broken.asked == asked
    assert found.exit_code == (1 if asked else 0)


@pytest.mark.parametrize(("right", "code"), [({}, 0), ({3: 0}, 1)], ids=["fell", "was wrong"])
def test_must__only_a_case_that_fell_can_be_accepted(right: dict[int, int], code: int) -> None:
    held = Exceptions(accept=(entry("s3", max_drop=1),))
    found = play(required(3, wrong=[3], right=right), always(WRONG), terms(exceptions=held))
    assert found.exit_code == code


def test_must__counts_before_broken_cases() -> None:
    found = play(required(9, wrong=[3, 9]), always(WRONG), terms())
    assert states(found) == [("s9", "must", (3, 3)), ("s3", "proven", (5, 5))]
    assert [reason.code for reason in found.reasons[:2]] == ["must_failed", "broken_cases"]
    assert found.sentence.startswith(
        "1 required case failed, 1 of 30 cases broke: Required case s9"
    )


def test_must__is_asked_before_what_the_cap_leaves_over() -> None:
    found = play(required(*range(10), wrong=range(20), k=3), always(WRONG), terms())
    assert [state for _, state, _ in states(found)].count("must") == 10
    # 20 first answers and 10 more of the required ones: 20 are left, three proofs of six each
    assert [state for _, state, _ in states(found)].count("proven") == 3
    assert found.broken.asked == 48


def test_must__no_answer_at_all_fails_while_others_answer() -> None:
    _, candidate = required(3)
    lost = with_failures(candidate, {3: "HTTP 500"})
    script = lambda name, _: LOST if name == "s3" else RIGHT  # noqa: E731
    found = play((None, lost), script, terms())
    assert states(found) == [("s3", "must", (3, 3))]
    assert found.broken.asked == 3
    down = play((None, lost), always(LOST), terms())
    assert (down.broken.cases, down.exit_code) == ((), 0)


def test_must__without_a_score_nothing_is_decided() -> None:
    found = play(required(3, wrong=[3], right={3: 0}), always(UNSCORED), terms())
    assert (found.broken.cases, found.broken.asked, found.exit_code) == ((), 3, 0)


def test_must__a_run_of_failures_says_nothing_of_required_cases() -> None:
    _, candidate = required(3)
    lost = with_failures(candidate, dict.fromkeys(range(3, 8), "timeout"))
    assert play((None, lost), always(LOST), terms()).broken is None


def test_must__an_unsteady_baseline_is_told_with_its_chance() -> None:
    found = play(required(3, 4, 5, right={3: 4, 4: 2}), always(RIGHT), terms())
    (warning,) = found.broken.warnings
    assert warning.code == "must_unsteady"
    assert warning.figures == {"id": "s3", "s": 4, "k": 5, "p": pytest.approx(0.008)}


def test_must__more_right_answers_than_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="4 right answers cannot be among 3"):
        terms(must={"right": 4})
