"""One metric on both sides: groups with missing rows, and rows whose time is of another day."""

import pytest
from comparing import judge, only
from factories import make_report

from lm_eval_so.core.records.enums import MetricKind, Verdict

SCORES = [0.5 + 0.01 * (i % 30) for i in range(120)]
NEAR = [score + (0.02 if i % 2 else -0.02) for i, score in enumerate(SCORES)]
"""As good as SCORES on average."""


def grouped(before, now, labels, *, margin=0.03, alpha=0.05):
    """Compare a bounded metric whose samples come in groups."""
    reports = [make_report({"token_f1": column}, groups=labels) for column in (before, now)]
    gate = {"alpha": alpha, "metrics": {"token_f1": {"margin": margin}}}
    metric = only(judge(*reports, gate=gate))
    assert (metric.kind, metric.method) == (MetricKind.BOUNDED, "cr1")
    return metric


def without(column, *places):
    return [None if place in places else value for place, value in enumerate(column)]


def test_measure__missing_rows_of_groups_could_hide_a_drop() -> None:
    labels = [f"g{i // 6}" for i in range(120)]
    assert grouped(SCORES, NEAR, labels, margin=0.14).verdict is Verdict.PASS
    lost = grouped(SCORES, without(NEAR, 0, 21, 42, 63, 84), labels, margin=0.14)
    assert (lost.verdict, lost.reason) == (Verdict.INCONCLUSIVE, "missing")
    assert lost.missing == (0, 5)
    lost = grouped(without(SCORES, 0, 21, 42), without(NEAR, 63, 84), labels, margin=0.14)
    assert (lost.verdict, lost.reason) == (Verdict.INCONCLUSIVE, "missing")
    assert lost.missing == (3, 2)


def test_measure__complete_pairs_are_judged_by_their_groups() -> None:
    # half of the groups fell and half rose: single samples would pass, groups do not
    labels = [f"g{i // 6}" for i in range(120)]
    torn = [score + (0.07 if i // 6 % 2 else -0.07) for i, score in enumerate(SCORES)]
    lost = without(torn, 0, 21, 42, 63, 84)
    assert grouped(SCORES, lost, labels).reason == "too_noisy"
    alone = only(judge(make_report({"token_f1": SCORES}), make_report({"token_f1": lost})))
    assert alone.reason == "missing"


def test_measure__complete_pairs_of_fewer_than_ten_groups_prove_nothing() -> None:
    # eleven groups; the ten that have values are not quite equal, and count as 9.98
    labels = ["lost" if i < 5 else f"g{i % 10}" for i in range(120)]
    wide = {"margin": 0.085, "alpha": 0.2}
    assert grouped(SCORES, NEAR, labels, **wide).verdict is Verdict.PASS
    lost = grouped(SCORES, without(NEAR, *range(5)), labels, **wide)
    assert (lost.verdict, lost.reason) == (Verdict.INCONCLUSIVE, "too_noisy")


TIMES = [100.0 + i for i in range(40)]


@pytest.mark.parametrize("cached", [range(20), range(20, 40)])
def test_measure__cached_rows_of_the_baseline_say_nothing_of_times(cached) -> None:
    before = make_report({"latency_ms": without(TIMES, *cached)}, cached=cached)
    metric = only(
        judge(before, make_report({"latency_ms": TIMES}), gate={"metrics": {"latency_ms": {}}})
    )
    timed = [time for place, time in enumerate(TIMES) if place not in cached]
    assert (metric.n, metric.missing) == (20, (0, 0))
    assert metric.baseline == metric.candidate == sum(timed) / 20
    assert metric.delta == 1.0


def test_measure__cached_repeats_of_the_baseline_take_their_sample_with_them() -> None:
    pairs = [[time, time + 2] for time in TIMES]
    halves = [[None, time + 2] if i < 20 else [time, time + 2] for i, time in enumerate(TIMES)]
    before = make_report({"latency_ms": halves}, cached=range(0, 40, 2))  # first repeats
    metric = only(
        judge(before, make_report({"latency_ms": pairs}), gate={"metrics": {"latency_ms": {}}})
    )
    assert (metric.n, metric.missing) == (20, (0, 0))
    assert metric.baseline == metric.candidate == 130.5


def test_measure__a_baseline_without_times_is_no_error() -> None:
    before = make_report({"latency_ms": [None] * 40}, cached=range(40))
    metric = only(
        judge(before, make_report({"latency_ms": TIMES}), gate={"metrics": {"latency_ms": {}}})
    )
    assert (metric.verdict, metric.reason) == (Verdict.INCONCLUSIVE, "few_times")
