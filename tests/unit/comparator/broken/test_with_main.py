"""Cases that stayed wrong, with main's configuration asked, too: who is asked, and who is blamed."""

from dataclasses import replace

import pytest
from asking_again import (
    LOST,
    RIGHT,
    UNSCORED,
    WRONG,
    always,
    both,
    dict_of,
    terms,
    then,
    with_failures,
)
from factories import make_report

from lm_eval_so.comparator.broken.judge import Asked, watch_cases
from lm_eval_so.comparator.broken.rounds import Answer, Further, next_of_main, next_round
from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.comparison import BaselineRef, Comparison, Control, Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.stats.broken import wrong_needed
from lm_eval_so.core.words.phrases import control_warning

POSSIBLE = Control(state="asked", commit="4f2a9c1")
REF = BaselineRef(source="file")


def of(control: Control | None = POSSIBLE, language: Language = Language.EN, **gate) -> Terms:
    return replace(terms(language, **gate), control=control)


def play(reports, script, main, given: Terms, *, last: Further | None = None) -> Comparison:
    """Ask both sides as long as it takes, and compare."""
    baseline, candidate = reports
    watch, further = watch_cases(candidate, baseline, given), last or Further()
    assert watch is not None
    log = []
    while (ids := next_round(watch, further)) or (of_main := next_of_main(watch, further)):
        of_main = next_of_main(watch, further)
        further = replace(
            further,
            answers=more(further.answers, ids, script),
            main=more(further.main, of_main, main),
            main_run="f",
        )
        log.append((ids, of_main))
        assert further.asked + further.asked_of_main <= watch.cap
    found = compare(candidate, baseline, given, baseline_ref=REF, asked=Asked(cases=further))
    assert found.control is None or found.control.requests == further.asked_of_main
    return found


def more(answers, ids, script):
    grown = {name: list(each) for name, each in answers.items()}
    for name in ids:
        told = grown.setdefault(name, [])
        said = script(name, len(told))
        by_metric = said if isinstance(said, dict) else dict_of(said)
        told.append(Answer(outcomes=by_metric, text="an answer"))
    return grown


def states(comparison: Comparison):
    cases = comparison.broken.cases
    return [(case.sample_id, case.state, case.now, case.main) for case in cases]


@pytest.mark.parametrize(
    ("n", "k", "needed"), [(30, 1, 6), (60, 1, 8), (100, 1, 9), (30, 3, 8), (30, 5, 5), (30, 10, 3)]
)
def test_next_of_main__a_case_that_main_still_can_is_proven(n: int, k: int, needed: int) -> None:
    found = play(both(n, {}, k=k, wrong={7}), always(WRONG), always(RIGHT), of())
    assert states(found) == [("s7", "proven", (needed, needed), (3, 3))]
    assert found.broken.cases[0].needed == needed
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    assert found.control == replace(POSSIBLE, requests=3)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
@pytest.mark.parametrize("strict", [False, True])
def test_next_of_main__a_case_that_main_cannot_either_is_excused(k: int, strict: bool) -> None:
    given = of(broken="strict" if strict else "fail")
    found = play(both(30, {}, k=k, wrong={7}), always(WRONG), always(WRONG), given)
    ((_, state, now, main),) = states(found)
    assert (state, main) == ("unproven", (0, 3))
    assert now[0] == now[1] >= 3
    assert found.broken.cases[0].needed is None
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert found.reasons[0] == Reason(code="provider_moved", figures={"cases": 1})


@pytest.mark.parametrize("k", [1, 3, 5])
def test_next_of_main__right_once_of_three_proves_nothing_and_excuses_nothing(k: int) -> None:
    reports = both(30, {}, k=k, wrong={7})
    main = then(WRONG, RIGHT, WRONG)
    found = play(reports, always(WRONG), main, of())
    assert states(found)[0][1:2] + states(found)[0][3:] == ("unproven", (1, 3))
    assert found.exit_code == 0
    assert "provider_moved" not in [reason.code for reason in found.reasons]
    if k < 5:  # of five answers all are wrong at the third of main
        assert play(reports, always(WRONG), main, of(broken="strict")).exit_code == 1


def test_next_of_main__right_twice_of_three_asks_for_more_wrong_answers() -> None:
    main = then(RIGHT, WRONG, RIGHT)
    found = play(both(30, {}, k=1, wrong={7}), always(WRONG), main, of())
    assert states(found) == [("s7", "proven", (14, 14), (2, 3))]  # as of 3 of 4
    found = play(both(60, {}, k=1, wrong={7}), always(WRONG), main, of())
    assert states(found) == [("s7", "proven", (18, 18), (2, 3))]
    found = play(both(100, {}, k=1, wrong={7}), always(WRONG), main, of())
    assert states(found) == [("s7", "unproven", (10, 10), (2, 3))]
    # where the baseline's own answers decide, two are as good as three
    found = play(both(30, {}, k=3, wrong={7}), always(WRONG), main, of())
    assert states(found) == [("s7", "proven", (8, 8), (2, 3))]


def test_next_of_main__a_baseline_that_slipped_proves_no_more_than_alone() -> None:
    reports = both(30, {7: 3}, k=5, wrong={7})  # 3 of 5 need 19
    found = play(reports, always(WRONG), always(RIGHT), of())
    assert states(found) == [("s7", "proven", (19, 19), (3, 3))]


def test_next_of_main__waits_for_the_third_wrong_answer() -> None:
    slips = [then(RIGHT), then(WRONG, RIGHT)]
    for script in slips:
        found = play(both(30, {}, k=1, wrong={7}), script, always(WRONG), of())
        assert found.broken.cases[0].state == "slip"
        assert found.control is None
    found = play(
        both(30, {}, k=1, wrong={7}), then(WRONG, WRONG, WRONG, RIGHT), always(WRONG), of()
    )
    assert states(found) == [("s7", "slip", (4, 5), None)]
    assert found.control == replace(POSSIBLE, requests=2)
    assert found.reasons[0].code != "provider_moved"


def test_next_of_main__asked_three_times_in_the_run_it_is_asked_after_the_first_round() -> None:
    reports = both(30, {}, k=3, wrong={7}, repeats=3)
    watch = watch_cases(reports[1], reports[0], of())
    assert watch is not None
    assert next_round(watch, Further()) == ("s7",)
    assert next_of_main(watch, Further()) == ()
    found = play(reports, always(WRONG), always(RIGHT), of())
    assert states(found) == [("s7", "proven", (8, 8), (3, 3))]
    # even where the run itself has all the wrong answers that it takes
    found = play(both(30, {}, k=5, wrong={7}, repeats=5), always(WRONG), always(WRONG), of())
    assert states(found) == [("s7", "unproven", (5, 5), (0, 3))]
    assert found.broken.asked == 0


@pytest.mark.parametrize("silent", [LOST, UNSCORED])
def test_next_of_main__an_answer_that_says_nothing_is_asked_for_again(silent) -> None:
    main = then(silent, WRONG, silent, WRONG, WRONG)
    found = play(both(30, {}, k=3, wrong={7}), always(WRONG), main, of())
    assert found.broken.cases[0].main == (0, 3)
    assert found.control.requests == 5
    # silence excuses nothing: the baseline alone decides
    found = play(both(30, {}, k=3, wrong={7}), always(WRONG), always(silent), of())
    assert states(found) == [("s7", "proven", (8, 8), None)]
    assert found.control.requests == 5


@pytest.mark.parametrize(
    ("of_probe", "state", "now", "main"),
    [(RIGHT, "unproven", 5, (0, 3)), (WRONG, "unproven", 5, (0, 3)), (LOST, "proven", 5, None)],
)
def test_next_of_main__no_answer_from_either_is_the_provider_s(of_probe, state, now, main) -> None:
    baseline, candidate = both(30, {}, k=5, wrong=set())
    reports = baseline, with_failures(candidate, {7: "HTTP 500"})

    def script(name: str, _: int):
        return LOST if name == "s7" else RIGHT

    def on_main(name: str, _: int):
        return LOST if name == "s7" else of_probe

    found = play(reports, script, on_main, of())
    assert states(found) == [("s7", state, (now, now), main)]
    assert found.broken.cases[0].no_answer
    told = "Main's configuration gets no right answer today, either (0 of 3): the provider changed."
    assert (told in found.sentence) is (state == "unproven")
    assert found.exit_code == (1 if state == "proven" else 0)


def test_next_of_main__a_case_that_is_answered_here_is_not_excused_by_silence_there() -> None:
    baseline, candidate = both(30, {}, k=5, wrong={9})
    reports = baseline, with_failures(candidate, {7: "HTTP 500"})

    def script(name: str, _: int):
        return {"s7": LOST, "s9": WRONG}.get(name, RIGHT)

    def on_main(name: str, _: int):
        return LOST if name in {"s7", "s9"} else RIGHT

    found = play(reports, script, on_main, of())
    assert states(found) == [("s9", "proven", (5, 5), None), ("s7", "unproven", (5, 5), (0, 3))]


@pytest.mark.parametrize("ended", ["main", "all", "cap"])
def test_standings__half_a_word_of_main_counts_for_nothing(ended: str) -> None:
    baseline, candidate = both(30, {}, k=3, wrong={7})
    given = of()
    watch = watch_cases(candidate, baseline, given)
    assert watch is not None
    why = Reason(code="failed", figures={"problem": "it is gone"})
    further = Further(
        answers=more({}, ["s7"] * 7, always(WRONG)),
        main=more({}, ["s7"] * 2, always(WRONG)),
        main_ended="it is gone" if ended == "main" else None,
        ended="not_asked_again" if ended == "all" else None,
    )
    if ended == "cap":
        further = replace(further, answers={**further.answers, "s9": [Answer(outcomes={})] * 41})
        assert next_of_main(watch, further) == ()
    found = compare(candidate, baseline, given, baseline_ref=REF, asked=Asked(cases=further))
    assert states(found) == [("s7", "proven", (8, 8), None)]
    assert found.exit_code == 1
    if ended == "main":
        assert found.control == replace(POSSIBLE, state="not_possible", requests=2, why=why)


@pytest.mark.parametrize(
    ("language", "told"), [(Language.EN, "5 asked"), (Language.KO, "5번 질문")]
)
def test_next_of_main__a_main_that_never_answers_is_told(language: Language, told: str) -> None:
    def on_main(_: str, at: int):
        return RIGHT if at == 0 else LOST

    found = play(both(30, {}, k=1, wrong={7}), always(WRONG), on_main, of(language=language))
    assert states(found) == [("s7", "unproven", (10, 10), None)]
    why = Reason(code="few_answers", figures={"asked": 5})
    assert found.control == replace(POSSIBLE, state="not_possible", requests=5, why=why)
    warning = control_warning(found.control, language)
    assert warning is not None
    assert told in warning


def test_next_of_main__the_cap_holds_for_both_and_many_never_look_better() -> None:
    found = play(both(30, {}, k=3, wrong=set(range(12))), always(WRONG), always(RIGHT), of())
    proven = [case for case in found.broken.cases if case.state == "proven"]
    # 12, then 38 are left: 6 more and 3 of main for each of four
    assert len(proven) == 4
    assert all(case.main == (3, 3) for case in proven)
    assert found.broken.asked == 12 + 4 * 6
    assert found.control.requests == 12
    for k, wrong in ((3, 24), (1, 24), (1, 6), (5, 30)):
        found = play(both(30, {}, k=k, wrong=set(range(wrong))), always(WRONG), always(RIGHT), of())
        assert any(case.state == "proven" for case in found.broken.cases), (k, wrong)


def test_next_of_main__a_required_case_fails_as_it_is() -> None:
    reports = both(30, {}, k=1, wrong={7}, tags=[["must"] if i == 7 else [] for i in range(30)])
    found = play(reports, always(WRONG), always(WRONG), of())
    assert states(found) == [("s7", "must", (3, 3), (0, 3))]
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    assert [reason.code for reason in found.reasons][:1] == ["must_failed"]
    assert "Required case s7 failed: wrong 3 of 3 times" in found.sentence
    assert "Main's configuration gets it wrong today, too (3 of 3)" in found.sentence


def test_next_of_main__two_metrics_have_each_their_word() -> None:
    reports = both(30, {}, k=3, wrong={7}, metrics=("exact_match", "helpful"))
    main = {"exact_match": WRONG, "helpful": RIGHT}
    found = play(reports, always(WRONG), always(main), of())
    assert {(c.metric, c.state, c.main) for c in found.broken.cases} == {
        ("exact_match", "unproven", (0, 3)),
        ("helpful", "proven", (3, 3)),
    }


def test_next_of_main__nobody_is_asked_where_it_is_not_possible() -> None:
    why = Reason(code="own_address")
    given = of(Control(state="not_possible", why=why))
    for k, state in ((1, ("unproven", (10, 10))), (5, ("proven", (5, 5)))):
        found = play(both(30, {}, k=k, wrong={7}), always(WRONG), always(RIGHT), given)
        assert states(found) == [("s7", *state, None)]
        assert found.control == given.control  # and it is told why
    found = play(both(30, {}, k=5, wrong={7}), always(RIGHT), always(RIGHT), given)
    assert found.control is None  # nothing stayed wrong


EN = 's7 "Was kostet das?" was right 1 of 1 time in the baseline and is wrong 6 of 6 times now. '
KO = 's7 "Was kostet das?": 베이스라인에서는 1번 중 1번 맞았지만, 지금은 6번 물어 모두 틀렸습니다. '
SENTENCES = {
    3: (
        EN + "Main's configuration answers it right today (3 of 3).",
        KO + "지금 main 설정으로 물으면 3번 중 3번 맞습니다.",
    ),
    1: (
        EN
        + "Main's configuration answers it right only 1 of 3 times today, so this proves nothing.",
        KO + "지금 main 설정으로 물어도 3번 중 1번만 맞아, 깨졌다고 판정하지 않습니다.",
    ),
    0: (
        EN + "Main's configuration gets it wrong today, too (3 of 3): the provider changed.",
        KO + "지금 main 설정으로 물어도 3번 모두 틀립니다. 모델 제공사 쪽이 바뀌었습니다.",
    ),
}


@pytest.mark.parametrize(("right", "told"), SENTENCES.items())
def test_sentences__say_what_main_says(right: int, told: tuple[str, str]) -> None:
    inputs = ["Was kostet das?"] * 30
    main = then(*[RIGHT] * right, *[WRONG] * (3 - right))
    for language, expected in zip(Language, told, strict=True):
        reports = both(30, {}, k=1, wrong={7}, inputs=inputs)
        found = play(reports, always(WRONG), main, of(language=language))
        assert expected in found.sentence, found.sentence


def test_sentences__another_main_than_the_baseline_s_blames_nobody_outside() -> None:
    baseline, candidate = both(30, {}, k=3, wrong={7})
    experiment = replace(baseline.experiment, fingerprints={"run": "of another day"})
    baseline = replace(baseline, experiment=experiment)
    found = play((baseline, candidate), always(WRONG), always(WRONG), of())
    assert found.broken.main_changed
    told = "gets it wrong today, too (3 of 3); it changed after the baseline was made."
    assert told in found.sentence
    assert "provider changed" not in found.sentence


def fell(n: int = 60, lost: int = 12):
    """Return reports of which the second one fell, with the models that answered."""
    before = make_report({"exact_match": [1] * n})
    now = make_report({"exact_match": [0] * lost + [1] * (n - lost)})
    return before, now


def judged(reports, given: Terms) -> Comparison:
    baseline, candidate = reports
    return compare(candidate, baseline, replace(given, right_or_wrong={}), baseline_ref=REF)


def test_compare__a_drop_is_named_after_who_cannot_have_made_it() -> None:
    reports = fell()
    plain = judged(reports, of(None))
    assert (plain.verdict, plain.exit_code) == (Verdict.REGRESSION, 1)
    for state, code in (("nothing_differs", "nothing_differs"), ("unchanged", "provider_moved")):
        found = judged(reports, of(Control(state=state)))
        assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
        assert found.metrics["exact_match"].reason == code
        assert found.reasons == (Reason(code=code, figures={"metric": "exact_match"}),)
        assert found.metrics["exact_match"].sentence == plain.metrics["exact_match"].sentence
        assert found.metrics["exact_match"].sentence in found.sentence
        assert found.control is not None


def test_compare__policies_decide_what_such_a_drop_does() -> None:
    nothing = Control(state="nothing_differs")
    assert judged(fell(), of(nothing, on_inconclusive="fail")).exit_code == 3
    assert judged(fell(), of(nothing, on_drift="fail")).exit_code == 0
    main = Control(state="unchanged")
    assert judged(fell(), of(main, on_inconclusive="fail")).exit_code == 0
    failed = judged(fell(), of(main, on_drift="fail"))
    assert (failed.verdict, failed.exit_code) == (Verdict.REGRESSION, 1)
    assert failed.metrics["exact_match"].reason == "provider_moved"
    assert failed.reasons[0].code == "provider_moved"


def test_compare__a_missed_bound_is_missed_whoever_changed() -> None:
    bound = {"exact_match": {"min": 0.9}}
    for state in ("nothing_differs", "unchanged"):
        found = judged(fell(), of(Control(state=state), metrics=bound))
        assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)


@pytest.mark.parametrize(("lost", "code"), [(5, "too_noisy"), (12, "provider_moved")])
def test_compare__a_schedule_asks_for_more_evidence(lost: int, code: str) -> None:
    assert judged(fell(lost=lost), of(None)).verdict is Verdict.REGRESSION
    found = judged(fell(lost=lost), of(Control(state="unchanged")))
    assert found.metrics["exact_match"].reason == code


def test_compare__a_pass_of_a_schedule_is_the_usual_one() -> None:
    reports = fell(n=60, lost=0)  # at 0.01 it would take 90
    assert judged(reports, of(Control(state="unchanged"))).verdict is Verdict.PASS


def test_compare__broken_cases_of_a_schedule_are_drift() -> None:
    main = Control(state="unchanged")
    reports = both(30, {}, k=5, wrong={7})
    found = play(reports, always(WRONG), always(RIGHT), of(main))
    ((_, state, now, _),) = states(found)
    needed = wrong_needed(5, 5, family=30, alpha=0.01)
    assert (state, now) == ("proven", (needed, needed))
    assert found.broken.alpha == 0.01
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert found.reasons[0] == Reason(code="provider_moved", figures={"cases": 1})
    assert "s7 broke since 2026-11-24: right 5 of 5 times then" in found.sentence
    found = play(reports, always(WRONG), always(RIGHT), of(main, on_drift="fail"))
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    found = play(reports, always(WRONG), always(RIGHT), of(main, broken="warn"))
    assert found.exit_code == 0
    assert "provider_moved" not in [reason.code for reason in found.reasons]


def test_compare__broken_cases_of_a_document_s_pull_request_are_not_its_own() -> None:
    given = of(Control(state="nothing_differs"))
    found = play(both(30, {}, k=5, wrong={7}), always(WRONG), always(RIGHT), given)
    assert states(found) == [("s7", "proven", (5, 5), None)]
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert found.reasons[0].code == "nothing_differs"
    assert "This PR does not change what is sent to the model" in found.sentence
    assert "This PR does not change what is sent" in found.broken.mean


def test_compare__a_mean_that_passes_is_not_all_of_a_verdict_on_drift() -> None:
    reports = both(400, {}, k=5, wrong={7})
    passes = play(reports, always(RIGHT), always(RIGHT), of(Control(state="nothing_differs")))
    assert passes.verdict is Verdict.PASS
    for state in ("nothing_differs", "unchanged"):
        given = of(Control(state=state))
        found = play(reports, always(WRONG), always(RIGHT), given)
        assert found.metrics["exact_match"].verdict is Verdict.PASS
        assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    barred = of(Control(state="nothing_differs"), on_inconclusive="fail")
    assert play(reports, always(WRONG), always(RIGHT), barred).exit_code == 3


def test_sentences__served_models_are_said_first() -> None:
    served = ("gpt-x-0613", "gpt-x-1106")
    main = Control(state="unchanged", served=served)
    found = judged(fell(), of(main))
    assert found.sentence.startswith("served_model: gpt-x-0613 → gpt-x-1106. exact_match: ")
    told = "Nobody here changed the chatbot since its baseline (2026-11-24): the provider changed."
    assert found.sentence.endswith(told)
    korean = judged(fell(), of(main, Language.KO)).sentence
    assert korean.endswith("쪽에서는 챗봇을 바꾸지 않았습니다. 모델 제공사 쪽이 바뀌었습니다.")
    # in any case, even if all is well
    well = judged(fell(lost=0), of(main)).sentence
    assert well.startswith("served_model: ")
    assert "Nobody" not in well


def test_sentences__of_a_stale_baseline_blame_nobody() -> None:
    main = Control(state="nothing_differs", stale=True)
    found = judged(fell(), of(main))
    assert "but main's configuration changed after its baseline was made" in found.sentence
    found = judged(fell(), of(main, Language.KO))
    assert "베이스라인을 만든 뒤에 main 설정이 바뀌었습니다" in found.sentence


def test_compare__main_plays_no_part_where_nothing_got_worse() -> None:
    reports = fell(n=400, lost=0)
    for state in ("asked", "nothing_differs", "not_possible"):
        found = judged(reports, of(Control(state=state, why=Reason(code="own_address"))))
        assert found == judged(reports, of(None))
