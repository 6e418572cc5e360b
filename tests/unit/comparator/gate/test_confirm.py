"""Samples that got worse, asked again: what counts, and that no verdict gets stricter by it."""

import random

import pytest
from comparing import entry, flips, judge, only
from factories import make_report

from lm_eval_so.comparator.compare import changed_samples
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.stats.binary import mcnemar_midp

NOW = "2026-11-24T06:30:00Z"
GATE = {"confirm": 2}
WORSE = flips(worse=12, better=4, n=160)
IDS = [f"s{i}" for i in range(12)]
GAINED = [f"s{i}" for i in range(12, 16)]


def reports(columns=WORSE, **given):
    return [make_report({"exact_match": c}, **given) for c in columns]


def told(baseline, candidate, gate=GATE, exceptions=None):
    terms = Terms(
        gate=GateSection.model_validate(gate),
        compared_at=NOW,
        exceptions=exceptions or Exceptions(),
    )
    return changed_samples(candidate, baseline, terms)


def again(**scores):
    """Return further answers: right for all, but for those that are named; so the gains hold."""
    return {"exact_match": {name: [1, 1] for name in (*IDS, *GAINED)} | scores}


def test_changed_samples__are_those_of_a_regression() -> None:
    assert told(*reports()) == {"exact_match": (*IDS, *GAINED)}
    assert told(*reports(flips(worse=8, better=8, n=200))) == {}  # passes
    assert told(*reports(flips(worse=8, better=6, n=100))) == {}  # cannot tell
    assert told(reports()[0], make_report({"exact_match": [1] * 100})) == {}  # cannot compare


def test_changed_samples__leave_out_what_does_not_gate_or_is_a_cost() -> None:
    times = [100.0 + i % 9 for i in range(160)]
    pair = [
        make_report({"exact_match": c, "contains": c, "latency_ms": [t + by for t in times]})
        for c, by in zip(WORSE, (0, 100), strict=True)
    ]
    gate = {**GATE, "metrics": {"exact_match": {}, "latency_ms": {}}}
    compared = judge(*pair, gate=gate)
    assert compared.metrics["latency_ms"].verdict is Verdict.REGRESSION
    assert told(*pair, gate=gate) == {"exact_match": (*IDS, *GAINED)}


def test_changed_samples__leave_out_known_flaky_ones_and_missed_bounds() -> None:
    known = Exceptions(quarantine=(entry("s0"),))
    strict = {**GATE, "metrics": {"exact_match": {"margin": 0.04}}}
    assert told(*reports(), strict, known) == {"exact_match": (*IDS[1:], *GAINED)}
    bound = {**GATE, "metrics": {"exact_match": {"min": 0.99}}}
    steady = flips(worse=4, better=4, n=200)
    assert judge(*reports(steady), gate=bound).verdict is Verdict.REGRESSION
    assert told(*reports(steady), gate=bound) == {}


@pytest.mark.parametrize(
    ("times", "worse_again", "is_flaky"),
    [
        (1, 0, True),
        (1, 1, False),
        (2, 0, True),
        (2, 1, True),
        (2, 2, False),
        (3, 1, True),
        (3, 2, False),
        (4, 2, True),
        (4, 3, False),
        (20, 10, True),
        (20, 11, False),
    ],
)
def test_confirm__at_most_half_of_the_answers_makes_a_sample_flaky(
    times, worse_again, is_flaky
) -> None:
    answers = {name: [0] * times for name in IDS} | {name: [1] * times for name in GAINED}
    answers["s0"] = [0] * worse_again + [1] * (times - worse_again)
    found = judge(*reports(), gate={"confirm": times}, again={"exact_match": answers})
    metric = only(found)
    assert metric.asked_again.samples == 12
    assert metric.asked_again.confirmed == metric.worse == (11 if is_flaky else 12)
    assert metric.p_raw == pytest.approx(mcnemar_midp(11 if is_flaky else 12, 4))
    assert [c.sample_id for c in found.flaky] == (["s0"] if is_flaky else [])
    if is_flaky:
        assert found.flaky[0].again == (worse_again, times)
    assert ("s0" in {c.sample_id for c in found.changed}) is not is_flaky


@pytest.mark.parametrize(
    ("confirmed", "verdict", "reason"),
    [
        pytest.param(12, "regression", None, id="all"),
        pytest.param(11, "regression", None, id="most"),
        pytest.param(8, "inconclusive", "not_confirmed", id="some"),
        pytest.param(0, "inconclusive", "not_confirmed", id="none, and never a pass"),
    ],
)
def test_confirm__decides_anew(confirmed, verdict, reason) -> None:
    answers = again(**{name: [0, 0] for name in IDS[:confirmed]})
    found = judge(*reports(), gate=GATE, again=answers)
    metric = only(found)
    assert (found.verdict.value, metric.reason) == (verdict, reason)
    before = only(judge(*reports()))
    assert (metric.ci90, metric.delta, metric.margin) == (
        before.ci90,
        before.delta,
        before.margin,
    )
    assert found.exit_code == (1 if verdict == "regression" else 0)
    if reason:
        assert f"only {confirmed} of 12 samples were worse. About " in metric.sentence
        assert "would settle it (you have 160)" in metric.sentence
    else:
        assert f"Asked again, {confirmed} of the 12 samples" in metric.sentence


@pytest.mark.parametrize(
    ("gains_again", "lucky", "verdict"),
    [
        pytest.param(4, 0, "inconclusive", id="they hold: eight lost and four won prove nothing"),
        pytest.param(0, 4, "regression", id="they were chance: eight were lost, and none won"),
    ],
)
def test_confirm__gains_by_chance_hide_no_drop(gains_again, lucky, verdict) -> None:
    lost = {name: [0, 0] for name in IDS[:8]}
    won = {name: [0, 0] for name in GAINED[gains_again:]}
    metric = only(judge(*reports(), gate=GATE, again=again(**lost, **won)))
    assert (metric.worse, metric.better, metric.verdict.value) == (8, 4 - lucky, verdict)


def test_confirm__makes_no_p_value_smaller() -> None:
    lost = {name: [0, 0] for name in (*IDS, *GAINED)}
    first, found = only(judge(*reports())), only(judge(*reports(), gate=GATE, again=again(**lost)))
    assert (found.worse, found.better, found.p_raw) == (12, 0, first.p_raw)


def test_confirm__a_policy_decides_about_the_unconfirmed() -> None:
    gate = {**GATE, "on_inconclusive": "fail"}
    assert judge(*reports(), gate=gate, again=again()).exit_code == 3


def test_confirm__answers_without_a_score_excuse_nothing() -> None:
    lost = {name: [None, 1] for name in (*IDS, *GAINED)}
    found = only(judge(*reports(), gate=GATE, again={"exact_match": lost}))
    assert (found.worse, found.better) == (0, 0)
    lost = {name: [None, None] for name in IDS}
    assert only(judge(*reports(), gate=GATE, again={"exact_match": lost})).worse == 12
    assert only(judge(*reports(), gate=GATE, again={"exact_match": {}})).worse == 12


def test_confirm__without_further_answers_says_so() -> None:
    metric = only(judge(*reports(), gate=GATE))
    assert metric.verdict is Verdict.REGRESSION
    assert [w.code for w in metric.warnings] == ["not_asked_again"]
    assert "not asked again" in metric.sentence
    calm = only(judge(*reports(flips(worse=8, better=8, n=200)), gate=GATE))
    assert not calm.warnings


def test_confirm__graded_scores_fall_again_if_they_are_below_the_baseline() -> None:
    made = {"directions": {"toxicity": Direction.LOWER}}
    before, now = [0.2] * 60, [0.2] * 40 + [0.5] * 20
    pair = [make_report({"toxicity": c}, **made) for c in (before, now)]
    assert only(judge(*pair)).verdict is Verdict.REGRESSION
    better = {f"s{i}": [0.2, 0.9] for i in range(40, 60)}
    found = only(judge(*pair, gate=GATE, again={"toxicity": better}))
    assert (found.reason, found.worse) == ("not_confirmed", 0)
    worse = {f"s{i}": [0.21, 0.9] for i in range(40, 60)}
    assert only(judge(*pair, gate=GATE, again={"toxicity": worse})).worse == 20


def test_confirm__repeats_are_held_against_the_mean_of_the_baseline() -> None:
    before = [[1, 1, 0]] * 12 + [[1, 1, 1]] * 108
    now = [[0, 0, 0]] * 12 + [[1, 1, 1]] * 108
    pair = [make_report({"exact_match": c}) for c in (before, now)]
    assert told(*pair) == {"exact_match": tuple(IDS)}
    found = only(judge(*pair, gate=GATE, again=again()))
    assert (found.verdict, found.worse, found.kind) == (
        Verdict.INCONCLUSIVE,
        0,
        MetricKind.BOUNDED,
    )


def test_confirm__with_missing_rows_and_groups() -> None:
    before, now = flips(worse=12, better=0, n=200)
    groups = [f"문서 {i // 2}" for i in range(200)]
    pair = [
        make_report({"exact_match": before}, groups=groups),
        make_report({"exact_match": [*now[:-2], None, None]}, groups=groups),
    ]
    first = only(judge(*pair, gate=GATE))
    assert (first.verdict, first.method) == (Verdict.REGRESSION, "cr1")
    held = only(judge(*pair, gate=GATE, again=again(**{n: [0, 0] for n in IDS})))
    assert held.p_raw == first.p_raw
    assert only(judge(*pair, gate=GATE, again=again())).reason == "not_confirmed"


def test_confirm__of_several_each_has_its_own_answers_and_all_are_adjusted() -> None:
    strong = flips(worse=20, better=2, n=200)
    lean = flips(worse=14, better=4, n=200)
    pair = [make_report({"a": strong[i], "b": lean[i]}) for i in (0, 1)]
    first = judge(*pair, gate=GATE)
    assert {m.verdict for m in first.metrics.values()} == {Verdict.REGRESSION}
    answers = {
        "a": {f"s{i}": [0 if i < 9 else 1] * 2 for i in range(20)},
        "b": {f"s{i}": [0, 0] for i in range(14)},
    }
    found = judge(*pair, gate=GATE, again=answers)
    assert (found.metrics["a"].worse, found.metrics["b"].worse) == (9, 14)
    assert found.metrics["a"].p_worse >= first.metrics["a"].p_worse
    assert found.metrics["b"].p_worse >= first.metrics["b"].p_worse


def test_confirm__what_did_not_regress_stays_as_it_is() -> None:
    pair = reports(flips(worse=8, better=6, n=100))
    plain = judge(*pair, gate=GATE)
    assert judge(*pair, gate=GATE, again=again()) == plain


def test_confirm__no_run_fails_that_did_not_fail_before() -> None:
    """No true change: two metrics, samples of all difficulties, 600 runs from a seed."""
    dice = random.Random(20261124)
    n, runs = 120, 600
    right = [dice.choice((0.6, 0.9, 0.98, 1.0)) for _ in range(n)]
    failed = {"once": 0, "confirmed": 0}
    for _ in range(runs):
        pair = [make_report({key: draw(dice, right) for key in ("a", "b")}) for _ in ("old", "new")]
        once = judge(*pair)
        answers = {
            key: {name: draw(dice, [right[int(name[1:])]] * 3) for name in names}
            for key, names in told(*pair, gate={"confirm": 3}).items()
        }
        found = judge(*pair, gate={"confirm": 3}, again=answers)
        assert stricter(found) <= stricter(once)
        for key in ("a", "b"):
            was, now = once.metrics[key], found.metrics[key]
            assert now.verdict is was.verdict or (
                was.verdict is Verdict.REGRESSION and now.verdict is Verdict.INCONCLUSIVE
            )
        failed["once"] += once.verdict is Verdict.REGRESSION
        failed["confirmed"] += found.verdict is Verdict.REGRESSION
    assert failed["confirmed"] < failed["once"] <= 0.07 * runs


def test_confirm__slices_keep_their_interval_and_claim_only_what_held() -> None:
    before, now = [0] * 40 + [1] * 160, [1] * 100 + [0] * 80 + [1] * 20
    pair = reports((before, now), tags=[["얻음"] if i < 100 else ["잃음"] for i in range(200)])
    once = {each.value: each for each in judge(*pair, gate=GATE).slices}
    answers = {
        "exact_match": {f"s{i}": [0, 0] for i in range(200)}
    }  # no gain holds, each loss does
    asked = {each.value: each for each in judge(*pair, gate=GATE, again=answers).slices}
    assert once["얻음"].proven
    assert not asked["얻음"].proven
    assert asked["얻음"].p_raw == 0.5
    assert asked["얻음"].ci90 == once["얻음"].ci90
    assert asked["잃음"].p_raw == once["잃음"].p_raw


def test_confirm__a_true_drop_is_still_found() -> None:
    """Fifteen answers of 120 are lost for good, the others are as steady as before."""
    dice = random.Random(7)
    n, found = 120, {"once": 0, "confirmed": 0}
    before = [0.97] * n
    now = [0.05] * 15 + [0.97] * (n - 15)
    for _ in range(60):
        pair = [make_report({"a": draw(dice, shares)}) for shares in (before, now)]
        answers = {
            key: {name: draw(dice, [now[int(name[1:])]] * 3) for name in names}
            for key, names in told(*pair, gate={"confirm": 3}).items()
        }
        found["once"] += judge(*pair).verdict is Verdict.REGRESSION
        confirmed = judge(*pair, gate={"confirm": 3}, again=answers)
        found["confirmed"] += confirmed.verdict is Verdict.REGRESSION
    assert found["once"] >= 55
    assert found["confirmed"] >= 50


def draw(dice, shares):
    return [int(dice.random() < share) for share in shares]


def stricter(comparison):
    return [Verdict.PASS, Verdict.IMPROVED, Verdict.INCONCLUSIVE, Verdict.REGRESSION].index(
        comparison.verdict
    )
