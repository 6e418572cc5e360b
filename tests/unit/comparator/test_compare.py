"""What a comparison tells beside its verdicts: pairing, changed cases, differences, needs."""

import json

import pytest
from comparing import NOW, flips, judge, only
from factories import make_report

from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Direction, MetricKind, ScoreStatus, Verdict
from lm_eval_so.core.records.report import Case
from lm_eval_so.core.records.score import Score


def test_compare__pairs_by_id_and_rev_in_any_order() -> None:
    ids = [f"질문-{i}" for i in range(60)]
    scores = [i % 3 and 1 for i in range(60)]
    comparison = judge(
        make_report({"exact_match": scores}, ids=ids),
        make_report({"exact_match": scores[::-1]}, ids=ids[::-1]),
    )
    metric = only(comparison)
    assert (metric.n, metric.worse, metric.better, metric.delta) == (60, 0, 0, 0.0)


def test_compare__counts_added_removed_and_changed_samples() -> None:
    before = make_report({"m": [1] * 4}, ids=["a", "b", "c", "d"], revs=["1", "1", "1", "1"])
    now = make_report({"m": [1] * 4}, ids=["e", "d", "c", "a"], revs=["1", "2", "1", "1"])
    pairing = judge(before, now).pairing
    assert (pairing.paired, pairing.added, pairing.removed, pairing.changed) == (
        2,
        ("e",),
        ("b",),
        ("d",),
    )


def test_compare__a_decomposed_id_is_another_id() -> None:
    comparison = judge(
        make_report({"m": [1]}, ids=["가"]), make_report({"m": [1]}, ids=["\u1100\u1161"])
    )
    assert comparison.metrics["m"].reason == "overlap"


def test_compare__samples_that_a_metric_does_not_apply_to_are_not_its_own() -> None:
    column = [1] * 60 + [None] * 40
    report = make_report(
        {"exact_match": [1] * 100, "regex": column}, not_applicable={"regex": range(60, 100)}
    )
    comparison = judge(report, report)
    metric = comparison.metrics["regex"]
    assert (metric.n, metric.missing, metric.verdict) == (60, (0, 0), Verdict.PASS)
    assert comparison.metrics["exact_match"].n == 100


def test_compare__not_applicable_rows_of_a_sample_are_left_out_of_its_mean() -> None:
    scores = [[0.5, None]] * 100
    before = make_report({"f1": scores}, not_applicable={"f1": range(1, 200, 2)})
    metric = only(judge(before, before))
    assert (metric.missing, metric.kind, metric.baseline) == ((0, 0), MetricKind.BOUNDED, 0.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, 1.01, -0.01])
def test_compare__what_is_no_score_is_missing(value) -> None:
    shape = {"kinds": {"f1": MetricKind.BOUNDED}}
    before = make_report({"f1": [0.5] * 100}, **shape)
    now = make_report({"f1": [0.5] * 99 + [value]}, **shape)
    metric = only(judge(before, now))
    assert metric.missing == (0, 1)
    assert ("out_of_range" in [w.code for w in metric.warnings]) == (value in {1.01, -0.01})


def test_compare__rounding_over_the_edge_is_no_missing_score() -> None:
    shape = {"kinds": {"f1": MetricKind.BOUNDED}}
    before = make_report({"f1": [1.0] * 100}, **shape)
    now = make_report({"f1": [1.0 + 5e-10] * 100}, **shape)
    metric = only(judge(before, now))
    assert (metric.missing, metric.delta, metric.candidate) == ((0, 0), 0.0, 1.0)


def test_compare__missing_scores_widen_the_interval_on_the_side_they_can_hurt() -> None:
    whole = only(judge(*[make_report({"m": [1] * 200})] * 2)).ci90
    holes = only(
        judge(make_report({"m": [1] * 200}), make_report({"m": [1] * 197 + [None] * 3}))
    ).ci90
    assert holes[0] < whole[0]
    assert holes[1] == whole[1]


def test_compare__missing_scores_hurt_the_same_where_less_is_better() -> None:
    pairs = [
        judge(
            make_report({"m": [good] * 199 + [None]}, directions={"m": direction}),
            make_report({"m": [good] * 197 + [None] * 3}, directions={"m": direction}),
        ).metrics["m"]
        for good, direction in ((1, Direction.HIGHER), (0, Direction.LOWER))
    ]
    assert pairs[0].ci90 == pytest.approx(pairs[1].ci90)
    assert pairs[0].p_raw == pytest.approx(pairs[1].p_raw)


@pytest.mark.parametrize("direction", Direction)
def test_compare__changed_cases_come_worst_first_with_both_answers(direction) -> None:
    before = [0.5] * 60
    now = [0.5, 0.1, 0.9, 0.4] + [0.5] * 56
    texts = {"inputs": [f"질문 {i}" for i in range(60)], "expected": ["3일"] * 60}
    shape = {"directions": {"f1": direction}, "kinds": {"f1": MetricKind.BOUNDED}}
    comparison = judge(
        make_report({"f1": before}, answers=[f"before {i}" for i in range(60)], **shape, **texts),
        make_report({"f1": now}, answers=[f"now {i}" for i in range(60)], **shape, **texts),
    )
    told = [(case.sample_id, case.change) for case in comparison.changed]
    if direction is Direction.HIGHER:
        assert told == [("s1", "worse"), ("s3", "worse"), ("s2", "better")]
    else:
        assert told == [("s2", "worse"), ("s1", "better"), ("s3", "better")]
    case = next(case for case in comparison.changed if case.sample_id == "s1")
    assert (case.baseline, case.candidate, case.input) == (0.5, 0.1, "질문 1")
    assert (case.baseline_answer, case.candidate_answer, case.expected) == (
        "before 1",
        "now 1",
        "3일",
    )


def test_compare__largest_drop_is_told_by_the_share_of_the_range() -> None:
    shape = {
        "kinds": {"f1": MetricKind.BOUNDED, "grade": MetricKind.BOUNDED},
        "ranges": {"grade": (0.0, 100.0)},
    }
    before = make_report({"f1": [0.9] * 60, "grade": [90.0] * 60}, **shape)
    now = make_report({"f1": [0.4] + [0.9] * 59, "grade": [90.0, 80.0] + [90.0] * 58}, **shape)
    changed = judge(before, now).changed
    assert [(case.metric, case.sample_id) for case in changed] == [("f1", "s0"), ("grade", "s1")]


def test_compare__of_repeats_the_answer_that_shows_the_change_is_told() -> None:
    before, now = [[1, 0, 1]] + [[1, 1, 1]] * 59, [[0, 1, 0]] + [[1, 1, 1]] * 59
    rows = [f"{i}.{repeat}" for i in range(60) for repeat in range(3)]
    comparison = judge(
        make_report({"m": before}, answers=[f"before {row}" for row in rows]),
        make_report({"m": now}, answers=[f"now {row}" for row in rows]),
    )
    (case,) = comparison.changed
    assert (case.baseline, case.candidate) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (case.baseline_answer, case.candidate_answer) == ("before 0.0", "now 0.0")


def test_compare__changed_cases_carry_the_reason_of_the_score() -> None:
    score = Score(
        metric="m", sample_id="s0", status=ScoreStatus.SCORED, value=0.0, reason="틀린 날짜"
    )
    error = Case(
        sample_id="s0",
        repeat=0,
        kind="quality",
        status="ok",
        input="",
        expected=None,
        answer=None,
        reason="",
        scores=(score,),
    )
    columns = flips(worse=1, better=0, n=60)
    comparison = judge(
        make_report({"m": columns[0]}), make_report({"m": columns[1]}, errors=[error])
    )
    assert [case.reason for case in comparison.changed] == ["틀린 날짜"]


def test_compare__digests_are_no_answers() -> None:
    columns = flips(worse=1, better=0, n=60)
    hashed = {"evaluator_config": {"report": {"answers": "hash"}}, "answers": ["0" * 64] * 60}
    comparison = judge(
        make_report({"m": columns[0]}, **hashed), make_report({"m": columns[1]}, answers=["x"] * 60)
    )
    (case,) = comparison.changed
    assert (case.baseline_answer, case.candidate_answer) == (None, "x")


def test_compare__changed_cases_are_those_of_gating_scores() -> None:
    columns = flips(worse=1, better=0, n=60)
    made = [
        make_report({"m": c, "other": c, "latency_ms": [9.0 + i] * 60})
        for i, c in enumerate(columns)
    ]
    gate = {"metrics": {"m": {}, "latency_ms": {}}}
    assert [case.metric for case in judge(*made, gate=gate).changed] == ["m"]


def test_compare__names_what_differs_in_the_thing_under_test() -> None:
    before = make_report({"m": [1] * 60}, params={"temperature": 0, "top_p": 1}, system="짧게")
    now = make_report(
        {"m": [1] * 60},
        model="gpt-4.1",
        params={"temperature": 0.2, "top_p": 1, "seed": 7},
        system="아주 " * 60,
        dataset_version="1.1.0",
    )
    assert judge(before, now).differences == (
        "model: gpt-4.1-mini → gpt-4.1",
        "params.seed: – → 7",
        "params.temperature: 0 → 0.2",
        f"system: 짧게 → “{'아주 ' * 20}…” (180 chars, ddb10c9f)",
        "dataset.version: 1.0.0 → 1.1.0",
    )
    assert judge(now, now).differences == ()


def test_compare__tells_what_would_settle_it_and_what_that_costs() -> None:
    columns = flips(worse=8, better=6, n=100)
    metric = only(
        judge(make_report({"m": columns[0]}), make_report({"m": columns[1]}, bot_usd=0.5))
    )
    assert metric.needed_n == 376
    assert metric.needed_cost_usd == pytest.approx(376 * 0.5 / 100)
    assert metric.provable_margin == pytest.approx(1 - 0.0525**0.01)


def test_compare__needed_samples_of_groups_are_samples() -> None:
    labels = [f"g{i // 5}" for i in range(100)]
    columns = flips(worse=6, better=5, n=100)
    metric = only(judge(*(make_report({"m": c}, groups=labels) for c in columns)))
    assert metric.method == "cr1"
    assert metric.needed_n % 5 == 0
    assert metric.needed_n > 100


def test_compare__is_a_record_that_survives_its_file() -> None:
    columns = flips(worse=12, better=4, n=160)
    comparison = judge(*(make_report({"m": c, "latency_ms": [1.0] * 160}) for c in columns))
    assert loads(dumps(comparison), Comparison) == comparison
    assert comparison.compared_at == NOW
    assert json.loads(dumps(comparison))["verdict"] == "regression"


def test_compare__same_reports_same_bytes() -> None:
    columns = flips(worse=12, better=4, n=160)
    pair = [make_report({"m": c, "n": c[::-1]}) for c in columns]
    assert dumps(judge(*pair)) == dumps(judge(*pair))
