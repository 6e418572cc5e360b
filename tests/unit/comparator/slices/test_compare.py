"""Where it got worse: slices are compared as the whole is, tested together, and decide nothing."""

import random
from dataclasses import replace

import pytest
from comparing import flips, judge
from factories import make_report

from lm_eval_so.comparator.slices.compare import FALSE_SHARE
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.stats.multiple import benjamini_hochberg

N = 200
REFUND = [["refund"] if i < 40 else ["shipping"] for i in range(N)]
SCORES = [0.3 + 0.004 * (i % 100) for i in range(N)]


def compared(before, now, *, gate=None, language=Language.EN, **made):
    reports = (make_report(side, **made) for side in (before, now))
    return judge(*reports, gate=gate, language=language)


def fallen(values, members, by=1.0):
    return [v - by if i in members else v for i, v in enumerate(values)]


def dropped(language=Language.EN, **made):
    """12 of the 40 samples about refunds go wrong, and nothing else changes."""
    now = fallen([1.0] * N, range(12))
    given = {"tags": REFUND, **made}
    return compared({"m": [1.0] * N}, {"m": now}, language=language, **given)


def found(comparison, value, metric="m"):
    (each,) = (s for s in comparison.slices if (s.value, s.metric) == (value, metric))
    return each


def test_slices__tell_where_it_got_worse() -> None:
    refund = found(dropped(), "refund")
    assert (refund.by, refund.n, refund.baseline, refund.candidate) == ("tag", 40, 1.0, 0.7)
    assert refund.delta == pytest.approx(-0.3)
    assert (refund.change, refund.proven, refund.small) == ("worse", True, False)
    assert refund.ci90[0] < -0.3 < refund.ci90[1] < 0


@pytest.mark.parametrize(
    "kind",
    [
        "binary",
        "bounded",
        "groups",
        "missing",
        "unbounded",
        "lower",
        "these",
        "these, scores",
        "these, missing",
    ],
)
def test_slices__are_measured_as_a_comparison_of_their_samples_alone(kind) -> None:
    rng = random.Random(3)
    before = [float(rng.random() < 0.8) for _ in range(N)] if kind == "binary" else SCORES
    now = [1 - v if rng.random() < 0.2 else v for v in before]
    if kind == "missing":
        now = [None if i in {3, 50} else v for i, v in enumerate(now)]
    made = {"groups": [f"g{i // 2}" for i in range(N)]} if kind == "groups" else {}
    if kind == "unbounded":
        made["kinds"] = {"m": MetricKind.UNBOUNDED}
    if kind == "lower":
        made["directions"] = {"m": Direction.LOWER}
    gate = {"metrics": {"m": {"margin": 0.05}}}
    if kind.startswith("these"):
        gate["claim"] = "these"
        if kind != "these, scores":
            before = [round(v) for v in SCORES]
        before, now = ([[v, abs(v - (rng.random() < 0.2))] for v in before] for _ in range(2))
        now[3] = [now[3][0], None] if kind == "these, missing" else now[3]
    whole = compared({"m": before}, {"m": now}, gate=gate, tags=REFUND, **made)
    if "groups" in made:
        made["groups"] = made["groups"][:40]
    alone = compared({"m": before[:40]}, {"m": now[:40]}, gate=gate, **made).metrics["m"]
    part = found(whole, "refund")
    assert part.n == alone.n
    assert alone.method.startswith("these") == kind.startswith("these")
    means = (alone.baseline, alone.candidate)
    assert (part.baseline, part.candidate) == pytest.approx(means, rel=1e-12)
    assert part.delta == pytest.approx(alone.delta)
    assert part.ci90 == pytest.approx(alone.ci90)
    if part.change == "worse":
        assert part.p_raw >= alone.p_raw * (1 - 1e-9)


def test_slices__of_a_ratio_that_gates_are_factors() -> None:
    times = [100.0 + 7 * (i % 13) for i in range(N)]
    now = [2 * v if i < 40 else v for i, v in enumerate(times)]
    made = {"tags": REFUND}
    gate = {"metrics": {"latency_ms": {}}}
    gating = compared({"latency_ms": times}, {"latency_ms": now}, gate=gate, **made)
    refund = found(gating, "refund", "latency_ms")
    assert (refund.delta, refund.change, refund.proven) == (pytest.approx(2), "worse", True)
    assert compared({"latency_ms": times}, {"latency_ms": now}, **made).slices == ()


def test_slices__of_reported_metrics_are_shown_where_their_values_have_bounds() -> None:
    told = compared({"m": SCORES}, {"m": SCORES}, gate={"metrics": {}}, tags=REFUND)
    assert {each.metric for each in told.slices} == {"m"}
    assert not told.metrics["m"].gating


def test_slices__under_ten_samples_are_shown_and_not_tested() -> None:
    tags = [["few"] if i < 9 else ["many"] if i < 100 else [] for i in range(N)]
    told = dropped(tags=tags)
    few = found(told, "few")
    assert (few.n, few.small, few.proven, few.candidate) == (9, True, False, 0.0)
    assert (few.ci90, few.change, few.p_raw, few.p_adjusted) == (None, None, None, None)
    assert told.slices_tested == 2  # many and (none)
    assert told.slices[-1] == few


def test_slices__under_ten_groups_are_small_as_well() -> None:
    groups = [f"g{i // 5}" for i in range(N)]
    assert found(dropped(groups=groups), "refund").small  # 40 samples, 8 groups
    assert not found(dropped(groups=groups), "shipping").small


def test_slices__that_hold_all_samples_are_left_out() -> None:
    labels = {"product": ["shoes"] * N, "difficulty": ["easy", "hard"] * 100}
    told = dropped(tags=[["all", *each] for each in REFUND], languages=["ko"] * N, labels=labels)
    assert {(each.by, each.value) for each in told.slices} == {
        ("tag", "refund"),
        ("tag", "shipping"),
        ("difficulty", "easy"),
        ("difficulty", "hard"),
    }


def test_slices__samples_without_a_label_are_one_too() -> None:
    told = dropped(tags=[["refund"] if i < 40 else [] for i in range(N)])
    assert {each.value for each in told.slices} == {"refund", "(none)"}


def test_slices__beyond_thirty_values_the_rest_is_one() -> None:
    tags = [[f"t{i % 50:02}"] for i in range(1000)]
    column = [1.0] * 1000
    told = compared({"m": column}, {"m": column}, tags=tags)
    values = {each.value for each in told.slices}
    assert len(values) == 31
    assert found(told, "(other)").n == 400


def test_slices__at_most_fifty_are_kept_and_all_are_counted() -> None:
    column = [1.0] * 600
    tags = [[f"t{i % 30}"] for i in range(600)]
    told = compared({"a": column, "b": column}, {"a": column, "b": column}, tags=tags)
    assert (len(told.slices), told.slices_tested) == (50, 60)


def test_slices__are_adjusted_together_over_metrics_and_both_ways() -> None:
    rng = random.Random(5)
    before = {key: [float(rng.random() < 0.8) for _ in range(N)] for key in "ab"}
    now = {k: [1 - v if rng.random() < 0.1 else v for v in c] for k, c in before.items()}
    told = compared(before, now, tags=REFUND, languages=["ko", "en"] * 100)
    assert len(told.slices) == 8
    other = [1 - each.p_raw for each in told.slices]  # of right or wrong, both add up to 1
    adjusted = benjamini_hochberg([each.p_raw for each in told.slices] + other)
    assert [each.p_adjusted for each in told.slices] == pytest.approx(adjusted[:8])
    assert all(each.proven == (each.p_adjusted <= FALSE_SHARE) for each in told.slices)


def test_slices__are_ranked_by_evidence_not_by_size() -> None:
    tags = [["big"] if i < 100 else ["sure"] if i < 130 else ["few"] for i in range(N)]
    tags[139:] = [["rest"]] * (N - 139)  # few has nine
    now = fallen([1.0] * N, {*range(5), *range(100, 125), *range(130, 139)})
    order = [each.value for each in compared({"m": [1.0] * N}, {"m": now}, tags=tags).slices]
    assert order == ["sure", "big", "rest", "few"]


def test_slices__never_change_the_verdict() -> None:
    with_tags, without = dropped(), dropped(tags=None)
    assert without.slices == ()
    for key in ("verdict", "exit_code", "passed", "reasons"):
        assert getattr(with_tags, key) == getattr(without, key)
    worded = {"sentence": "", "sentence_in": {}}
    plain = {**vars_of(with_tags.metrics["m"]), **worded}
    assert plain == {**vars_of(without.metrics["m"]), **worded}


def vars_of(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (Language.EN, "Worst in tag refund: 100.0% → 70.0% (n 40)."),
        (Language.KO, "가장 나빠진 슬라이스: 태그 refund 100.0% → 70.0% (케이스 40개)."),
    ],
)
def test_slices__proven_ones_are_named_in_both_sentences(language, text) -> None:
    told = dropped(language)
    assert text in told.metrics["m"].sentence
    assert told.sentence.count(text) == 1


@pytest.mark.parametrize(
    "tag", ["</details><h1>@team", "a\nb\x1b[31m\u202e", "{metric}", "가" * 500]
)
def test_slices__hostile_values_stay_one_short_line(tag) -> None:
    sentence = dropped(tags=[[tag] if i < 40 else ["x"] for i in range(N)]).sentence
    assert sentence.isprintable()
    assert len(sentence) < 600


def test_slices__nothing_is_named_where_nothing_is_proven() -> None:
    before, now = flips(worse=6, better=6, n=N)
    told = compared({"m": before}, {"m": now}, tags=[[f"t{i % 4}"] for i in range(N)])
    assert not any(each.proven for each in told.slices)
    assert "Worst" not in told.sentence


def test_slices__labels_of_the_baseline_serve_where_the_candidate_has_none() -> None:
    before, now = {"m": [1.0] * N}, {"m": fallen([1.0] * N, range(12))}
    other = [["other"]] * N
    both = judge(make_report(before, tags=other), make_report(now, tags=REFUND))
    old_only = judge(make_report(before, tags=REFUND), make_report(now))
    assert both.slices == old_only.slices != ()


def test_slices__samples_in_another_order_are_found_by_id() -> None:
    before, now = {"m": [1.0] * N}, {"m": fallen([1.0] * N, range(12))[::-1]}
    ids = [f"s{i}" for i in range(N)]
    told = judge(make_report(before), make_report(now, ids=ids[::-1], tags=REFUND[::-1]))
    assert told.slices == dropped().slices


def test_slices__repeats_are_averaged_first() -> None:
    now = [[0, 0, 1] if i < 12 else [1, 1, 1] for i in range(N)]
    told = compared({"m": [[1, 1, 1]] * N}, {"m": now}, tags=REFUND)
    assert found(told, "refund").n == 40
    assert found(told, "refund").candidate == pytest.approx(0.8)


def test_slices__incomparable_metrics_have_none() -> None:
    before = make_report({"m": [1.0] * N}, tags=REFUND)
    now = make_report({"m": [1.0] * N}, tags=REFUND, definitions={"m": {"version": 2}})
    assert judge(before, now).slices == ()
    assert judge(None, now).slices == ()


def test_changed__cases_of_proven_slices_come_first_then_the_largest_drop() -> None:
    # graded scores: refunds fall by 0.2 each and are proven, a few others fall by far more
    now = fallen([0.9] * N, range(30), by=0.2)
    now = [0.1 if i in {90, 91} else v for i, v in enumerate(now)]
    now[150] = 1.0
    told = compared({"m": [0.9] * N}, {"m": now}, tags=REFUND)
    assert found(told, "refund").proven
    assert [case.sample_id for case in told.changed] == [
        *(f"s{i}" for i in range(30)),
        "s90",
        "s91",
        "s150",
    ]
    assert told.changed_samples == (32, 1)


def test_changed__keeps_ten_thousand_of_each_and_counts_all() -> None:
    before, now = [1.0] * 15_000 + [0.0] * 12_000, [0.0] * 15_000 + [1.0] * 12_000
    told = compared({"m": before}, {"m": now})
    changes = [case.change for case in told.changed]
    assert (changes.count("worse"), changes.count("better")) == (2_000, 2_000)
    assert told.changed_samples == (15_000, 12_000)


def test_simulation__with_nothing_changed_hardly_any_comparison_names_a_slice() -> None:
    rng = random.Random(7)
    named = sum(
        any(each.proven for each in unchanged(rng, kind).slices)
        for kind in (MetricKind.BINARY, MetricKind.BOUNDED)
        for _ in range(100)
    )
    assert named / 200 <= FALSE_SHARE


def test_simulation__a_drop_of_a_quarter_in_a_fifth_of_the_samples_is_mostly_found() -> None:
    rng = random.Random(11)
    hits = 0
    for _ in range(100):
        before, now = flipping(rng)
        for i in range(40):
            if now[i] and rng.random() < 0.25 / 0.8:
                now[i] = 0.0
        tags = [["refund"] if i < 40 else [f"t{i % 4}"] for i in range(N)]
        hits += "Worst in tag refund" in compared({"m": before}, {"m": now}, tags=tags).sentence
    assert hits >= 60


def unchanged(rng, kind):
    """Compare two runs of the same chatbot: three metrics, 13 slices."""
    pairs = [flipping(rng) if kind is MetricKind.BINARY else moving(rng) for _ in range(3)]
    before, now = ({str(i): pair[side] for i, pair in enumerate(pairs)} for side in (0, 1))
    return compared(
        before,
        now,
        kinds=dict.fromkeys(before, kind),
        tags=[[f"t{rng.randrange(8)}"] for _ in range(N)],
        languages=[rng.choice(["ko", "en"]) for _ in range(N)],
        labels={"length": [rng.choice(["≤ 50", "51–200", "> 200"]) for _ in range(N)]},
    )


def flipping(rng):
    """80 % right, 5 % of the samples flip each way."""
    before = [float(rng.random() < 0.8) for _ in range(N)]
    chances = {1.0: 0.05 / 0.8, 0.0: 0.05 / 0.2}
    return before, [1 - v if rng.random() < chances[v] else v for v in before]


def moving(rng):
    """Half of the scores move by a standard deviation of 0.2."""
    before = [rng.random() for _ in range(N)]
    moved = [v if rng.random() < 0.5 else v + rng.gauss(0, 0.2) for v in before]
    return before, [min(1.0, max(0.0, v)) for v in moved]


def test_slices__verdict_without_pairs_is_untouched() -> None:
    report = make_report({"m": [1.0] * N}, tags=REFUND)
    told = judge(report, replace(report, samples=replace(report.samples, tags=None)))
    assert told.verdict is Verdict.PASS
