"""Who is asked again, how often, and what the answers say."""

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
    play,
    rounds,
    terms,
    then,
    with_failures,
)
from comparing import entry

from lm_eval_so.comparator.broken.judge import watch_cases
from lm_eval_so.comparator.broken.rounds import Answer, Further, next_round
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.enums import Verdict


def states(comparison):
    return [(case.sample_id, case.state, case.now) for case in comparison.broken.cases]


def codes(comparison):
    return [warning.code for warning in comparison.broken.warnings]


@pytest.mark.parametrize(("k", "asked", "needed"), [(5, 4, 5), (3, 7, 8), (10, 2, 3)])
def test_next_round__one_case_that_turned_wrong_is_proven(k: int, asked: int, needed: int) -> None:
    found = play(both(30, {}, k=k, wrong={7}), always(WRONG), terms())
    assert states(found) == [("s7", "proven", (needed, needed))]
    assert (found.broken.asked, found.broken.family, found.broken.samples) == (asked, 30, 30)
    assert found.broken.cases[0].baseline == (k, k)
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    assert found.reasons[0].code == "broken_cases"
    assert found.metrics["exact_match"].verdict is Verdict.INCONCLUSIVE


def test_next_round__asked_once_before_it_is_named_only() -> None:
    reports = both(30, {}, k=1, wrong={7})
    found = play(reports, always(WRONG), terms())
    assert states(found) == [("s7", "unproven", (10, 10))]
    assert found.broken.asked == 9
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert codes(found) == ["broken_cases"]
    strict = play(reports, always(WRONG), terms(broken="strict"))
    assert (strict.verdict, strict.exit_code) == (Verdict.REGRESSION, 1)
    assert play(reports, always(WRONG), terms(broken="off")).broken is None


def test_next_round__warn_finds_and_names_and_lets_it_pass() -> None:
    found = play(both(30, {}, k=5, wrong={7}), always(WRONG), terms(broken="warn"))
    assert states(found) == [("s7", "proven", (5, 5))]
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert codes(found) == ["broken_cases"]
    assert not {"broken_cases", "must_failed"} & {reason.code for reason in found.reasons}


def test_next_round__a_slip_costs_one_answer() -> None:
    found = play(both(30, {}, k=5, wrong={7}), always(RIGHT), terms())
    assert states(found) == [("s7", "slip", (1, 2))]
    assert found.broken.asked == 1
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert codes(found) == []


@pytest.mark.parametrize("right", [0, 1, 2])
def test_next_round__a_case_that_was_mostly_wrong_is_no_suspect(right: int) -> None:
    found = play(both(30, {7: right}, k=5, wrong={7}), always(WRONG), terms())
    assert (found.broken.cases, found.broken.asked) == ((), 0)


def test_next_round__half_right_is_no_suspect() -> None:
    found = play(both(30, {7: 2}, k=4, wrong={7}), always(WRONG), terms())
    assert found.broken.asked == 0


@pytest.mark.parametrize(("right", "asked"), [(4, 9), (3, 18)])
def test_next_round__a_case_that_was_not_always_right_needs_more(right: int, asked: int) -> None:
    found = play(both(30, {7: right}, k=5, wrong={7}), always(WRONG), terms())
    assert states(found) == [("s7", "proven", (asked + 1, asked + 1))]
    assert found.broken.asked == asked


def test_next_round__the_first_right_answer_ends_it_however_late() -> None:
    found = play(both(30, {}, k=5, wrong={7}), then(WRONG, WRONG, WRONG, RIGHT), terms())
    assert states(found) == [("s7", "slip", (4, 5))]
    assert found.broken.asked == 4


def test_next_round__a_right_answer_of_the_run_itself_is_no_suspect() -> None:
    baseline, candidate = both(30, {}, k=5, wrong=set(), repeats=2)
    columns = {key: (0, *column[1:]) for key, column in candidate.samples.scores.items()}
    candidate = replace(candidate, samples=replace(candidate.samples, scores=columns))
    found = play((baseline, candidate), always(WRONG), terms())
    assert (found.broken.asked, found.broken.cases) == (0, ())


def test_next_round__answers_of_the_run_count() -> None:
    found = play(both(30, {}, k=5, wrong={7}, repeats=3), always(WRONG), terms())
    assert states(found) == [("s7", "proven", (5, 5))]
    assert found.broken.asked == 2


def test_next_round__the_run_alone_may_prove_it() -> None:
    found = play(both(30, {}, k=5, wrong={7}, repeats=6), always(RIGHT), terms())
    assert states(found) == [("s7", "proven", (6, 6))]
    assert (found.broken.asked, found.exit_code) == (0, 1)


def test_next_round__the_cap_proves_as_many_as_fit() -> None:
    baseline, candidate = both(30, {}, k=3, wrong=set(range(12)))
    watch = watch_cases(candidate, baseline, terms())
    sizes = []
    before = Further()
    for further in rounds(watch, always(WRONG)):
        sizes.append(further.asked - before.asked)
        before = further
    assert sizes == [12, *[6] * 6]
    assert (before.asked, watch.cap) == (48, 50)
    found = play((baseline, candidate), always(WRONG), terms())
    assert states(found) == [
        *((f"s{i}", "proven", (8, 8)) for i in range(6)),
        *((f"s{i}", "unproven", (2, 2)) for i in range(6, 12)),
    ]
    assert found.exit_code == 1
    strict = play((baseline, candidate), always(WRONG), terms(broken="strict"))
    assert strict.reasons[0].figures == {"proven": 6}  # two wrong answers are not enough


@pytest.mark.parametrize(("n", "wrong", "proven"), [(60, 6, 6), (30, 24, 4), (60, 30, 3)])
def test_next_round__many_broken_cases_never_look_better_than_few(
    n: int, wrong: int, proven: int
) -> None:
    found = play(both(n, {}, k=3, wrong=set(range(wrong))), always(WRONG), terms())
    assert sum(state == "proven" for _, state, _ in states(found)) == proven
    assert found.broken.asked <= max(n, 50)


def test_next_round__what_slips_in_the_first_round_leaves_room_for_the_others() -> None:
    def script(name: str, n: int):
        return RIGHT if int(name[1:]) < 6 else WRONG

    found = play(both(30, {}, k=3, wrong=set(range(12))), script, terms())
    assert [state for _, state, _ in states(found)] == ["proven"] * 6 + ["slip"] * 6
    assert found.broken.asked == 12 + 6 * 6


def test_next_round__the_choice_stays_the_same_whatever_comes_later() -> None:
    def script(name: str, n: int):
        return RIGHT if name in {"s0", "s1"} and n == 1 else WRONG

    found = play(both(30, {}, k=3, wrong=set(range(12))), script, terms())
    asked = {name: of for name, _, (_, of) in states(found)}
    assert [asked[f"s{i}"] for i in range(6, 12)] == [2] * 6
    assert found.broken.asked == 48 - 10


def test_next_round__shorter_proofs_go_first() -> None:
    right = dict.fromkeys(range(6), 4)
    found = play(both(30, right, k=5, wrong=set(range(12))), always(WRONG), terms())
    proven = [name for name, state, _ in states(found) if state == "proven"]
    # 12 asked once, 6 × 3 go on; of the 20 left two of the longer ones (8 each) fit
    assert proven == ["s0", "s1", *(f"s{i}" for i in range(6, 12))]


def test_next_round__two_metrics_each_for_itself() -> None:
    reports = both(30, {}, k=3, wrong={7}, metrics=("exact_match", "helpful"))
    only_one = then({"exact_match": WRONG, "helpful": RIGHT}, WRONG)
    found = play(reports, only_one, terms())
    assert found.broken.family == 60
    assert [(c.metric, c.state, c.now) for c in found.broken.cases] == [
        ("exact_match", "proven", (11, 11)),
        ("helpful", "slip", (1, 2)),
    ]
    assert found.broken.asked == 10


def test_next_round__an_answer_without_a_score_is_asked_again() -> None:
    found = play(both(30, {}, k=5, wrong={7}), then(UNSCORED, WRONG), terms())
    assert states(found) == [("s7", "proven", (5, 5))]
    assert found.broken.asked == 5
    left = play(both(30, {}, k=5, wrong={7}), then(WRONG, UNSCORED), terms())
    assert states(left) == [("s7", "unproven", (2, 2))]
    assert (left.broken.asked, left.exit_code) == (4, 0)


def test_next_round__silence_proves_nothing_of_a_case_that_answered() -> None:
    found = play(both(30, {}, k=5, wrong={7}), script_of_probe(then(WRONG, LOST), RIGHT), terms())
    assert states(found) == [("s7", "unproven", (2, 2))]
    assert codes(found) == ["broken_cases"]


def script_of_probe(script, probe):
    """Return a script in which every case but s7 says something else."""
    return lambda name, n: script(name, n) if name == "s7" else probe


def test_next_round__an_endpoint_that_is_down_proves_nothing() -> None:
    found = play(both(30, {}, k=5, wrong={7}), always(LOST), terms())
    assert found.broken.cases == ()
    assert codes(found) == ["endpoint_down"]
    assert found.broken.asked == 4  # three tries, and a case that was right
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 0)


def crashed(k: int = 5):
    baseline, candidate = both(30, {}, k=k, wrong={7})
    return baseline, with_failures(candidate, {7: "HTTP 500"})


def test_next_round__a_case_that_no_longer_answers_is_proven_while_others_answer() -> None:
    found = play(crashed(), script_of_probe(always(LOST), RIGHT), terms())
    (case,) = found.broken.cases
    assert (case.sample_id, case.state, case.now) == ("s7", "proven", (5, 5))
    assert (case.no_answer, case.reason, case.answer) == (True, "HTTP 500", None)
    assert (found.broken.asked, found.exit_code) == (5, 1)


def test_next_round__a_case_that_no_longer_answers_is_not_proven_where_nobody_answers() -> None:
    found = play(crashed(), always(LOST), terms())
    assert (found.broken.cases, found.exit_code) == ((), 0)
    assert codes(found) == ["endpoint_down"]


def test_next_round__a_crash_without_a_case_to_probe_with_is_not_proven() -> None:
    baseline, candidate = both(3, {0: 0, 1: 0}, k=5, wrong={0, 1, 2})
    found = play((baseline, with_failures(candidate, {2: "timeout"})), always(LOST), terms())
    assert found.broken.cases == ()
    assert found.exit_code == 0


def test_next_round__what_confirm_asked_counts_and_costs_nothing() -> None:
    reports = both(30, {}, k=5, wrong={7})
    answers = {"s7": [Answer(outcomes=dict_of(WRONG))] * 3}
    found = play(reports, always(WRONG), terms(), Further(answers=answers, given={"s7": 3}))
    assert states(found) == [("s7", "proven", (5, 5))]
    assert found.broken.asked == 1


def test_next_round__what_confirm_asked_takes_nothing_of_the_cap() -> None:
    reports = both(30, {}, k=3, wrong=set(range(13)))
    names = [f"s{i}" for i in range(13)]
    wrong, right = (Answer(outcomes=dict_of(said)) for said in (WRONG, RIGHT))
    answers = {name: [wrong, right if name == "s0" else wrong, wrong] for name in names}
    given = Further(answers=answers, given=dict.fromkeys(names, 3))
    found = play(reports, always(WRONG), terms(), given)
    assert states(found) == [
        *((name, "proven", (8, 8)) for name in names[1:]),
        ("s0", "slip", (2, 3)),
    ]
    assert found.broken.asked == 12 * 4


@pytest.mark.parametrize("ended", [Code.NOT_ASKED_AGAIN, Code.ENDPOINT_DOWN])
def test_next_round__who_cannot_be_asked_is_not(ended: Code) -> None:
    baseline, candidate = both(30, {}, k=5, wrong={7})
    watch = watch_cases(candidate, baseline, terms())
    assert next_round(watch, Further(ended=ended)) == ()
    found = play((baseline, candidate), always(WRONG), terms(), Further(ended=ended))
    assert (found.broken.cases, codes(found)) == ((), [ended.value])
    assert found.exit_code == 0


def test_next_round__what_can_be_proven_goes_before_what_cannot() -> None:
    right = dict.fromkeys(range(15), 2)
    found = play(both(60, right, k=3, wrong=set(range(30))), always(WRONG), terms())
    proven = [name for name, state, _ in states(found) if state == "proven"]
    # 30 asked once; of the 30 left three proofs of nine fit, and nothing of eight after them
    assert proven == ["s15", "s16", "s17"]
    assert found.broken.asked == 30 + 27


def test_next_round__answers_without_a_score_stay_under_the_cap() -> None:
    script = then(UNSCORED, WRONG, UNSCORED, WRONG, UNSCORED, WRONG)
    found = play(both(30, {}, k=3, wrong=set(range(12))), script, terms())
    assert found.broken.asked == 50


def test_next_round__a_run_with_many_answers_names_at_once() -> None:
    found = play(both(30, {}, k=1, wrong={7}, repeats=12), always(RIGHT), terms())
    assert states(found) == [("s7", "unproven", (12, 12))]
    assert found.broken.asked == 0


def test_judge__silence_takes_every_proof_away() -> None:
    def script(name: str, n: int):
        return WRONG if name == "s7" else LOST

    found = play(both(30, {}, k=5, wrong={7, 8}), script, terms())
    assert states(found) == [("s7", "unproven", (5, 5))]
    assert (found.exit_code, codes(found)) == (0, ["broken_cases", "endpoint_down"])


def test_judge__the_last_wrong_answer_is_shown_beside_a_right_one() -> None:
    baseline, candidate = both(30, {7: 4}, k=5, wrong={7})
    texts = tuple(f"row {row}" for row in range(150))
    baseline = replace(baseline, samples=replace(baseline.samples, answers=texts))
    (case,) = play((baseline, candidate), always(WRONG), terms()).broken.cases
    assert case.answer == "s7, no 9"
    assert case.baseline_answer in {f"row {row}" for row in range(35, 39)}  # the fifth was wrong


def test_judge__an_error_goes_before_broken_cases() -> None:
    baseline, candidate = both(30, {}, k=5, wrong={7}, metrics=("exact_match", "helpful"))
    helpful = tuple(
        None if row < 5 else v for row, v in enumerate(candidate.samples.scores["helpful"])
    )
    scores = {**candidate.samples.scores, "helpful": helpful}
    candidate = replace(candidate, samples=replace(candidate.samples, scores=scores))
    found = play((baseline, candidate), always(WRONG), terms())
    assert [(c.metric, c.state) for c in found.broken.cases] == [("exact_match", "proven")]
    assert found.broken.family == 30  # the other says nothing
    assert (found.verdict, found.exit_code) == (Verdict.ERROR, 3)
    assert [reason.code for reason in found.reasons][-1] == "broken_cases"
    assert found.sentence.index("helpful: ") < found.sentence.index("1 of 30 cases broke")


def test_find_watch__only_what_gates() -> None:
    reports = both(30, {}, k=5, wrong={7}, metrics=("exact_match", "helpful"))
    watch = watch_cases(reports[1], reports[0], terms(metrics={"helpful": {}}))
    assert [pair.metric for pair in watch.pairs] == ["helpful"]
    assert watch.family == 30


def test_find_watch__a_case_without_a_score_in_the_baseline_is_not_looked_at() -> None:
    baseline, candidate = both(30, {}, k=1, wrong={7})
    columns = {"exact_match": (None, *baseline.samples.scores["exact_match"][1:])}
    baseline = replace(baseline, samples=replace(baseline.samples, scores=columns))
    watch = watch_cases(candidate, baseline, terms())
    assert (watch.family, watch.samples) == (29, 29)


def test_find_watch__probes_with_a_case_that_nothing_accuses() -> None:
    reports = both(30, {}, k=5, wrong=set(), metrics=("exact_match", "helpful"))
    scores = {**reports[1].samples.scores, "exact_match": (0, 0, *[1] * 28)}
    candidate = replace(reports[1], samples=replace(reports[1].samples, scores=scores))
    watch = watch_cases(candidate, reports[0], terms())
    assert [pair.sample_id for pair in watch.pairs] == ["s0", "s1"]
    assert watch.probe == "s2"


def test_find_watch__nothing_that_says_right_or_wrong() -> None:
    baseline, candidate = both(30, {}, k=5, wrong={7})
    assert watch_cases(candidate, baseline, replace(terms(), right_or_wrong={})) is None


def test_find_watch__changed_and_new_samples_are_not_looked_at() -> None:
    baseline, _ = both(30, {}, k=5, wrong=set())
    _, candidate = both(
        31, {}, k=5, wrong={7, 30}, revs=["new" if i == 7 else f"rev-s{i}" for i in range(31)]
    )
    watch = watch_cases(candidate, baseline, terms())
    assert (watch.pairs, watch.samples) == ((), 29)


def test_find_watch__an_accepted_sample_is_not_looked_at_and_an_accepted_metric_is() -> None:
    reports = both(30, {}, k=5, wrong={7})
    sample = Exceptions(accept=(entry("s7", max_drop=1.0),))
    assert play(reports, always(WRONG), terms(exceptions=sample)).broken.cases == ()
    metric = Exceptions(accept=(entry(metric="exact_match", max_drop=1.0),))
    found = play(reports, always(WRONG), terms(exceptions=metric))
    assert found.metrics["exact_match"].verdict is Verdict.PASS
    assert found.exit_code == 1
