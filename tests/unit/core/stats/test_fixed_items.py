"""Changes on fixed items where no reference reaches: limits, single answers, power."""

import math

import pytest

from lm_eval_so.core.stats.binary import mcnemar_midp, tango_interval
from lm_eval_so.core.stats.distributions import normal_quantile, normal_sf, t_quantile
from lm_eval_so.core.stats.fixed_items import ItemPairs, sum_up
from lm_eval_so.core.stats.flip_chances import pass_chance
from lm_eval_so.core.stats.power import (
    needed_for_flips,
    provable_margin_given,
    repeats_for_flips,
    repeats_for_scores,
)


def pairs_of(before, after):
    return ItemPairs(before=list(map(sum_up, before)), after=list(map(sum_up, after)))


@pytest.mark.parametrize(("once", "is_enough"), [(2, True), (3, False)])
def test_is_repeated__four_in_five_samples_on_both_sides(once: int, is_enough: bool) -> None:
    side = [[1.0]] * once + [[1.0, 1.0]] * (10 - once)
    assert pairs_of(side, [[1.0, 1.0]] * 10).is_repeated is is_enough
    assert pairs_of([[1.0, 1.0]] * 10, side).is_repeated is is_enough


def test_interval__a_single_answer_takes_the_noise_of_the_others() -> None:
    noisy = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
    still = [[0.5, 0.5]] * 5
    known = pairs_of([*noisy, [0.5, 0.5]], still)
    single = pairs_of([*noisy, [0.5]], still)
    assert known.noise == pytest.approx((0.5 + 0.5) / 5)
    assert single.noise == pytest.approx((0.5 + 0.5 + 0.25) / 5)
    assert single.noise_of_means == pytest.approx((0.25 + 0.25 + 0.25) / 5)


def test_interval__where_all_change_alike_the_floors_and_the_limit_of_p_speak() -> None:
    found = pairs_of([[0.5, 0.5]] * 20, [[0.25, 0.25]] * 20).interval(width=1)
    z, t = normal_quantile(0.95), t_quantile(0.95, 20)
    assert (found.value, found.se) == (-0.25, 0.0)
    assert found.low == pytest.approx(-0.25 - t * z / (40 + z * z))
    assert found.high == pytest.approx(-0.25 + t * 0.25 * z / (40 + z * z))
    assert found.p_worse == 2**-21
    assert found.p_better == pytest.approx(1)


def test_interval__where_nothing_changes_nothing_leans() -> None:
    found = pairs_of([[0.5, 0.5]] * 20, [[0.5, 0.5]] * 20).interval(width=1)
    assert (found.p_worse, found.p_better, found.high) == (0.5, 0.5, 0.0)
    assert found.low < 0


def test_interval__single_answers_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="two answers"):
        pairs_of([[0.5]] * 20, [[0.5]] * 20).interval(width=1)


def test_turned__is_the_change_seen_from_the_other_side() -> None:
    pairs = pairs_of([[1, 1, 0]] * 12, [[1, 0]] * 12)
    there, back = pairs.flips, pairs.turned().flips
    assert (there.worse, there.better) == pytest.approx((back.better, back.worse))
    assert there.trials == back.trials


def test_flips__all_wrong_now_never_count_as_more_than_there_are() -> None:
    flips = pairs_of([[1] * 7] * 13, [[0] * 3] * 13).flips
    assert flips.worse + flips.better <= flips.trials == pytest.approx(39)
    low, high = tango_interval(flips.worse, flips.better, flips.trials)
    assert -1 <= low < high < -0.8
    assert mcnemar_midp(flips.worse, flips.better) < 1e-11


@pytest.mark.parametrize(("share", "n", "k"), [(0.1, 50, 6), (0.1, 100, 3), (0.05, 100, 2)])
def test_repeats_for_flips__are_the_least_with_the_power(share: float, n: int, k: int) -> None:
    assert repeats_for_flips(share, 0.05, n=n) == k
    assert pass_chance(n * k, share, 0.05, is_guarded=False) >= 0.8
    assert k == 2 or pass_chance(n * (k - 1), share, 0.05, is_guarded=False) < 0.8


def test_repeats_for_flips__need_no_more_answers_than_drawn_samples() -> None:
    # the guard against rare drops costs samples, and plays no part here
    assert 40 * repeats_for_flips(0.02, 0.05, n=40) <= needed_for_flips(0.02, 0.05) + 40


def test_repeats_for_flips__many_answers_are_found_at_once() -> None:
    assert repeats_for_flips(0.4, 0.01, n=30) == pytest.approx(6.18 * 0.4 / 0.01**2 / 30, rel=0.02)


def test_repeats_for_scores__by_noise_or_by_the_floor() -> None:
    assert repeats_for_scores(0.07, 0.03, n=50, width=1) == 10
    assert repeats_for_scores(0.0, 0.03, n=30, width=1) == 3
    assert provable_margin_given(90, 60) < 0.03 < provable_margin_given(60, 30)


@pytest.mark.parametrize("n", [20, 30, 50, 100])
@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_repeats_for_scores__have_the_power_where_the_floor_decides_too(n, deviation) -> None:
    k = repeats_for_scores(2 * deviation**2, 0.03, n=n, width=1)

    def power(k: int) -> float:
        se = deviation * math.sqrt(2 / (n * k))
        reach = max(provable_margin_given(n * k, n * (k - 1)), t_quantile(0.95, n * (k - 1)) * se)
        return 1 - normal_sf((0.03 - reach) / se) if se else float(reach < 0.03)

    assert power(k) >= 0.8
    assert k == 2 or power(k - 1) < 0.8
