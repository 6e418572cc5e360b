"""Looks after each round: what ends them, and what keeps its level whatever the look."""

import pytest
from comparing import NOW, judge
from factories import make_report

from lm_eval_so.comparator.compare import compare, end_of_rounds
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Verdict

LOOK = Rounds(asked=2, of=5, ended="passed", pass_alpha=0.005)
GOOD, LOST = [[1, 1]] * 100, [[0, 0]] * 20 + [[1, 1]] * 80
OLD = [[1] * 5] * 100
MIXED = [[1, 0]] * 6 + [[1, 1]] * 94


def terms(gate, look=LOOK):
    given = {"claim": "these", "stop": "pass", **gate}
    return Terms(gate=GateSection.model_validate(given), compared_at=NOW, rounds=look)


def end_of(before, now, **gate):
    return end_of_rounds(make_report(now), make_report(before), terms(gate))


def compared(before, now, look, **gate):
    return compare(
        make_report(now),
        make_report(before),
        terms(gate, look),
        baseline_ref=BaselineRef(source="file"),
    )


@pytest.mark.parametrize(
    ("now", "stop", "ended"),
    [
        (GOOD, "pass", "passed"),
        (GOOD, "decided", "passed"),
        (LOST, "pass", None),
        (LOST, "decided", "failed"),
        (MIXED, "decided", None),
    ],
)
def test_end__a_pass_always_and_a_regression_where_the_gate_says_so(now, stop, ended) -> None:
    assert end_of({"m": OLD}, {"m": now}, stop=stop) == ended


def test_end__all_gating_metrics_have_to_pass() -> None:
    before, now = {"a": OLD, "b": OLD}, {"a": GOOD, "b": [[1, 0]] * 8 + [[1, 1]] * 92}
    assert end_of(before, now) is None
    assert end_of(before, now, metrics={"a": {}}) == "passed"
    assert end_of(before, {"a": GOOD, "b": LOST}, stop="decided") == "failed"


def test_end__what_would_pass_at_the_last_look_may_be_too_close_for_an_early_one() -> None:
    now = [[1, 0]] * 4 + [[1, 1]] * 96
    report, base = make_report({"m": now}), make_report({"m": OLD})
    assert judge(base, report, gate={"claim": "these"}).verdict is Verdict.PASS
    assert end_of_rounds(report, base, terms({})) is None


@pytest.mark.parametrize(
    ("lost", "others", "ended"), [(8, 0, None), (9, 0, "failed"), (9, 1, None)]
)
def test_end__a_regression_at_the_last_look_may_be_too_close_for_an_early_one(
    lost: int, others: int, ended: str | None
) -> None:
    same = {f"other{i}": OLD for i in range(others)}
    now = {"m": [[0, 0]] * lost + [[1, 1]] * (100 - lost), **dict.fromkeys(same, MIXED)}
    report, base = make_report(now), make_report({"m": OLD, **same})
    assert judge(base, report, gate={"claim": "these"}).verdict is Verdict.REGRESSION
    assert end_of_rounds(report, base, terms({"stop": "decided"})) == ended


def test_end__where_nothing_gates_or_nothing_was_measured_there_is_none() -> None:
    assert end_of({"m": OLD}, {"m": GOOD}, metrics={}) is None
    lost = [[None, None]] * 20 + [[1, 1]] * 80
    both = {"m": OLD, "b": OLD}
    assert end_of(both, {"m": lost, "b": LOST}, stop="decided") is None


def test_end__a_bound_that_is_only_just_kept_waits_for_more_answers() -> None:
    gate = {"metrics": {"m": {"margin": 0.9, "min": 0.97, "rule": "bound"}}}
    assert end_of({"m": OLD}, {"m": GOOD}, **gate) is None
    assert judge(make_report({"m": OLD}), make_report({"m": GOOD}), gate=gate).passed


@pytest.mark.parametrize("kind", ["these_binary", "these_scores", "hall", "cr1", "ratio_means"])
def test_look__moves_only_the_end_that_lets_pass(kind) -> None:
    metric, before, now, groups = "m", OLD, MIXED, None
    gate = {"claim": "these" if kind.startswith("these") else "like_these"}
    if kind == "these_scores":
        before, now = [[0.5, 0.75]] * 40, [[0.5, 0.25], [0.5, 1]] * 20
    if kind == "cr1":
        groups = [f"g{i // 2}" for i in range(100)]
    if kind == "ratio_means":
        metric, before, now = (
            "latency_ms",
            [100.0 + i for i in range(40)],
            [104.0 + i % 9 for i in range(40)],
        )
        gate["metrics"] = {"latency_ms": {}}
    reports = [make_report({metric: side}, groups=groups) for side in (now, before)]
    usual, look = (
        compare(*reports, terms(gate, each), baseline_ref=BaselineRef(source="file")).metrics[
            metric
        ]
        for each in (None, LOOK)
    )
    assert usual.method == look.method == kind
    assert (look.p_worse, look.p_raw, look.delta) == (usual.p_worse, usual.p_raw, usual.delta)
    (low, high), (early_low, early_high) = usual.ci90, look.ci90
    if kind == "ratio_means":
        assert (early_low, early_high > high) == (low, True)
    else:
        assert (early_low < low, early_high) == (True, high)


def test_rounds__stand_in_the_record_and_at_the_end_of_the_sentence() -> None:
    told = compared({"m": OLD}, {"m": GOOD}, LOOK)
    assert told.rounds == LOOK
    assert told.sentence.endswith("2 of at most 5 rounds were asked: that was enough for a pass.")
    assert compared({"m": OLD}, {"m": GOOD}, None).rounds is None
