"""What must hold of the statistics whatever the data."""

import math
import random

import pytest
from comparing import judge
from factories import make_report
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.binary import (
    binomial_cdf,
    binomial_pmf,
    mcnemar_midp,
    rare_drop_bound,
    rules_out_rare_drop,
    tango_interval,
    wilson_interval,
)
from lm_eval_so.core.stats.bounded import hall_interval, mean_interval, smallest_p
from lm_eval_so.core.stats.distributions import betainc, t_cdf, t_quantile, t_sf
from lm_eval_so.core.stats.flip_chances import pass_chance
from lm_eval_so.core.stats.groups import grouped_interval, lay_out
from lm_eval_so.core.stats.multiple import holm
from lm_eval_so.core.stats.power import (
    needed_for_flips,
    needed_without_change,
    needed_without_change_t,
    needed_without_flips,
    provable_margin,
    provable_margin_exact,
    provable_margin_t,
)
from lm_eval_so.core.stats.ratios import ratio_of_means, ratio_of_percentiles

counts = st.integers(0, 60)
shares = st.floats(0, 1, allow_nan=False)
changes = st.lists(st.floats(-1, 1), min_size=2, max_size=60)
positives = st.lists(st.floats(0.01, 1e4), min_size=3, max_size=60)


@given(x=counts, rest=counts, level=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_interval__holds_the_share_and_mirrors(x, rest, level) -> None:
    n = x + rest or 1
    low, high = wilson_interval(min(x, n), n, level=level)
    assert 0 <= low <= min(x, n) / n <= high <= 1
    mirrored = wilson_interval(n - min(x, n), n, level=level)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@given(w=counts, g=counts, rest=counts)
def test_tango_interval__holds_the_change_and_mirrors(w, g, rest) -> None:
    n = w + g + rest or 1
    low, high = tango_interval(w, g, n)
    assert -1 <= low <= (g - w) / n <= high <= 1
    assert tango_interval(g, w, n) == pytest.approx((-high, -low), abs=1e-11)


@given(w=counts, g=counts, rest=st.integers(1, 60))
def test_tango_interval__one_more_sample_that_got_worse_lowers_it(w, g, rest) -> None:
    n = w + g + rest
    before, after = tango_interval(w, g, n), tango_interval(w + 1, g, n)
    assert after[0] <= before[0] + 1e-11
    assert after[1] <= before[1] + 1e-11


@given(w=counts, g=counts, rest=st.integers(1, 60))
def test_rare_drop_bound__is_the_margin_from_which_on_the_guard_lets_pass(w, g, rest) -> None:
    n = w + g + rest
    bound = rare_drop_bound(w, g, n)
    assert max(w - g, 0) / n < bound <= 1
    assert rules_out_rare_drop(w, g, n, margin=min(1.0, bound + 1e-9))
    assert not rules_out_rare_drop(w, g, n, margin=bound - 1e-9)


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1, 0.2])
def test_pass__a_rare_total_failure_of_the_margin_seldom_passes(margin) -> None:
    """A share of the answers goes wrong for good, and nothing else flips: exact, from 5 to 200."""
    for n in range(5, 201):
        passing = 0.0
        for lost in range(n):
            low = tango_interval(lost, 0, n)[0]
            if low <= -margin:
                break
            if rules_out_rare_drop(lost, 0, n, margin=margin):
                passing = binomial_cdf(lost, n, margin)
        assert passing <= 0.0525


@given(st.lists(st.integers(1, 40), min_size=2, max_size=30))
def test_effective_units__are_at_most_the_groups_and_all_of_them_if_equal(sizes) -> None:
    labels = [group for group, size in enumerate(sizes) for _ in range(size)]
    layout = lay_out(range(len(labels)), labels)
    assert 1 <= layout.effective_units <= len(sizes)
    assert (layout.effective_units == len(sizes)) is (len(set(sizes)) == 1)


def test_pass__a_drop_in_groups_of_unequal_size_seldom_passes() -> None:
    """Zipf sizes, all samples of a group change together, a true drop of the margin, 400 runs."""
    dice = random.Random(20261130)
    sizes = [round(60 / rank) for rank in range(1, 41)]
    labels = [group for group, size in enumerate(sizes) for _ in range(size)]
    passes = 0
    for _ in range(400):
        drawn = [dice.choice((-1.0, -1.0, 1.0, *[0.0] * 17)) for _ in sizes]
        changes = [change for change, size in zip(drawn, sizes, strict=True) for _ in range(size)]
        passes += grouped_interval(changes, labels, width=1.0).low > -0.05
    assert passes <= 0.05 * 400


@given(w=counts, g=counts)
def test_mcnemar_midp__mirrors_and_falls_with_every_loss(w, g) -> None:
    assert mcnemar_midp(w, g) + mcnemar_midp(g, w) == pytest.approx(1)
    assert mcnemar_midp(w + 1, g) < mcnemar_midp(w, g) + 1e-15
    assert mcnemar_midp(w, 0) == pytest.approx(smallest_p(w))


@given(changes)
def test_hall_interval__holds_the_mean_within_the_width(values) -> None:
    found = hall_interval(values, width=1.0)
    slack = 1e-9
    assert -1 <= found.low <= max(found.value, -1) + slack
    assert min(found.value, 1) - slack <= found.high <= 1
    assert 0 <= found.p_worse <= 1


@given(changes, st.floats(1e-3, 1e3))
def test_hall_interval__of_open_scores_mirrors_and_scales(values, factor) -> None:
    found = hall_interval(values, width=None)
    mirrored = hall_interval([-value for value in values], width=None)
    scaled = hall_interval([factor * value for value in values], width=None)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    assert scaled.low == pytest.approx(factor * found.low, rel=1e-6, abs=1e-9 * factor)


@given(changes, st.randoms(use_true_random=False))
def test_intervals__do_not_depend_on_the_order(values, chance) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)
    assert hall_interval(shuffled, width=1.0).low == pytest.approx(
        hall_interval(values, width=1.0).low, abs=1e-12
    )


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=40))
def test_grouped_interval__of_samples_that_stand_alone_has_the_usual_error(values) -> None:
    alone = grouped_interval(values, range(len(values)), width=1.0)
    assert alone.se == pytest.approx(hall_interval(values, width=1.0).se, abs=1e-9)
    assert alone.low <= alone.value + 1e-12
    assert alone.high >= alone.value - 1e-12


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=60), st.sampled_from([1e-200, 1e200]))
def test_grouped_interval__of_very_large_and_very_small_scores_is_the_same(values, unit) -> None:
    groups = [place // 2 for place in range(len(values))]
    values = [round(value, 3) for value in values]
    usual = grouped_interval(values, groups, width=None)
    found = grouped_interval([value * unit for value in values], groups, width=None)
    assert found.low == pytest.approx(usual.low * unit, rel=1e-6, abs=1e-9 * unit)
    assert found.p_worse == pytest.approx(usual.p_worse, abs=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=40))
def test_grouped_interval__copies_of_a_sample_prove_nothing_more(values) -> None:
    alone = grouped_interval(values, range(len(values)), width=1.0)
    copied = grouped_interval(values * 3, [*range(len(values))] * 3, width=1.0)
    assert copied.low == pytest.approx(alone.low, abs=1e-9)
    assert copied.p_worse == pytest.approx(alone.p_worse, abs=1e-6)


@given(positives, st.floats(0.1, 10))
def test_ratio_of_means__of_a_constant_factor_is_that_factor(values, factor) -> None:
    found = ratio_of_means(values, [factor * value for value in values])
    assert (found.low, found.value, found.high) == pytest.approx((factor,) * 3, rel=1e-6)


@given(positives, positives)
def test_ratio_of_means__mirrors(one, other) -> None:
    n = min(len(one), len(other))
    found = ratio_of_means(one[:n], other[:n])
    mirrored = ratio_of_means(other[:n], one[:n])
    assert (mirrored.low, mirrored.high) == pytest.approx((1 / found.high, 1 / found.low), rel=1e-6)


@given(positives, positives, st.sampled_from([0.5, 0.95]))
def test_ratio_of_percentiles__holds_the_ratio(one, other, level) -> None:
    found = ratio_of_percentiles(one, other, level=level)
    assert found.low <= found.value * (1 + 1e-12)
    assert found.high >= found.value * (1 - 1e-12)
    assert 0 <= found.p_worse <= 1


@given(st.lists(shares, max_size=12))
def test_holm__never_makes_smaller_and_keeps_the_order(ps) -> None:
    adjusted = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    ranked = [q for _, q in sorted(zip(ps, adjusted, strict=True))]
    assert ranked == sorted(ranked)
    assert min(adjusted, default=0) == pytest.approx(min(1, len(ps) * min(ps, default=0)))


@given(st.floats(0.001, 0.999), st.integers(1, 5000))
def test_t_quantile__is_the_inverse_of_its_distribution(q, df) -> None:
    t = t_quantile(q, df)
    assert t_cdf(t, df) == pytest.approx(q, abs=1e-9)
    assert t_sf(t, df) == pytest.approx(1 - q, abs=1e-9)
    assert t_quantile(1 - q, df) == pytest.approx(-t, abs=1e-6)


@given(st.floats(0.5, 300), st.floats(0.5, 300), shares)
def test_betainc__mirrors(a, b, x) -> None:
    other = 1 - x  # which loses a very small x, and I(a, b) may rise like its root
    assert betainc(a, b, 1 - other) + betainc(b, a, other) == pytest.approx(1, abs=1e-9)


@given(st.floats(0.005, 0.5))
def test_needed_samples__are_the_fewest_that_prove_the_margin(margin) -> None:
    n = needed_without_change(margin)
    assert provable_margin(n) < margin <= provable_margin(n - 1) + 1e-12
    n = needed_without_change_t(margin)
    assert provable_margin_t(n) < margin
    assert n == 2 or provable_margin_t(n - 1) >= margin or n == needed_without_change(margin)
    n = needed_without_flips(margin)
    assert provable_margin_exact(n) <= margin + 1e-12
    assert n == needed_without_change(margin) or provable_margin_exact(n - 1) > margin
    assert needed_for_flips(0.0, margin) == n


@pytest.mark.parametrize(
    ("flips", "margin"),
    [
        (0.003, 0.05),
        (0.009, 0.054),
        (0.02, 0.05),
        (0.1, 0.05),
        (0.3, 0.1),
        (0.05, 0.03),
        (0.4, 0.2),
    ],
)
def test_needed_samples__are_the_fewest_with_the_power(flips, margin) -> None:
    needed = needed_for_flips(flips, margin)
    assert all(pass_chance(n, flips, margin) >= 0.8 for n in (needed, math.ceil(1.03 * needed)))
    for n in range(max(needed - 60, needed_without_flips(margin)), needed):
        chances = [pass_chance(size, flips, margin) for size in (n, math.ceil(1.03 * n))]
        assert min(chances) < 0.8


@pytest.mark.parametrize(
    ("n", "flips", "margin"), [(60, 0.1, 0.05), (90, 0.02, 0.05), (40, 0.6, 0.2)]
)
def test_pass_chance__is_the_sum_over_all_outcomes(n, flips, margin) -> None:
    total = sum(
        binomial_pmf(m, n, flips) * binomial_pmf(w, m, 0.5)
        for m in range(n + 1)
        for w in range(m + 1)
        if tango_interval(w, m - w, n)[0] > -margin
        and rules_out_rare_drop(w, m - w, n, margin=margin)
    )
    assert pass_chance(n, flips, margin) == pytest.approx(total, abs=1e-9)


@given(st.lists(shares, min_size=2, max_size=50))
def test_mean_interval__holds_the_mean_and_is_never_a_point(values) -> None:
    low, high = mean_interval(values, low=0.0, high=1.0)
    mean = math.fsum(values) / len(values)
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1
    assert low < high


@given(st.lists(st.none() | shares | st.sampled_from([0, 1]), min_size=1, max_size=60))
def test_compare__a_report_with_itself_never_fails_by_its_scores(column) -> None:
    report = make_report({"m": column})
    comparison = judge(report, report)
    assert comparison.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR}
    assert comparison.changed == ()


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([0, 1])), min_size=1))
def test_compare__both_ways_round_mirror(pairs) -> None:
    one, other = (make_report({"m": column}) for column in zip(*pairs, strict=True))
    there, back = judge(one, other).metrics["m"], judge(other, one).metrics["m"]
    assert back.ci90 == pytest.approx((-there.ci90[1], -there.ci90[0]), abs=1e-9)
    assert (back.worse, back.better) == (there.better, there.worse)
    assert not {there.verdict, back.verdict} <= {Verdict.REGRESSION}


# How often the gate errs: few runs with a fixed seed, so the limits are wide (5 % wanted; three
# standard errors of 600 runs are 2.7 %).

RUNS = 600
MOST = RUNS * (0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS))


def flip_counts(chance, n, worse, better):
    draws = [chance.random() for _ in range(n)]
    return sum(d < worse for d in draws), sum(worse <= d < worse + better for d in draws)


def test_binary__errs_about_one_time_in_twenty() -> None:
    chance = random.Random(7)
    same = [flip_counts(chance, 200, 0.05, 0.05) for _ in range(RUNS)]
    assert sum(mcnemar_midp(w, g) <= 0.05 for w, g in same) <= MOST
    worse = [flip_counts(chance, 200, 0.10, 0.05) for _ in range(RUNS)]
    assert sum(tango_interval(w, g, 200)[0] > -0.05 for w, g in worse) <= MOST
    assert sum(mcnemar_midp(w, g) <= 0.05 for w, g in worse) > RUNS / 2


def test_bounded__errs_about_one_time_in_twenty() -> None:
    chance = random.Random(7)

    def scores(mean):
        return [mean + (chance.gauss(0, 0.2) if chance.random() < 0.5 else 0) for _ in range(100)]

    same = [hall_interval(scores(0), width=1.0) for _ in range(RUNS)]
    assert sum(found.p_worse <= 0.05 for found in same) <= MOST
    assert sum(found.low > 0 for found in same) <= MOST
    assert sum(found.high < 0 for found in same) <= MOST
    worse = [hall_interval(scores(-0.06), width=1.0) for _ in range(RUNS)]
    assert sum(found.p_worse <= 0.05 for found in worse) > 0.9 * RUNS


def test_bounded__a_drop_of_few_total_failures_seldom_passes() -> None:
    """Changes as skewed as can be: one in 20 loses all, and a usual t interval misses it too often."""
    chance = random.Random(7)
    passes = {"gate": 0, "student": 0}
    for _ in range(RUNS):
        lost = sum(chance.random() < 0.05 for _ in range(80))
        changes = [-1.0] * lost + [0.0] * (80 - lost)
        mean, se = -lost / 80, math.sqrt(lost * (80 - lost) / 79) / 80
        passes["gate"] += hall_interval(changes, width=1.0).low > -0.05
        passes["student"] += mean - t_quantile(0.95, 79) * se > -0.05
    assert passes["gate"] <= MOST < passes["student"]


@given(
    st.lists(st.sampled_from([(1, 1)] * 12 + [(1, 0), (0, 1), (0, 0)]), min_size=60, max_size=200),
    st.sets(st.integers(0, 59), max_size=4),
    st.randoms(use_true_random=False),
)
def test_compare__a_pass_holds_whatever_the_lost_answers_would_have_been(pairs, lost, dice) -> None:
    before, now = map(list, zip(*pairs, strict=True))
    gate = {"metrics": {"m": {"margin": 0.15}}}
    baseline = make_report({"m": before})
    told = [None if place in lost else score for place, score in enumerate(now)]
    filled = [dice.choice((0, 1)) if score is None else score for score in told]
    with_gaps, whole = (judge(baseline, make_report({"m": s}), gate=gate) for s in (told, filled))
    good = {Verdict.PASS, Verdict.IMPROVED}
    assert with_gaps.verdict not in good or whole.verdict in good
    assert with_gaps.verdict is not Verdict.REGRESSION or whole.metrics["m"].p_raw <= 0.05


def test_groups__ignored_would_fail_far_more_often() -> None:
    chance = random.Random(7)
    labels = [group for group in range(60) for _ in range(5)]
    found = {"grouped": 0, "ignored": 0}
    for _ in range(RUNS):
        shifts = [chance.gauss(0, 0.1) for _ in range(60)]
        values = [shifts[group] + chance.gauss(0, 0.1) for group in labels]
        found["grouped"] += grouped_interval(values, labels, width=2.0).p_worse <= 0.05
        found["ignored"] += hall_interval(values, width=2.0).p_worse <= 0.05
    assert found["grouped"] <= MOST < found["ignored"]
