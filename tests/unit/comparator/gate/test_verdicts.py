"""Each row of the decision table, thresholds beside it, and what the whole costs."""

import math

import pytest
from comparing import flips, judge, only
from factories import make_report

from lm_eval_so.core.records.enums import Direction, MetricKind, Policy, Verdict
from lm_eval_so.core.stats.power import needed_for_scores, provable_margin_t
from lm_eval_so.errors import ConfigError

SAME = [1] * 60
WORSE = flips(worse=12, better=4, n=160)
ALLOWED = flips(worse=20, better=5, n=400)
FELL = flips(worse=160, better=0, n=4000)
NOISY = flips(worse=8, better=6, n=100)
BETTER = flips(worse=4, better=16, n=200)
EVEN = flips(worse=8, better=8, n=200)


def reason_of(comparison, metric="exact_match"):
    found = comparison.metrics[metric]
    return found.verdict, found.reason


@pytest.mark.parametrize(
    ("baseline", "candidate", "verdict", "reason"),
    [
        pytest.param(
            {"other": SAME},
            {"exact_match": SAME},
            "incomparable",
            "metric_missing_baseline",
            id="1 new",
        ),
        pytest.param(
            {"exact_match": SAME},
            {"other": SAME},
            "incomparable",
            "metric_missing_candidate",
            id="1 gone",
        ),
        pytest.param({"exact_match": []}, {"exact_match": SAME}, "error", "no_samples", id="4"),
        pytest.param(
            {"exact_match": SAME},
            {"exact_match": SAME[:47]},
            "incomparable",
            "overlap",
            id="5 below",
        ),
        pytest.param(
            {"exact_match": SAME},
            {"exact_match": SAME[:48]},
            "inconclusive",
            "too_noisy",
            id="5 exactly",
        ),
        pytest.param(
            {"exact_match": SAME},
            {"exact_match": SAME[:56] + [None] * 4},
            "error",
            "error_rate",
            id="6",
        ),
        pytest.param(
            {"exact_match": [0.5] * 9},
            {"exact_match": [0.5] * 9},
            "inconclusive",
            "few_samples",
            id="9",
        ),
        pytest.param(
            {"exact_match": [0.9] * 9}, {"exact_match": [0.5] * 9}, "regression", None, id="9, 13"
        ),
        pytest.param(
            {"exact_match": [0.9]},
            {"exact_match": [0.5]},
            "inconclusive",
            "few_samples",
            id="9 one",
        ),
        pytest.param(
            {"exact_match": BETTER[0]}, {"exact_match": BETTER[1]}, "improved", None, id="11"
        ),
        pytest.param({"exact_match": EVEN[0]}, {"exact_match": EVEN[1]}, "pass", None, id="12"),
        pytest.param(
            {"exact_match": WORSE[0]}, {"exact_match": WORSE[1]}, "regression", None, id="13"
        ),
        pytest.param(
            {"exact_match": ALLOWED[0]},
            {"exact_match": ALLOWED[1]},
            "inconclusive",
            "within_margin",
            id="13b",
        ),
        pytest.param(
            {"exact_match": FELL[0]},
            {"exact_match": [*FELL[1][:-40], *[None] * 40]},
            "inconclusive",
            "within_margin",
            id="13b before 14 missing",
        ),
        pytest.param(
            {"exact_match": NOISY[0]},
            {"exact_match": NOISY[1]},
            "inconclusive",
            "too_noisy",
            id="14 noisy",
        ),
        pytest.param(
            {"exact_match": [1] * 200},
            {"exact_match": [1] * 190 + [None] * 10},
            "inconclusive",
            "missing",
            id="14 missing",
        ),
    ],
)
def test_compare__decides_by_the_first_row_that_fits(baseline, candidate, verdict, reason) -> None:
    gate = {"metrics": {"exact_match": {}}}
    comparison = judge(make_report(baseline), make_report(candidate), gate=gate)
    assert reason_of(comparison) == (Verdict(verdict), reason)


def test_compare__row_2_names_what_differs_in_the_metric() -> None:
    old = {"name": "exact_match", "params": {"profile": "basic", "case": True}, "version": 1}
    new = {"name": "exact_match", "params": {"profile": "answer", "case": True}, "version": 2}
    comparison = judge(
        make_report({"exact_match": SAME}, definitions={"exact_match": old}),
        make_report({"exact_match": SAME}, definitions={"exact_match": new}),
    )
    assert reason_of(comparison) == (Verdict.INCOMPARABLE, "fingerprint")
    assert "(changed: params.profile: basic → answer, version: 1 → 2)" in comparison.sentence


def test_compare__row_3_names_the_sample_that_stands_twice() -> None:
    comparison = judge(
        make_report({"exact_match": [1, 1, 1]}, ids=["가", "나", "나"]),
        make_report({"exact_match": [1, 1, 1]}, ids=["가", "나", "다"]),
    )
    assert reason_of(comparison) == (Verdict.ERROR, "duplicate_id")
    assert comparison.sentence == "exact_match: sample id 나 appears twice in the baseline report."


@pytest.mark.parametrize("missing", [1, 2])
def test_compare__row_6_needs_three_rows_unless_all_are_missing(missing) -> None:
    few = judge(
        make_report({"exact_match": [1] * 20}),
        make_report({"exact_match": [1] * (20 - missing) + [None] * missing}),
    )
    all_of_them = judge(
        make_report({"exact_match": [1] * missing}), make_report({"exact_match": [None] * missing})
    )
    assert few.verdict is Verdict.INCONCLUSIVE
    assert reason_of(all_of_them) == (Verdict.ERROR, "error_rate")


def test_compare__of_two_scores_one_without_a_value_is_inconclusive() -> None:
    pair = [make_report({"token_f1": column}) for column in ([0.5, 0.5], [0.5, None])]
    assert reason_of(judge(*pair, gate={"metrics": {"token_f1": {}}}), "token_f1") == (
        Verdict.INCONCLUSIVE,
        "few_samples",
    )


@pytest.mark.parametrize(("missing", "reason"), [(1, None), (2, "missing_unbounded")])
def test_compare__row_7_open_ranges_bear_one_percent(missing, reason) -> None:
    values = [float(10 + i % 7) for i in range(100)]
    comparison = judge(
        make_report({"length": values}),
        make_report({"length": values[missing:] + [None] * missing}),
        gate={"metrics": {"length": {"margin": 5}}},
    )
    assert comparison.metrics["length"].kind is MetricKind.UNBOUNDED
    assert comparison.metrics["length"].reason == reason


@pytest.mark.parametrize(("groups", "reason"), [(9, "few_groups"), (60, None)])
def test_compare__row_8_needs_ten_groups(groups, reason) -> None:
    labels = [f"g{i % groups}" for i in range(120)]
    report = make_report({"exact_match": [1] * 120}, groups=labels)
    comparison = judge(report, report)
    assert comparison.metrics["exact_match"].reason == reason
    metric = comparison.metrics["exact_match"]
    assert (metric.method, metric.p_raw) == ("cr1", 0.5)
    assert (metric.provable_margin is None) is (reason is not None)


@pytest.mark.parametrize(
    ("large", "warned"),
    [pytest.param(9, [], id="9"), pytest.param(40, ["unequal_groups"], id="40")],
)
def test_compare__groups_of_unequal_size_count_less(large, warned) -> None:
    labels = ["large"] * large + [f"g{i // 2}" for i in range(100)]
    report = make_report({"exact_match": [1] * len(labels)}, groups=labels)
    metric = only(judge(report, report, gate={"metrics": {"exact_match": {"margin": 0.3}}}))
    count = len(labels) ** 2 / (large**2 + 50 * 4)
    assert metric.verdict is Verdict.PASS
    assert [warning.code for warning in metric.warnings] == warned
    assert metric.provable_margin == pytest.approx(provable_margin_t(count))
    assert metric.provable_margin == pytest.approx(-metric.ci90[0])
    needed = needed_for_scores(0.0, 0.3, width=1.0)
    assert metric.needed_n == math.ceil(needed * len(labels) / count)


def test_compare__few_groups_of_unequal_size_are_no_pass_whatever_the_margin() -> None:
    labels = ["large"] * 20 + [f"g{i}" for i in range(30)]
    report = make_report({"exact_match": [1] * 50}, groups=labels)
    gate = {"metrics": {"exact_match": {"margin": 0.6}}}
    comparison = judge(report, report, gate=gate)
    assert comparison.metrics["exact_match"].ci90[0] > -0.6
    assert reason_of(comparison) == (Verdict.INCONCLUSIVE, "few_groups")


@pytest.mark.parametrize("metric", ["length", "latency_ms"])
def test_compare__row_8_counts_the_groups_that_an_open_range_has_left(metric) -> None:
    values = [float(10 + i % 7) for i in range(1009)]
    labels = [f"g{i}" if i < 9 else "one" for i in range(1009)]  # ten groups, nine without a value
    pair = [
        make_report({metric: column}, groups=labels) for column in (values, [None] * 9 + values[9:])
    ]
    comparison = judge(
        *pair, gate={"metrics": {metric: {"margin": 5} if metric == "length" else {}}}
    )
    assert reason_of(comparison, metric) == (Verdict.INCONCLUSIVE, "few_groups")
    assert "1 group" in comparison.metrics[metric].sentence


def test_compare__scores_out_of_all_proportion_to_the_margin_are_too_noisy() -> None:
    values = [1e149 * (i % 7) for i in range(100)]
    pair = [make_report({"length": column}) for column in (values, values[::-1])]
    comparison = judge(*pair, gate={"metrics": {"length": {"margin": 5}}})
    assert reason_of(comparison, "length") == (Verdict.INCONCLUSIVE, "too_noisy")


def test_compare__a_score_whose_square_is_no_number_counts_as_missing() -> None:
    values = [float(i % 7) for i in range(200)]
    pair = [make_report({"length": column}) for column in (values, [1.7e308, *values[1:]])]
    comparison = judge(*pair, gate={"metrics": {"length": {"margin": 5}}})
    assert reason_of(comparison, "length") == (Verdict.PASS, None)
    assert comparison.metrics["length"].missing == (0, 1)
    assert "out_of_range" in {reason.code for reason in comparison.metrics["length"].warnings}


def test_compare__a_fall_of_the_margin_itself_is_a_regression_whatever_the_arithmetic() -> None:
    assert 0.27 - 0.30 > -0.03
    pair = [make_report({"token_f1": [score] * 100}) for score in (0.30, 0.27)]
    comparison = judge(*pair, gate={"metrics": {"token_f1": {"margin": 0.03}}})
    assert reason_of(comparison, "token_f1") == (Verdict.REGRESSION, None)


def test_compare__row_14_multiplicity_holds_only_among_several_gating_metrics() -> None:
    lean, calm = flips(worse=13, better=5, n=160), flips(worse=10, better=10, n=160)
    names = ("a", "b", "c")
    pair = [dict(zip(names, (lean[i], calm[i], calm[i]), strict=True)) for i in (0, 1)]
    several = judge(*map(make_report, pair))
    alone = judge(*map(make_report, pair), gate={"metrics": {"a": {}}})
    assert reason_of(several, "a") == (Verdict.INCONCLUSIVE, "multiplicity")
    assert several.metrics["a"].p_worse == pytest.approx(3 * several.metrics["a"].p_raw)
    assert reason_of(alone, "a") == (Verdict.REGRESSION, None)
    assert alone.metrics["a"].p_worse == alone.metrics["a"].p_raw
    assert list(alone.metrics) == ["a", "b", "c"]
    assert not alone.metrics["b"].gating


def test_compare__a_metric_that_does_not_gate_is_outside_the_family() -> None:
    worse = flips(worse=14, better=4, n=200)
    reports = [make_report(dict.fromkeys(("a", "b", "beside"), column)) for column in worse]
    metrics = judge(*reports, gate={"metrics": {"a": {}, "b": {}}}).metrics
    for key in ("a", "b"):
        assert metrics[key].p_worse == pytest.approx(2 * metrics[key].p_raw)
        assert "adjusted for 2 metrics" in metrics[key].sentence
    beside = metrics["beside"]
    assert (beside.gating, beside.verdict) == (False, Verdict.REGRESSION)
    assert beside.p_worse == beside.p_raw == metrics["a"].p_raw
    assert "adjusted" not in beside.sentence


def test_compare__a_gating_metric_without_a_test_is_outside_the_family() -> None:
    before, now = flips(worse=14, better=4, n=200)
    comparison = judge(
        make_report({"a": before, "few": [1] * 200}, not_applicable={"few": range(200)}),
        make_report({"a": now, "few": [1] * 200}, not_applicable={"few": range(200)}),
    )
    assert reason_of(comparison, "few") == (Verdict.ERROR, "no_samples")
    metric = comparison.metrics["a"]
    assert metric.p_worse == metric.p_raw
    assert "adjusted" not in metric.sentence


def test_compare__unbounded_without_margin_is_reported_and_never_gates() -> None:
    values = [float(i) for i in range(20)]
    comparison = judge(
        make_report({"length": values}),
        make_report({"length": [v - 50 for v in values]}),
        gate={"metrics": {"length": {}}},
    )
    metric = comparison.metrics["length"]
    assert (metric.verdict, metric.gating, metric.delta) == (Verdict.REPORTED, False, -50)
    assert (comparison.verdict, comparison.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert comparison.sentence == (
        "No metric gates, so nothing was judged. "
        "Name one under gate.metrics, with a margin or a bound."
    )


@pytest.mark.parametrize("kind", ["latency_ms", "length"])
def test_compare__costs_and_open_scores_gate_only_when_named(kind) -> None:
    values = [100.0 + i for i in range(30)]
    comparison = judge(
        make_report({kind: values}), make_report({kind: [2 * value for value in values]})
    )
    assert not comparison.metrics[kind].gating
    assert comparison.exit_code == 0


def test_compare__ratio_is_judged_by_its_largest_increase() -> None:
    before = [100.0 + i for i in range(60)]
    after = [value * 1.15 for value in before]
    reports = make_report({"latency_ms": before}), make_report({"latency_ms": after})
    strict = judge(*reports, gate={"metrics": {"latency_ms": {}}})
    loose = judge(*reports, gate={"metrics": {"latency_ms": {"max_increase": 0.2}}})
    assert strict.verdict is Verdict.REGRESSION
    assert loose.verdict is Verdict.PASS
    assert loose.metrics["latency_ms"].delta == pytest.approx(1.15)
    assert loose.metrics["latency_ms"].margin is None
    assert loose.metrics["latency_ms"].threshold == {"max_increase": 0.2, "statistic": "mean"}


def test_compare__ratio_of_zeros_has_no_verdict() -> None:
    report = make_report({"cost_usd": [0.0] * 20})
    comparison = judge(report, report, gate={"metrics": {"cost_usd": {}}})
    assert reason_of(comparison, "cost_usd") == (Verdict.INCONCLUSIVE, "not_positive")


def test_compare__more_of_a_ratio_may_be_better() -> None:
    speeds = [50.0 + i % 9 for i in range(100)]
    declared = {"kinds": {"speed": MetricKind.RATIO}, "directions": {"speed": Direction.HIGHER}}
    comparison = judge(
        make_report({"speed": speeds}, **declared),
        make_report({"speed": [v - 10 for v in speeds]}, **declared),
        gate={"metrics": {"speed": {"margin": 3}}},
    )
    metric = comparison.metrics["speed"]
    assert (metric.verdict, metric.kind) == (Verdict.REGRESSION, MetricKind.UNBOUNDED)


def test_compare__percentile_ignores_groups_and_says_so() -> None:
    values = [100.0 + i % 83 for i in range(400)]
    report = make_report({"latency_ms": values}, groups=[f"g{i % 4}" for i in range(400)])
    gate = {"metrics": {"latency_ms": {"statistic": "p95", "max_increase": 0.5}}}
    metric = judge(report, report, gate=gate).metrics["latency_ms"]
    assert (metric.verdict, metric.method) == (Verdict.PASS, "ratio_percentiles")
    assert [warning.code for warning in metric.warnings] == ["groups_ignored"]
    assert metric.baseline == 177.0


def test_compare__without_gate_every_closed_metric_gates_with_its_default_margin() -> None:
    scores = {
        "exact_match": SAME,
        "token_f1": [0.5] * 60,
        "grade": [3.0] * 60,
        "latency_ms": [9.0] * 60,
    }
    shapes = {"kinds": {"grade": MetricKind.BOUNDED}, "ranges": {"grade": (1.0, 5.0)}}
    report = make_report(scores, **shapes)
    comparison = judge(report, report)
    margins = {key: metric.margin for key, metric in comparison.metrics.items() if metric.gating}
    assert margins == {"exact_match": 0.05, "token_f1": 0.03, "grade": pytest.approx(0.12)}


def test_compare__repeats_keep_the_margin_of_right_or_wrong() -> None:
    report = make_report({"exact_match": [[1, 0, 1]] * 60})
    metric = judge(report, report).metrics["exact_match"]
    assert (metric.kind, metric.margin) == (MetricKind.BOUNDED, 0.05)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_compare__alpha_moves_the_whole_interval(alpha) -> None:
    reports = [make_report({"exact_match": column}) for column in EVEN]
    metric = judge(*reports, gate={"alpha": alpha}).metrics["exact_match"]
    assert metric.ci90[0] == pytest.approx(-metric.ci90[1])
    assert (metric.verdict is Verdict.PASS) == (metric.ci90[0] > -0.05)
    assert f"{100 - 100 * alpha:g}%" in metric.sentence or alpha == 0.01


# thresholds beside the change


@pytest.mark.parametrize(
    ("limits", "verdict", "reason", "held"),
    [
        ({"min": 0.9}, "regression", "threshold", False),
        ({"min": 0.5}, "pass", None, True),
        ({"max": 0.5}, "regression", "threshold", False),
        ({"min": 0.5, "max": 0.9}, "pass", None, True),
        ({"min": 0.79, "rule": "bound"}, "inconclusive", "threshold_unproven", None),
    ],
)
def test_compare__threshold_counts_beside_the_change(limits, verdict, reason, held) -> None:
    report = make_report({"exact_match": [1] * 160 + [0] * 40})
    comparison = judge(report, report, gate={"metrics": {"exact_match": limits}})
    metric = only(comparison)
    assert (metric.verdict, metric.reason) == (Verdict(verdict), reason)
    assert metric.threshold["held"] is held
    assert metric.threshold["value"] == 0.8
    assert {key: metric.threshold[key] for key in limits} == limits


def test_compare__of_two_bounds_the_worse_one_is_told() -> None:
    report = make_report({"grade": [0.5] * 20 + [None]}, kinds={"grade": MetricKind.BOUNDED})
    comparison = judge(report, report, gate={"metrics": {"grade": {"min": 0.3, "max": 0.4}}})
    assert "is above the maximum 0.400" in only(comparison).sentence


@pytest.mark.parametrize(
    ("made", "limits", "verdict", "reason"),
    [
        (
            {"scores": {"m": [0.5] * 9}},
            {"min": 0.1, "rule": "bound"},
            "inconclusive",
            "few_samples",
        ),
        (
            {"scores": {"m": [1]}, "kinds": {"m": MetricKind.BOUNDED}},
            {"min": 0.1, "rule": "bound"},
            "inconclusive",
            "few_samples",
        ),
        ({"scores": {"m": []}}, {"min": 0.1}, "error", "no_samples"),
        ({"scores": {"m": [1, 1]}, "ids": ["가", "가"]}, {"min": 0.1}, "error", "duplicate_id"),
        (
            {"scores": {"m": [30.0] * 97 + [None] * 3}},
            {"min": 10},
            "inconclusive",
            "missing_unbounded",
        ),
    ],
)
def test_compare__threshold_needs_something_to_judge(made, limits, verdict, reason) -> None:
    gate = {"metrics": {"m": limits}}
    report = make_report(**made)
    metric = only(judge(report, report, gate=gate))
    assert (metric.verdict, metric.reason) == (Verdict(verdict), reason)
    assert metric.threshold["held"] is None


@pytest.mark.parametrize(("end", "limit"), [("min", 25.0), ("max", 35.0)])
def test_compare__bound_of_an_open_metric(end, limit) -> None:
    report = make_report({"m": [30.0 + i % 3 - 1 for i in range(60)]}, groups=["a", "a"] * 30)
    gate = {"metrics": {"m": {end: limit, "rule": "bound"}}}
    metric = only(judge(None, report, gate=gate))
    assert metric.threshold["held"] is True
    assert 1.3 < abs(metric.threshold["bound"] - 30.0) < 1.4
    assert [warning.code for warning in metric.warnings] == ["groups_ignored"]


def test_compare__threshold_on_a_percentile() -> None:
    report = make_report({"latency_ms": [100.0] * 90 + [900.0] * 10})
    gate = {"metrics": {"latency_ms": {"max": 500, "statistic": "p95"}}}
    metric = only(judge(report, report, gate=gate))
    assert (metric.verdict, metric.threshold["value"]) == (Verdict.REGRESSION, 900.0)


def test_compare__threshold_without_margin_makes_an_open_metric_gate() -> None:
    report = make_report({"length": [float(i) for i in range(40)]})
    metric = only(judge(report, report, gate={"metrics": {"length": {"max": 30}}}))
    assert (metric.verdict, metric.gating) == (Verdict.PASS, True)


@pytest.mark.parametrize("end", ["min", "max"])
def test_compare__bound_stays_within_the_range_of_the_metric(end) -> None:
    scores = [4.9] * 30 + [4.5] * 10
    report = make_report(
        {"grade": scores}, kinds={"grade": MetricKind.BOUNDED}, ranges={"grade": (1.0, 5.0)}
    )
    gate = {"metrics": {"grade": {end: 4.5, "rule": "bound"}}}
    bound = only(judge(report, report, gate=gate)).threshold["bound"]
    assert 4.5 < bound < 4.8 if end == "min" else 4.8 < bound <= 5.0


def test_compare__cached_rows_say_nothing_of_times() -> None:
    times = [100.0 + i for i in range(40)]
    late = [None if i < 20 else 500.0 for i in range(40)]
    comparison = judge(
        make_report({"latency_ms": times}),
        make_report({"latency_ms": late}, cached=range(20)),
        gate={"metrics": {"latency_ms": {"max": 200}}},
    )
    metric = only(comparison)
    assert (metric.n, metric.missing, metric.baseline) == (20, (0, 0), 129.5)
    assert metric.threshold["value"] == 500.0


def test_compare__all_times_cached_is_no_error() -> None:
    comparison = judge(
        make_report({"latency_ms": [100.0] * 40}),
        make_report({"latency_ms": [None] * 40}, cached=range(40)),
        gate={"metrics": {"latency_ms": {"max": 200}}},
    )
    assert reason_of(comparison, "latency_ms") == (Verdict.INCONCLUSIVE, "few_times")
    assert "have no time" in comparison.metrics["latency_ms"].sentence


# the whole and its exit code


@pytest.mark.parametrize(
    ("scores", "gate", "verdict", "code"),
    [
        ((SAME, SAME), {}, "pass", 0),
        (BETTER, {}, "improved", 0),
        (WORSE, {}, "regression", 1),
        (NOISY, {}, "inconclusive", 0),
        (NOISY, {"on_inconclusive": "pass"}, "inconclusive", 0),
        (NOISY, {"on_inconclusive": "fail"}, "inconclusive", 3),
        ((SAME, SAME[:40]), {}, "incomparable", 3),
        ((SAME, SAME[:40]), {"on_incomparable": "warn"}, "incomparable", 0),
        ((SAME, [None] * 60), {}, "error", 3),
        ((SAME, [None] * 60), {"on_incomparable": "warn"}, "error", 3),
    ],
)
def test_compare__exit_code_follows_verdict_and_policy(scores, gate, verdict, code) -> None:
    comparison = judge(*(make_report({"exact_match": column}) for column in scores), gate=gate)
    assert (comparison.verdict, comparison.exit_code) == (Verdict(verdict), code)
    assert comparison.passed == (code == 0)


@pytest.mark.parametrize(
    ("gate", "verdict", "code"),
    [
        ({}, "incomparable", 0),
        ({"on_missing_baseline": "pass"}, "incomparable", 0),
        ({"on_missing_baseline": "fail"}, "incomparable", 3),
        ({"metrics": {"exact_match": {"min": 0.5}}}, "incomparable", 0),
        ({"metrics": {"exact_match": {"min": 0.9}}}, "regression", 1),
        ({"metrics": {"exact_match": {"min": 0.79, "rule": "bound"}}}, "incomparable", 0),
        (
            {"metrics": {"exact_match": {"min": 0.79, "rule": "bound"}}, "on_inconclusive": "fail"},
            "incomparable",
            3,
        ),
        ({"metrics": {}, "on_missing_baseline": "fail"}, "incomparable", 3),
    ],
)
def test_compare__without_baseline_thresholds_are_still_judged(gate, verdict, code) -> None:
    comparison = judge(None, make_report({"exact_match": [1] * 160 + [0] * 40}), gate=gate)
    assert (comparison.verdict, comparison.exit_code) == (Verdict(verdict), code)
    assert comparison.reasons[0].code == "no_baseline"
    assert comparison.pairing.paired == 0


def test_compare__new_metric_warns_and_lets_the_rest_decide() -> None:
    comparison = judge(
        make_report({"exact_match": SAME}), make_report({"exact_match": SAME, "new": SAME})
    )
    assert (comparison.verdict, comparison.exit_code) == (Verdict.INCOMPARABLE, 0)
    assert [reason.code for reason in comparison.reasons] == ["metric_missing_baseline"]


@pytest.mark.parametrize("policy", [Policy.WARN, Policy.FAIL])
def test_compare__another_suite_is_incomparable(policy) -> None:
    comparison = judge(
        make_report({"exact_match": SAME}, suite="faq"),
        make_report({"exact_match": SAME}),
        gate={"on_incomparable": policy},
    )
    assert reason_of(comparison) == (Verdict.INCOMPARABLE, "other_suite")
    assert comparison.exit_code == (3 if policy is Policy.FAIL else 0)
    assert "another suite (faq, not support-qa)" in comparison.sentence


def test_compare__the_worst_metric_decides_and_stands_first() -> None:
    columns = {
        "calm": EVEN,
        "noisy": flips(worse=16, better=12, n=200),
        "bad": flips(worse=20, better=2, n=200),
    }
    comparison = judge(
        *(make_report({key: pair[i] for key, pair in columns.items()}) for i in (0, 1))
    )
    assert list(comparison.metrics) == ["bad", "noisy", "calm"]
    assert comparison.verdict is Verdict.REGRESSION
    assert comparison.sentence == comparison.metrics["bad"].sentence


def test_compare__of_one_verdict_metrics_without_p_stand_first_in_their_order() -> None:
    worse = flips(worse=20, better=2, n=200)
    low = [1] * 100 + [0] * 100
    comparison = judge(
        make_report({"bad": worse[0]}),
        make_report({"bad": worse[1], "new": low, "newer": low}),
        gate={"metrics": {"bad": {}, "newer": {"min": 0.9}, "new": {"min": 0.9}}},
    )
    assert {m.verdict for m in comparison.metrics.values()} == {Verdict.REGRESSION}
    assert [m.p_worse is None for m in comparison.metrics.values()] == [True, True, False]
    assert list(comparison.metrics) == ["newer", "new", "bad"]
    assert comparison.sentence.startswith("newer: 50.0% is below the minimum")


def test_compare__error_outranks_regression() -> None:
    comparison = judge(
        make_report({"a": WORSE[0], "b": [1] * 160}),
        make_report({"a": WORSE[1], "b": [None] * 160}),
    )
    assert (comparison.verdict, comparison.exit_code) == (Verdict.ERROR, 3)
    assert comparison.metrics["a"].verdict is Verdict.REGRESSION


def test_compare__refuses_a_gate_that_no_report_fits() -> None:
    report = make_report({"exact_match": SAME, "latency_ms": [1.0] * 60})
    gate = {
        "metrics": {
            "exact_mach": {},
            "exact_match": {"max_increase": 0.1, "statistic": "p95"},
            "latency_ms": {"margin": 0.1},
        }
    }
    with pytest.raises(ConfigError) as raised:
        judge(report, report, gate=gate)
    assert [str(problem.where).strip() for problem in raised.value.problems] == [
        "gate.metrics.exact_mach",
        "gate.metrics.exact_match.max_increase",
        "gate.metrics.exact_match.statistic",
        "gate.metrics.latency_ms.margin",
    ]
    assert 'did you mean "exact_match"?' in raised.value.problems[0].what
