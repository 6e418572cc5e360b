"""The claim about these questions: which metrics follow it, what it leaves as it was, how often it errs."""

import runpy
import sys
from functools import partial
from pathlib import Path

import pytest
from comparing import judge, only
from factories import make_report

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.errors import ConfigError

THESE = {"claim": "these"}
ONCE, TWICE = [1] * 60, [[1, 1]] * 60
BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


def compared(before, now, gate=THESE, **made):
    return only(judge(make_report({"m": before}), make_report({"m": now}, **made), gate=gate))


@pytest.mark.parametrize(
    ("before", "now", "way"),
    [(ONCE, ONCE, None), (ONCE, TWICE, "baseline"), (TWICE, ONCE, "candidate")],
)
def test_claim__asked_once_on_a_side_is_judged_by_the_default(before, now, way) -> None:
    metric, usual = compared(before, now), compared(before, now, gate={})
    (warning,) = metric.warnings
    assert (warning.code, warning.figures.get("way")) == ("claim_needs_repeats", way)
    assert metric.method in {"tango_midp", "hall"}
    assert (metric.ci90, metric.p_worse, metric.verdict, metric.needed_n) == (
        usual.ci90,
        usual.p_worse,
        usual.verdict,
        usual.needed_n,
    )
    assert usual.warnings == ()


def test_claim__one_sample_in_five_may_have_been_asked_once() -> None:
    now = [[1, 1]] * 48 + [1] * 12
    assert compared(TWICE, now).method == "these_binary"
    assert compared(TWICE, [*now[1:], 1]).method == "hall"


def test_claim__times_counts_and_open_ranges_are_judged_as_ever() -> None:
    sides = [
        make_report(
            {
                "latency_ms": [[100.0 + i, 101.0] for i in range(40)],
                "m": [[0.5 * i, i] for i in range(40)],
            },
            kinds={"m": MetricKind.UNBOUNDED},
        )
        for _ in range(2)
    ]
    gate = {**THESE, "metrics": {"latency_ms": {}, "m": {"margin": 1}}}
    these, usual = (judge(*sides, gate=each) for each in (gate, {**gate, "claim": "like_these"}))
    assert these.metrics == usual.metrics
    assert (these.claim, usual.claim) == ("these", "like_these")


def test_claim__by_default_groups_and_repeats_count_as_ever() -> None:
    sides = [make_report({"m": TWICE}, groups=[f"g{i // 4}" for i in range(60)]) for _ in range(2)]
    assert only(judge(*sides)).method == "cr1"
    assert only(judge(*sides, gate=THESE)).method == "these_binary"
    assert to_json(judge(*sides)) == to_json(judge(*sides, gate={"claim": "like_these"}))


def test_claim__lower_is_better_is_the_mirror_image() -> None:
    before, now = [[1, 0], [1, 1], [0, 0]] * 20, [[1, 1], [1, 0], [0, 1]] * 20
    lower = {"directions": {"m": Direction.LOWER}}
    there = compared(
        [[1 - v for v in each] for each in before], [[1 - v for v in each] for each in now]
    )
    back = only(
        judge(make_report({"m": before}, **lower), make_report({"m": now}, **lower), gate=THESE)
    )
    assert back.ci90 == pytest.approx(there.ci90)
    assert back.p_worse == pytest.approx(there.p_worse)


@pytest.mark.parametrize("direction", list(Direction))
def test_claim__missing_answers_are_taken_at_their_worst_and_best(direction) -> None:
    made = {"directions": {"m": direction}}
    good, bad = (1, 0) if direction is Direction.HIGHER else (0, 1)

    def found(*last):
        sides = [[good, good]] * 50, [*[[good, good]] * 48, *last]
        return only(judge(*(make_report({"m": side}, **made) for side in sides), gate=THESE))

    worst, best = found([good, bad], [bad, bad]), found([good, good], [good, bad])
    metric = found([good, None], [None, bad])
    assert metric.missing == (0, 2)
    assert metric.ci90 == pytest.approx((worst.ci90[0], best.ci90[1]))
    assert metric.p_raw == pytest.approx(best.p_raw)
    assert metric.delta == pytest.approx(-1 / 50)


def test_claim__grades_of_which_some_lie_between_are_scores() -> None:
    assert compared([[1, 0.5]] * 20, [[1, 0.5]] * 20).method == "these_scores"
    binary = {"kinds": {"m": MetricKind.BINARY}}
    assert compared([[1, 0.5]] * 20, [[1, 0]] * 20, **binary).method == "these_scores"


def test_claim__a_judge_shrinks_the_margin() -> None:
    judged = JudgeCalibration(state="ok", n=100, positives=50, negatives=50, se=0.8, sp=0.9, j=0.7)
    metric = compared([[1, 1, 1]] * 60, [[1, 1, 1]] * 60, judges={"m": judged})
    assert metric.method == "these_binary"
    assert metric.margin == pytest.approx(0.035)
    assert metric.corrected.ci90[0] == pytest.approx(metric.ci90[0] / 0.7)


@pytest.mark.parametrize(("n", "verdict"), [(4, Verdict.INCONCLUSIVE), (5, Verdict.PASS)])
def test_claim__a_pass_needs_ten_answers_whatever_the_margin(n: int, verdict: Verdict) -> None:
    gate = {**THESE, "metrics": {"m": {"margin": 0.6}}}
    metric = compared([[1, 1]] * n, [[1, 1]] * n, gate=gate)
    assert metric.ci90[0] > -0.6
    assert metric.verdict is verdict
    assert metric.reason == (None if verdict is Verdict.PASS else "few_samples")


def test_claim__several_metrics_share_the_error() -> None:
    fallen = [[1] * 5] * 27 + [[1, 0, 0, 0, 0]] * 3
    scores = {"a": [[1] * 5] * 30, "b": [[1] * 5] * 30}
    told = judge(make_report(scores), make_report({"a": fallen, "b": scores["b"]}), gate=THESE)
    assert told.metrics["a"].p_worse == pytest.approx(2 * told.metrics["a"].p_raw)


def test_claim__says_how_many_answers_are_needed_and_their_price() -> None:
    noisy = [[1, 1, 1]] * 30 + [[1, 0, 1]] * 10
    metric = compared(noisy, noisy, bot_usd=1.2)
    assert (metric.verdict, metric.needed_n) == (Verdict.INCONCLUSIVE, None)
    assert metric.needed_repeats == 8
    assert metric.needed_cost_usd == pytest.approx(1.2 * 8 / 3)


def test_claim__with_confirm_is_refused_where_only_reports_are_compared() -> None:
    with pytest.raises(ConfigError, match="confirm and claim: these exclude each other"):
        compared(TWICE, TWICE, gate={**THESE, "confirm": 2})


@pytest.fixture(scope="module")
def simulation():
    sys.path.insert(0, str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "gate_these.py"))


def test_claim__errs_as_seldom_as_it_promises(simulation) -> None:
    simulate, draw = simulation["simulate"], partial(simulation["eighty_twenty"], n=50)
    still = simulate(draw, simulation["same"], (3, 3), runs=2000)
    assert 0.56 <= still.passes <= 0.62
    assert still.fails <= 0.06
    fall = partial(simulation["all_fall"], drop=simulation["MARGIN"])
    assert 0.03 <= simulate(draw, fall, (3, 3), runs=2000).passes <= 0.07


def test_claim__finds_what_the_default_does_not(simulation) -> None:
    simulate, draw = simulation["simulate"], partial(simulation["eighty_twenty"], n=30)
    fall = partial(simulation["few_die"], drop=2 * simulation["MARGIN"])
    these, like_these = (
        simulate(draw, fall, (3, 3), runs=500, these=these).fails for these in (True, False)
    )
    assert these >= 0.74
    assert these > like_these + 0.08


def test_rounds__end_sooner_and_err_no_more(simulation) -> None:
    draw = partial(simulation["eighty_twenty"], n=50)
    still = simulation["simulate_rounds"](draw, simulation["same"], stop="decided", runs=250)
    assert 3.8 <= still.rounds <= 4.4
    assert 0 <= still.whole - still.passes <= 0.04
    assert still.fails <= 0.02
    fall = partial(simulation["all_fall"], drop=simulation["MARGIN"])
    assert simulation["simulate_rounds"](draw, fall, stop="pass", runs=300).passes <= 0.07
