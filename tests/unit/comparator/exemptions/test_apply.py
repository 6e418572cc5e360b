"""Changes that are accepted on purpose, up to a drop and until a day."""

import unicodedata
from dataclasses import replace

import pytest
from comparing import entry, judge, only
from factories import make_report

from lm_eval_so.comparator.exemptions.files import Exceptions, hold_against_base
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict

GRADES = {"kinds": {"grade": MetricKind.BOUNDED}}
WORSE = [1] * 54 + [0] * 6


def accept(*entries):
    return Exceptions(accept=tuple(entries))


def right_or_wrong(now=WORSE):
    return [make_report({"exact_match": c}) for c in ([1] * 60, now)]


def grades(drop, n=100):
    return [make_report({"grade": [value] * n}, **GRADES) for value in (0.9, 0.9 - drop)]


@pytest.mark.parametrize(
    ("drop", "max_drop", "verdict", "state"),
    [
        pytest.param(0.10, 0.10, "pass", "applied", id="just"),
        pytest.param(0.10, 0.2, "pass", "applied", id="well"),
        pytest.param(0.10, 0.099, "regression", "exceeded", id="too far"),
        pytest.param(0.0, 0.1, "pass", "unused", id="nothing fell"),
        pytest.param(-0.05, 0.1, "improved", "unused", id="it rose"),
    ],
)
def test_accept__a_metric_passes_while_its_drop_is_small_enough(
    drop, max_drop, verdict, state
) -> None:
    found = judge(*grades(drop), exceptions=accept(entry(None, "grade", max_drop=max_drop)))
    assert (found.verdict.value, found.accept[0].state) == (verdict, state)
    assert found.accept[0].drop == pytest.approx(drop)
    assert only(found).reason == ("accepted" if state == "applied" else None)
    assert found.exit_code == (1 if state == "exceeded" else 0)


def test_accept__less_is_better_and_costs_are_held_in_their_own_units() -> None:
    lower = {"directions": {"toxicity": Direction.LOWER}}
    pair = [make_report({"toxicity": [v] * 100}, **lower) for v in (0.1, 0.3)]
    assert judge(*pair, exceptions=accept(entry(None, "toxicity", max_drop=0.2))).verdict == "pass"
    gate = {"metrics": {"latency_ms": {}}}
    times = [100.0 + i % 7 for i in range(60)]
    slow = [make_report({"latency_ms": [t + more for t in times]}) for more in (0, 50)]
    for most, verdict in ((50, "pass"), (49, "regression")):
        found = judge(*slow, gate=gate, exceptions=accept(entry(None, "latency_ms", max_drop=most)))
        assert found.verdict == verdict


def test_accept__what_cannot_tell_passes_as_well() -> None:
    now = [1] * 58 + [0] * 2
    assert judge(*right_or_wrong(now)).verdict is Verdict.INCONCLUSIVE
    found = judge(
        *right_or_wrong(now), exceptions=accept(entry(None, "exact_match", max_drop=0.05))
    )
    assert found.verdict is Verdict.PASS


def test_accept__what_cannot_be_compared_cannot_be_accepted() -> None:
    pair = [
        make_report({"exact_match": [1] * 60}, definitions={"exact_match": {"version": v}})
        for v in (1, 2)
    ]
    found = judge(*pair, exceptions=accept(entry(None, "exact_match", max_drop=1)))
    assert (found.verdict, found.accept[0].state) == (Verdict.INCOMPARABLE, "unused")


def test_accept__a_fixed_bound_is_not_lowered() -> None:
    gate = {"metrics": {"exact_match": {"min": 0.95}}}
    entries = accept(
        entry(None, "exact_match", max_drop=0.5),
        *(entry(f"s{i}", max_drop=1) for i in range(54, 60)),
    )
    found = judge(*right_or_wrong(), gate=gate, exceptions=entries)
    assert (found.verdict, only(found).reason) == (Verdict.REGRESSION, "threshold")


@pytest.mark.parametrize(
    ("max_drop", "state", "n", "verdict"),
    [(1, "applied", 54, "pass"), (0.5, "exceeded", 60, "regression")],
)
def test_accept__samples_leave_while_their_drop_is_small_enough(
    max_drop, state, n, verdict
) -> None:
    entries = [entry(f"s{i}", max_drop=max_drop) for i in range(54, 60)]
    gate = {"metrics": {"exact_match": {"margin": 0.06}}}
    found = judge(*right_or_wrong(), gate=gate, exceptions=accept(*entries))
    assert {e.state for e in found.accept} == {state}
    assert (only(found).n, found.verdict) == (n, verdict)
    assert found.accept[0].drop == 1
    assert found.accept[0].scores == {"exact_match": (1.0, 0.0)}


@pytest.mark.parametrize(
    ("refs", "now_refs", "name", "sample_id"),
    [
        pytest.param({59: "FAQ-7"}, {59: "FAQ-7"}, "FAQ-7", "s59", id="own"),
        pytest.param(
            {59: "환불"}, {}, unicodedata.normalize("NFD", "환불"), "s59", id="decomposed"
        ),
        pytest.param({58: "a", 59: "a"}, {}, "a", None, id="of two"),
        pytest.param({58: "s59"}, {}, "s59", "s59", id="ours goes first"),
        pytest.param({}, {59: "FAQ-7"}, "FAQ-7", None, id="brought by the change"),
        pytest.param({1: "FAQ-7"}, {59: "FAQ-7"}, "FAQ-7", "s1", id="moved by the change"),
    ],
)
def test_accept__a_sample_may_be_named_by_the_user_s_own_id(
    refs, now_refs, name, sample_id
) -> None:
    """It is the baseline's: no change renames a case that it breaks."""
    reports = [
        replace(report, samples=replace(report.samples, refs=tuple(map(own.get, range(60)))))
        for report, own in zip(right_or_wrong([1] * 59 + [0]), (refs, now_refs), strict=True)
    ]
    (found,) = judge(*reports, exceptions=accept(entry(name, max_drop=1))).accept
    state = {None: "unknown_sample", "s1": "unused"}.get(sample_id, "applied")
    assert (found.state, found.sample_id) == (state, sample_id or name)


def test_accept__of_repeats_their_mean_counts() -> None:
    before = [[1, 1, 1]] * 60
    now = [[1, 1, 1]] * 59 + [[0, 1, 0]]
    pair = [make_report({"exact_match": c}) for c in (before, now)]
    for most, n in ((0.67, 59), (0.66, 60)):
        found = judge(*pair, exceptions=accept(entry("s59", max_drop=most)))
        assert only(found).n == n


def test_accept__a_sample_without_a_score_stays() -> None:
    found = judge(*right_or_wrong([1] * 59 + [None]), exceptions=accept(entry("s59", max_drop=1)))
    assert (only(found).n, found.accept[0].state) == (60, "unused")


def test_accept__a_sample_of_all_metrics_leaves_out_costs_and_times() -> None:
    gate = {"metrics": {"exact_match": {}, "latency_ms": {}}}
    times = [100.0 + i % 7 for i in range(60)]
    pair = [make_report({"exact_match": c, "latency_ms": times}) for c in ([1] * 60, WORSE)]
    found = judge(*pair, gate=gate, exceptions=accept(entry("s59", max_drop=1)))
    assert (found.metrics["exact_match"].n, found.metrics["latency_ms"].n) == (59, 60)


def test_accept__expired_and_unknown_entries_do_nothing() -> None:
    entries = accept(
        entry(None, "exact_match", max_drop=1, until="2026-11-23"),
        entry("s999", max_drop=1),
        entry(None, "exactmatch", max_drop=1),
    )
    found = judge(*right_or_wrong(), exceptions=entries)
    assert found.verdict is Verdict.REGRESSION
    assert [e.state for e in found.accept] == ["expired", "unknown_sample", "unknown_metric"]


def test_accept__others_are_adjusted_for_as_many_metrics_as_before() -> None:
    columns = [1] * 60, [1] * 53 + [0] * 7
    names = ("exact_match", "contains", "regex")
    pair = [make_report(dict.fromkeys(names, column)) for column in columns]
    found = judge(*pair, exceptions=accept(entry(None, "regex", max_drop=0.5)))
    assert found.metrics["regex"].verdict is Verdict.PASS
    kept = found.metrics["contains"]
    assert kept.verdict is Verdict.REGRESSION
    assert kept.p_worse == pytest.approx(3 * kept.p_raw)


@pytest.mark.parametrize(
    ("base", "is_strict", "verdict", "states", "here"),
    [
        (0, False, "pass", {"applied"}, 6),
        (4, False, "pass", {"applied"}, 2),
        (6, True, "pass", {"applied"}, 0),
        (1, True, "regression", {"applied", "not_on_base"}, 0),
    ],
)
def test_accept__drops_that_the_change_itself_accepts_are_known(
    base, is_strict, verdict, states, here
) -> None:
    entries = [entry(f"s{i}", max_drop=1) for i in range(54, 60)]
    held = hold_against_base(accept(*entries), entries[:base], is_strict=is_strict)
    gate = {"metrics": {"exact_match": {"margin": 0.06}}}
    found = judge(*right_or_wrong(), gate=gate, exceptions=held)
    assert found.verdict == verdict
    assert found.exit_code == (verdict == "regression")
    assert {each.state for each in found.accept} == states
    assert len(found.accepted_here) == here
    assert [each.on_base for each in found.accept] == [i < base for i in range(6)]


@pytest.mark.parametrize("on_base", [True, False])
def test_accept__a_sample_that_did_not_fall_stays_in(on_base: bool) -> None:
    """Else an entry would take a case out, a required one too, and nobody would be told."""
    before, now = [0] * 2 + [1] * 58, [0, 1] + [1] * 58
    entries = [entry(name, max_drop=1) for name in ("s0", "s1", "s2")]
    held = hold_against_base(accept(*entries), entries if on_base else (), is_strict=False)
    pair = [make_report({"exact_match": column}) for column in (before, now)]
    found = judge(*pair, exceptions=held)
    assert only(found).n == 60
    assert [(each.state, each.drop) for each in found.accept] == [
        ("unused", 0), ("unused", -1), ("unused", 0),
    ]  # fmt: skip
    assert found.accepted_here == ()


def test_accept__a_metric_that_cannot_tell_is_told_although_it_did_not_fall() -> None:
    entries = (entry(None, "exact_match", max_drop=0.05),)
    held = hold_against_base(accept(*entries), (), is_strict=False)
    pair = [make_report({"exact_match": [1] * 20 + [0] * 5}) for _ in range(2)]
    found = judge(*pair, exceptions=held)
    assert (found.verdict, only(found).reason) == (Verdict.PASS, "accepted")
    assert len(found.accepted_here) == 1
