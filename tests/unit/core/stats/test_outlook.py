"""The outlook of a gate, held against a direct computation over all flips and against figures worked out apart."""

import math
import statistics
import time
from functools import cache
from itertools import accumulate

import pytest

from lm_eval_so.core.stats.binary import (
    mcnemar_midp,
    rare_drop_bound,
    rules_out_rare_drop,
    tango_interval,
)
from lm_eval_so.core.stats.bounded import hall_interval
from lm_eval_so.core.stats.flip_chances import detectable_by_flips, pass_chance, provable_by_flips
from lm_eval_so.core.stats.groups import grouped_interval
from lm_eval_so.core.stats.outlook import (
    Asked,
    Noise,
    Rule,
    chances,
    look_ahead,
    needed_repeats,
    needed_samples,
    variance_of_change,
    variance_within,
)
from lm_eval_so.core.stats.power import (
    needed_for_flips,
    needed_without_change,
    needed_without_flips,
    provable_margin,
)

PROVABLE = {
    30: {
        1: (14.7, 17.4, 21.6),
        2: (9.1, 11.3, 14.8),
        3: (7.1, 9.1, 12.2),
        5: (5.2, 6.9, 9.2),
        10: (3.5, 4.7, 6.5),
    },
    50: {
        1: (9.7, 12.5, 16.7),
        2: (6.4, 8.6, 11.4),
        3: (5.2, 6.9, 9.2),
        5: (3.9, 5.1, 7.1),
        10: (2.6, 3.6, 5.0),
    },
    100: {
        1: (6.4, 8.6, 11.4),
        2: (4.4, 5.8, 8.0),
        3: (3.5, 4.7, 6.5),
        5: (2.6, 3.6, 5.0),
        10: (1.8, 2.5, 3.5),
    },
    200: {
        1: (4.4, 5.8, 8.0),
        2: (2.9, 4.0, 5.6),
        3: (2.4, 3.3, 4.6),
        5: (1.8, 2.5, 3.5),
        10: (1.3, 1.8, 2.5),
    },
}
"""Points that are provable with flips of 5, 10 and 20 %, by samples and answers to each."""
DETECTABLE = {
    (30, 1): (22, 26, 31),
    (30, 3): (10, 12, 15),
    (50, 1): (15, 18, 22),
    (50, 3): (7, 9, 11),
    (100, 1): (9, 11, 14),
    (100, 3): (4, 6, 7),
    (200, 1): (6, 7, 9),
    (200, 3): (3, 4, 5),
}
FLIPS = (0.05, 0.10, 0.20)


def answered(samples: int, repeats: int) -> Asked:
    return Asked(samples=samples, baseline=repeats, candidate=repeats)


@pytest.mark.parametrize("samples", PROVABLE)
def test_look_ahead__table_of_provable_margins(samples: int) -> None:
    for repeats, row in PROVABLE[samples].items():
        asked = answered(samples, repeats)
        found = [
            look_ahead(asked, Noise(within=flips), Rule(margin=0.05, is_these=True))
            for flips in FLIPS
        ]
        assert [round(100 * each.provable, 1) for each in found if each.provable] == list(row)


@pytest.mark.parametrize(("asked", "row"), DETECTABLE.items())
def test_detectable_by_flips__table_of_proven_falls(asked, row) -> None:
    found = [detectable_by_flips(math.prod(asked), flips) for flips in FLIPS]
    assert [round(100 * each) for each in found if each] == list(row)


@cache
def tables(n: int) -> list[tuple[int, int, float, float, float]]:
    """Return all (worse, better), the bounds of the drop without and with the guard, and p."""
    return [
        (
            w,
            g,
            bound := -tango_interval(w, g, n)[0],
            max(bound, rare_drop_bound(w, g, n)),
            mcnemar_midp(w, g),
        )
        for w in range(n + 1)
        for g in range(n + 1 - w)
    ]


def chance(n: int, w: int, g: int, lost: float, gained: float) -> float:
    ways = math.comb(n, w) * math.comb(n - w, g)
    return ways * lost**w * gained**g * (1 - lost - gained) ** (n - w - g)


@pytest.mark.parametrize("n", [10, 17, 30])
@pytest.mark.parametrize("flips", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("is_guarded", [False, True])
def test_provable_by_flips__is_the_drop_that_four_runs_of_five_rule_out(
    n, flips, is_guarded
) -> None:
    bounds = sorted(
        (guarded if is_guarded else bound, chance(n, w, g, flips / 2, flips / 2))
        for w, g, bound, guarded, _ in tables(n)
    )
    ruled_out = accumulate(each for _, each in bounds)
    drop = next(drop for (drop, _), total in zip(bounds, ruled_out, strict=True) if total >= 0.8)
    assert provable_by_flips(n, flips, is_guarded=is_guarded) == pytest.approx(drop, abs=2e-9)


@pytest.mark.parametrize("n", [10, 17, 30])
@pytest.mark.parametrize("flips", [0.0, 0.1])
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_detectable_by_flips__fails_four_runs_of_five(n, flips, margin) -> None:
    def fails(drop: float) -> float:
        return sum(
            chance(n, w, g, flips / 2 + drop, flips / 2)
            for w, g, _, _, p in tables(n)
            if p <= 0.05 and w - g >= margin * n - 1e-9
        )

    found = detectable_by_flips(n, flips, margin=margin)
    assert found is not None
    assert fails(found) == pytest.approx(0.8, abs=1e-6)
    assert found >= margin


def test_look_ahead__one_answer_is_a_claim_about_samples_like_these_under_both_claims() -> None:
    noise = Noise(within=0.1)
    for asked in (Asked(samples=50), Asked(samples=50, baseline=5)):
        these = look_ahead(asked, noise, Rule(margin=0.05, is_these=True))
        assert these == look_ahead(asked, noise, Rule(margin=0.05))


def test_look_ahead__more_answers_help_much_only_if_the_claim_is_about_these() -> None:
    noise = Noise(within=0.1)
    by_claim = {
        is_these: [
            look_ahead(answered(50, k), noise, Rule(margin=0.05, is_these=is_these)).provable or 1.0
            for k in (2, 3, 5, 10, 50)
        ]
        for is_these in (False, True)
    }
    assert by_claim[True][-1] < 0.02
    floor = 1.6766 * 1.64485 / (50 + 1.64485**2)
    assert by_claim[False][-1] > floor
    assert by_claim[False] == sorted(by_claim[False], reverse=True)
    assert by_claim[True] == sorted(by_claim[True], reverse=True)


@pytest.mark.parametrize(("baseline", "candidate", "n"), [(5, 2, 142), (3, 3, 150), (10, 3, 230)])
def test_look_ahead__unequal_answers_count_by_their_harmonic_mean(baseline, candidate, n) -> None:
    asked = Asked(samples=50, baseline=baseline, candidate=candidate)
    found = look_ahead(asked, Noise(within=0.1), Rule(margin=0.05, is_these=True))
    assert found.provable == provable_by_flips(n, 0.1, is_guarded=False)


def test_look_ahead__true_changes_of_samples_count_for_samples_like_these_alone() -> None:
    still, moved = Noise(within=0.1), Noise(within=0.1, between=0.1)
    asked = answered(100, 5)
    like = [look_ahead(asked, each, Rule(margin=0.05)).provable for each in (still, moved)]
    these = [look_ahead(asked, each, Rule(margin=0.05, is_these=True)) for each in (still, moved)]
    assert like[0] is not None
    assert like[1] is not None
    assert like[0] < like[1]
    assert these[0] == these[1]


def test_look_ahead__scores_of_any_width_scale() -> None:
    unit = Noise(within=0.04, between=0.01, is_binary=False)
    wide = Noise(within=16 * 0.04, between=16 * 0.01, is_binary=False, width=4.0)
    for is_these in (False, True):
        small = look_ahead(answered(50, 3), unit, Rule(margin=0.03, is_these=is_these))
        large = look_ahead(answered(50, 3), wide, Rule(margin=0.12, is_these=is_these))
        assert small.provable is not None
        assert small.detectable is not None
        assert large.provable == pytest.approx(4 * small.provable)
        assert large.detectable == pytest.approx(4 * small.detectable)


def test_look_ahead__large_groups_prove_less() -> None:
    noise, alone = Noise(within=0.1), Asked(samples=100)
    paired = Asked(samples=100, groups=50, effective_groups=50)
    uneven = Asked(samples=100, groups=50, effective_groups=20)
    found = [
        look_ahead(each, noise, Rule(margin=0.05)).provable or 1.0 for each in (paired, uneven)
    ]
    assert look_ahead(alone, noise, Rule(margin=0.05)).provable != found[0]
    assert found[0] < found[1]
    # of these samples alone groups play no part
    these = [
        look_ahead(
            Asked(samples=100, baseline=3, candidate=3, groups=groups, effective_groups=groups),
            noise,
            Rule(margin=0.05, is_these=True),
        )
        for groups in (None, 50, 2)
    ]
    assert these[0] == these[1] == these[2]


@pytest.mark.parametrize("groups", [1, 5, 9])
def test_look_ahead__few_groups_prove_nothing(groups) -> None:
    asked = Asked(samples=90, groups=groups, effective_groups=groups)
    found = look_ahead(asked, Noise(within=0.1), Rule(margin=0.05))
    assert found.provable is None
    assert (found.detectable is None) == (groups < 4)


@pytest.mark.parametrize("n", range(1, 12))
def test_look_ahead__few_samples(n) -> None:
    scores = Noise(within=0.02, is_binary=False)
    assert (look_ahead(Asked(samples=n), scores, Rule(margin=0.03)).provable is None) == (n < 10)
    right = look_ahead(Asked(samples=n), Noise(within=0.1), Rule(margin=0.05))
    assert right.provable is not None
    assert right.provable > 0.2
    these = look_ahead(answered(n, 2), Noise(within=0.1), Rule(margin=0.05, is_these=True))
    assert (these.provable is None) == (n < 5)


def test_look_ahead__without_flips_the_floors_are_left() -> None:
    found = look_ahead(answered(50, 3), Noise(within=0.0), Rule(margin=0.02, is_these=True))
    assert found.provable == pytest.approx(provable_margin(150), abs=1e-9)
    assert found.provable == pytest.approx(0.017717389, abs=1e-9)
    single = look_ahead(Asked(samples=58), Noise(within=0.0), Rule(margin=0.05))
    assert single.provable is not None
    assert single.provable < 0.05
    less = look_ahead(Asked(samples=57), Noise(within=0.0), Rule(margin=0.05))
    assert less.provable is not None
    assert less.provable > 0.05


@pytest.mark.parametrize("n", [3001, 10**5, 10**7])
@pytest.mark.parametrize("flips", [0.0, 0.1, 0.4])
def test_by_flips__of_many_answers_is_near_what_is_exact(n, flips) -> None:
    # both shrink with the root of n, where flips are not rare
    for found, exact in (
        (provable_by_flips(n, flips), provable_by_flips(3000, flips)),
        (detectable_by_flips(n, flips), detectable_by_flips(3000, flips)),
    ):
        assert found is not None
        assert exact is not None
        scale = math.sqrt(3000 / n) if flips else 3000 / n
        assert found == pytest.approx(exact * scale, rel=0.13)


def test_needed_samples__of_one_answer_is_that_of_the_sentences() -> None:
    asked = Asked(samples=50)
    assert needed_samples(asked, Noise(within=0.1), Rule(margin=0.05)) == 263
    assert needed_samples(asked, Noise(within=0.0), Rule(margin=0.05)) == 58
    assert needed_for_flips(0.0, 0.05) == needed_without_flips(0.05) == 58


@pytest.mark.parametrize(
    "asked",
    [
        answered(50, 3),
        Asked(samples=50, baseline=3),
        Asked(samples=90, groups=30, effective_groups=22.5),
        Asked(samples=90, groups=4, effective_groups=2.5),
    ],
)
@pytest.mark.parametrize("noise", [Noise(within=0.1), Noise(within=0.02, is_binary=False)])
def test_needed_samples__is_the_least_that_proves(asked, noise) -> None:
    needed = needed_samples(asked, noise, Rule(margin=0.05))
    assert needed is not None

    def provable(samples: int) -> float:
        more = samples / asked.samples
        groups = None if asked.groups is None else math.ceil(asked.groups * more)
        effective = None if asked.effective_groups is None else asked.effective_groups * more
        found = look_ahead(
            Asked(
                samples=samples,
                baseline=asked.baseline,
                candidate=asked.candidate,
                groups=groups,
                effective_groups=effective,
            ),
            noise,
            Rule(margin=0.05),
        )
        return found.provable or 1.0

    assert provable(needed) < 0.05 <= provable(needed - 1)


def test_needed_samples__none_where_no_number_is_enough() -> None:
    assert needed_samples(answered(50, 2), Noise(within=0.1), Rule(margin=1e-6)) is None


@pytest.mark.parametrize(
    ("samples", "flips", "margin", "repeats"),
    [
        (30, 0.1, 0.05, 9),
        (50, 0.1, 0.05, 6),
        (100, 0.1, 0.05, 3),
        (200, 0.1, 0.05, 2),
        (50, 0.2, 0.05, 11),
        (50, 0.0, 0.05, 2),
        (20, 0.0, 0.05, 3),
        (4, 0.0, 0.3, 3),
    ],
)
def test_needed_repeats__is_the_least_that_proves(samples, flips, margin, repeats) -> None:
    noise = Noise(within=flips)
    assert needed_repeats(samples, noise, Rule(margin=margin)) == repeats

    def provable(k: int) -> float:
        found = look_ahead(answered(samples, k), noise, Rule(margin=margin, is_these=True))
        return found.provable or 1.0

    assert provable(repeats) <= margin
    assert repeats == 2 or provable(repeats - 1) > margin
    least = math.ceil(needed_without_change(margin) / samples)
    assert repeats >= least


@pytest.mark.parametrize("deviation", [0.03, 0.1, 0.19])
def test_needed_repeats__of_scores(deviation) -> None:
    noise = Noise(within=2 * deviation**2, is_binary=False)
    needed = needed_repeats(30, noise, Rule(margin=0.03))
    assert needed > 2
    found = [
        look_ahead(answered(30, k), noise, Rule(margin=0.03, is_these=True)).provable or 1.0
        for k in (needed - 1, needed)
    ]
    assert found[1] <= 0.03 < found[0]


@pytest.mark.parametrize("is_these", [False, True])
@pytest.mark.parametrize(
    "asked",
    [
        Asked(samples=50),
        answered(50, 3),
        Asked(samples=80, baseline=5, candidate=2),
        Asked(samples=90, groups=30, effective_groups=22.5),
    ],
)
@pytest.mark.parametrize("noise", [Noise(within=0.1), Noise(within=0.02, is_binary=False)])
def test_chances__are_80_percent_at_what_is_provable_and_found(asked, noise, is_these) -> None:
    found = look_ahead(asked, noise, Rule(margin=0.05, is_these=is_these))
    assert found.provable is not None
    assert found.detectable is not None
    at = Rule(margin=found.provable + 1e-9, is_these=is_these)
    below = Rule(margin=found.provable - 1e-6, is_these=is_these)
    passing = [chances(asked, noise, rule, drop=0.1).passes for rule in (below, at)]
    assert passing[0] < 0.8 <= passing[1] + 1e-9
    rule = Rule(margin=0.05, is_these=is_these)
    finding = chances(asked, noise, rule, drop=found.detectable).finds
    assert finding == pytest.approx(0.8, abs=1e-6)


def test_chances__without_noise_are_all_or_nothing() -> None:
    asked, noise = answered(50, 3), Noise(within=0.0, is_binary=False)
    for margin, passes in ((0.02, 1.0), (0.01, 0.0)):
        rule = Rule(margin=margin, is_these=True)
        assert chances(asked, noise, rule, drop=0.03).passes == passes
        assert chances(asked, noise, rule, drop=0.03).finds == 1.0
        assert chances(asked, noise, rule, drop=0.005).finds == 0.0


def test_chances__none_with_few_samples_or_groups() -> None:
    few = chances(Asked(samples=9), Noise(within=0.02, is_binary=False), Rule(margin=0.3), drop=0.9)
    assert few.passes == 0.0
    assert few.finds > 0.99
    grouped = Asked(samples=90, groups=3, effective_groups=3)
    lost = chances(grouped, Noise(within=0.1), Rule(margin=0.3), drop=0.9)
    assert (lost.passes, lost.finds) == (0.0, 0.0)
    everything = chances(Asked(samples=30), Noise(within=0.1), Rule(margin=0.05), drop=1.0)
    assert everything.finds > 0.99


@pytest.mark.parametrize(
    ("asked", "noise", "found"),
    [
        # simulated: 6 of 60 broken, flips 11 %; 20 of 100, flips 20 %; scores, 12 of 100
        (Asked(samples=60, baseline=5), Noise(within=0.113), 0.75),
        (Asked(samples=100, baseline=5), Noise(within=0.198), 0.84),
        (answered(60, 3), Noise(within=0.113), 0.89),
        (Asked(samples=100, baseline=5), Noise(within=0.028, is_binary=False), 0.98),
    ],
)
def test_chances__of_samples_that_are_counted_are_those_of_simulations(asked, noise, found) -> None:
    margin = 0.05 if noise.is_binary else 0.03
    rule = Rule(margin=margin)
    got = chances(asked, noise, rule, drop=2 * margin, is_counted=True).finds
    assert got == pytest.approx(found, abs=0.06)


@pytest.mark.parametrize(
    ("answers", "within"),
    [
        ([[1.0, 0.0], [1.0, 1.0]], 0.5),
        ([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.0]], 2 * (2 / 9) * 3 / 2 / 2),
        ([[1.0, 1.0]] * 8, 0.1),
        ([[1.0] * 3] * 49, 0.01),
    ],
)
def test_variance_within__of_right_or_wrong_is_the_share_of_flips(answers, within) -> None:
    assert variance_within(answers, is_binary=True) == pytest.approx(within)


def test_variance_within__of_scores_is_that_of_a_difference() -> None:
    assert variance_within([[0.2, 0.4], [0.5, 0.5]], is_binary=False) == pytest.approx(0.02)
    assert variance_within([[0.5, 0.5]] * 9, is_binary=False) == 0.0
    assert variance_within([[0.5], []], is_binary=False) is None


def test_variance_of_change__is_that_behind_an_interval() -> None:
    differences = [0.1, -0.2, 0.05, 0.0, 0.3, -0.1, 0.0, 0.15] * 20
    found = hall_interval(differences, width=1.0)
    variance = variance_of_change(
        (found.low, found.high), found.value, Asked(samples=len(differences)), alpha=0.05
    )
    assert variance == pytest.approx(statistics.variance(differences), rel=0.05)
    groups = [place // 4 for place in range(len(differences))]
    grouped = grouped_interval(differences, groups, width=1.0)
    asked = Asked(samples=len(differences), groups=40)
    of_groups = variance_of_change((grouped.low, grouped.high), grouped.value, asked, alpha=0.05)
    assert of_groups == pytest.approx(grouped.se**2 * len(differences), rel=0.01)


@pytest.mark.parametrize("interval", [(-0.02, 0.4), (-0.4, 0.06)])
def test_variance_of_change__the_end_that_a_floor_made_wide_does_not_count(interval) -> None:
    found = variance_of_change(interval, 0.02, Asked(samples=100), alpha=0.05)
    assert found == pytest.approx((0.04 / 1.66039) ** 2 * 100, rel=1e-4)


def test_look_ahead__is_quick() -> None:
    provable_by_flips.cache_clear()
    detectable_by_flips.cache_clear()
    start = time.process_time()
    for repeats in (1, 2, 3, 5, 10):
        look_ahead(answered(300, repeats), Noise(within=0.2), Rule(margin=0.05, is_these=True))
    assert time.process_time() - start < 2.0  # five rows take 0.3 s


@pytest.mark.parametrize("n", [7, 20, 28, 40])
@pytest.mark.parametrize("flips", [0.0, 0.02, 0.2])
@pytest.mark.parametrize(("margin", "is_guarded"), [(0.1, True), (0.1, False), (0.3, True)])
def test_pass_chance__is_the_sum_over_all_tables(n, flips, margin, is_guarded) -> None:
    def passes(w: int, g: int, low: float) -> bool:
        is_safe = not is_guarded or rules_out_rare_drop(w, g, n, margin=margin)
        return low > 0 or (low > -margin and is_safe)

    total = sum(
        chance(n, w, g, flips / 2, flips / 2)
        for w, g, bound, _, _ in tables(n)
        if passes(w, g, -bound)
    )
    found = pass_chance(n, flips, margin, is_guarded=is_guarded)
    assert found == pytest.approx(total, abs=1e-9)


def test_pass_chance__too_few_samples_pass_by_a_proven_gain_alone() -> None:
    assert needed_without_flips(0.05) == 58
    assert pass_chance(57, 0.0, 0.05) == 0.0
    assert pass_chance(50, 0.1, 0.05) == pytest.approx(0.0500, abs=5e-5)
