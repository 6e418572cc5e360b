"""Judges held against people."""

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.diagnostic import (
    Diagnosis,
    Rate,
    Stratum,
    sensitivity,
    specificity,
    true_difference,
    true_share,
)


def test_diagnosis__figures() -> None:
    found = Diagnosis(tp=40, fn=10, tn=45, fp=5)
    assert (found.positives, found.negatives) == (50, 50)
    assert (found.sensitivity, found.specificity) == (0.80, 0.90)
    assert found.youden == 0.70
    assert found.sensitivity_interval == wilson_interval(40, 50)
    assert found.specificity_interval == wilson_interval(45, 50)
    assert not found.is_small


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(87, 100, 0.7902, 0.9224), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1)],
)
def test_interval__is_wilsons(successes: int, n: int, low: float, high: float) -> None:
    found = Diagnosis(tp=successes, fn=n - successes, tn=1, fp=0)
    assert found.sensitivity_interval == pytest.approx((low, high), abs=5e-5)


def test_diagnosis__one_kind_only() -> None:
    found = Diagnosis(tp=9, fn=1, tn=0, fp=0)
    assert (found.sensitivity, found.specificity, found.youden) == (0.9, None, None)
    assert found.specificity_interval is None
    assert found.is_small


@pytest.mark.parametrize(
    ("positives", "negatives", "is_small"), [(30, 30, False), (29, 300, True), (300, 29, True)]
)
def test_diagnosis__too_few(positives: int, negatives: int, is_small: bool) -> None:
    assert Diagnosis(tp=positives, fn=0, tn=negatives, fp=0).is_small is is_small


@given(*[st.integers(0, 200)] * 4)
def test_youden__is_sensitivity_plus_specificity_minus_one(
    tp: int, fn: int, tn: int, fp: int
) -> None:
    found = Diagnosis(tp=tp, fn=fn, tn=tn, fp=fp)
    if found.youden is None:
        assert not found.positives or not found.negatives
        return
    assert found.sensitivity is not None
    assert found.specificity is not None
    assert math.isclose(found.youden, found.sensitivity + found.specificity - 1, abs_tol=1e-12)
    assert -1 <= found.youden <= 1


def test_true_figures__undo_what_a_judge_does() -> None:
    chance, se, sp, n = random.Random(7), 0.85, 0.75, 200_000
    j = se + sp - 1

    def judged(share: float) -> float:
        good = (chance.random() < share for _ in range(n))
        return sum(chance.random() < (se if is_good else 1 - sp) for is_good in good) / n

    before, now = judged(0.80), judged(0.70)
    assert true_share(before, j, specificity=sp) == pytest.approx(0.80, abs=0.01)
    assert true_share(now, j, specificity=sp) == pytest.approx(0.70, abs=0.01)
    assert now - before == pytest.approx(-0.10 * j, abs=0.006)
    assert true_difference(now - before, j) == pytest.approx(-0.10, abs=0.01)


def test_true_figures__are_clipped() -> None:
    assert true_difference(-0.6, 0.5) == -1
    assert true_difference(0.6, 0.5) == 1
    assert true_share(0.99, 0.6, specificity=0.8) == 1
    assert true_share(0.05, 0.6, specificity=0.8) == 0


RUNS = 2000


def strata(*, good: int, bad: int, tp: int, fp: int, fn: int, tn: int) -> list[Stratum]:
    """Return the answers that a judge called good, and those that it called bad."""
    called_good = Diagnosis(tp=tp, fp=fp, fn=0, tn=0)
    called_bad = Diagnosis(tp=0, fp=0, fn=fn, tn=tn)
    return [
        Stratum(total=good, is_positive=True, labelled=called_good),
        Stratum(total=bad, is_positive=False, labelled=called_bad),
    ]


def rates(found: list[Stratum]) -> tuple[Rate, Rate]:
    se, sp = sensitivity(found), specificity(found)
    assert se is not None
    assert sp is not None
    return se, sp


def test_rates__undo_a_choice_by_halves() -> None:
    raw = Diagnosis(tp=95, fp=9, fn=20, tn=84)
    assert raw.youden == pytest.approx(0.729, abs=0.001)
    se, sp = rates(strata(good=800, bad=200, tp=95, fp=9, fn=20, tn=84))
    assert (se.value, sp.value) == pytest.approx((0.95, 0.70))


def test_rates__formula_of_begg_and_greenes() -> None:
    tp, fp, fn, tn, good, bad = 41, 9, 6, 44, 310, 90
    se, sp = rates(strata(good=good, bad=bad, tp=tp, fp=fp, fn=fn, tn=tn))
    share, ppv, npv = good / (good + bad), tp / (tp + fp), tn / (fn + tn)
    expected = share * ppv / (share * ppv + (1 - share) * (1 - npv))
    assert se.value == pytest.approx(expected)
    # their variance of the logit
    variance = (
        1 / ((good + bad) * share * (1 - share)) + (1 - ppv) / (ppv * 50) + npv / ((1 - npv) * 50)
    )
    centre, reach = math.log(expected / (1 - expected)), 1.959964 * math.sqrt(variance)
    ends = [1 / (1 + math.exp(-x)) for x in (centre - reach, centre + reach)]
    assert se.interval == pytest.approx(ends, abs=1e-6)
    other = (1 - share) * npv / ((1 - share) * npv + share * (1 - ppv))
    assert sp.value == pytest.approx(other)


def test_rates__in_proportion_to_the_run_are_the_plain_ones() -> None:
    plain = Diagnosis(tp=48, fp=12, fn=5, tn=35)
    se, sp = rates(strata(good=600, bad=400, tp=48, fp=12, fn=5, tn=35))
    assert (se.value, sp.value) == pytest.approx((plain.sensitivity, plain.specificity))


def test_rates__all_labelled_has_the_error_of_a_plain_share() -> None:
    se, _ = rates(strata(good=60, bad=40, tp=48, fp=12, fn=5, tn=35))
    p, n = 48 / 53, 53
    centre, reach = math.log(p / (1 - p)), 1.959964 / math.sqrt(n * p * (1 - p))
    ends = [1 / (1 + math.exp(-x)) for x in (centre - reach, centre + reach)]
    assert se.interval == pytest.approx(ends, abs=1e-6)


def test_rates__never_wrong_is_not_sure_to_be_right() -> None:
    se, sp = rates(strata(good=800, bad=200, tp=45, fp=5, fn=0, tn=50))
    assert (se.value, se.interval[1]) == (1, 1)
    assert 0.9 < se.interval[0] < 1
    assert sp.interval[0] < sp.value < sp.interval[1]
    se, _ = rates(strata(good=200, bad=800, tp=0, fp=50, fn=3, tn=47))
    assert (se.value, se.interval[0]) == (0, 0)
    assert 0 < se.interval[1] < 1


def test_rates__of_one_kind_only() -> None:
    one = [Stratum(total=90, is_positive=True, labelled=Diagnosis(tp=9, fp=1, fn=0, tn=0))]
    assert sensitivity(one) == Rate(value=1, interval=(0, 1))
    assert specificity(one) == Rate(value=0, interval=(0, 1))
    good = [Stratum(total=90, is_positive=True, labelled=Diagnosis(tp=9, fp=0, fn=0, tn=0))]
    assert specificity(good) is None


def test_rates__a_judge_that_says_something_else_the_second_time() -> None:
    # of 100 called good 8 of 10 labelled ones are called good again, of 300 called bad 1 of 10
    found = [
        Stratum(total=100, is_positive=True, labelled=Diagnosis(tp=8, fn=2, fp=0, tn=0)),
        Stratum(total=300, is_positive=False, labelled=Diagnosis(tp=1, fn=4, fp=0, tn=5)),
    ]
    se, sp = rates(found)
    assert se.value == pytest.approx((80 + 30) / (100 + 150))
    assert sp.value == 1


counts = st.integers(0, 60)


@given(counts, counts, counts, counts, st.integers(1, 5000), st.integers(1, 5000))
def test_rates__lie_inside_their_intervals(
    tp: int, fp: int, fn: int, tn: int, good: int, bad: int
) -> None:
    found = strata(good=good, bad=bad, tp=tp, fp=fp + 1, fn=fn + 1, tn=tn)
    for rate in rates(found):
        low, high = rate.interval
        assert 0 <= low <= rate.value <= high <= 1


def binomials(chance: random.Random, n: int, p: float) -> list[int]:
    """Draw how many of n come up with a chance of p, once a run."""
    ways = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return chance.choices(range(n + 1), cum_weights=list(accumulate(ways)), k=RUNS)


@pytest.mark.parametrize(
    ("share", "se", "sp"),
    [
        (0.8, 0.95, 0.70),
        (0.8, 0.90, 0.90),
        (0.7, 0.85, 0.80),
        (0.6, 0.95, 0.90),
        (0.3, 0.90, 0.90),
        (0.2, 0.90, 0.95),
    ],
)
def test_simulation__weighted_is_unbiased_and_plain_is_not(
    share: float, se: float, sp: float
) -> None:
    """200 of 1,000 answers are labelled, half of them called good by the judge."""
    n, half, chance = 1000, 100, random.Random(20)
    truly_good = (share + sp - 1) / (se + sp - 1)
    totals = binomials(chance, n, share)
    tps = binomials(chance, half, truly_good * se / share)
    fns = binomials(chance, half, truly_good * (1 - se) / (1 - share))
    errors: dict[str, list[float]] = {"se": [], "sp": [], "raw se": [], "raw sp": []}
    covered = {"se": 0, "sp": 0, "raw": 0}
    for good, tp, fn in zip(totals, tps, fns, strict=True):
        cells = {"tp": tp, "fp": half - tp, "fn": fn, "tn": half - fn}
        found = rates(strata(good=good, bad=n - good, **cells))
        for key, rate, truth in zip(("se", "sp"), found, (se, sp), strict=True):
            errors[key].append(rate.value - truth)
            covered[key] += rate.interval[0] <= truth <= rate.interval[1]
        raw = Diagnosis(**cells)
        errors["raw se"].append((raw.sensitivity or 0) - se)
        errors["raw sp"].append((raw.specificity or 0) - sp)
        low, high = raw.specificity_interval or (0, 1)
        covered["raw"] += low <= sp <= high
    bias = {key: math.fsum(found) / RUNS for key, found in errors.items()}
    assert abs(bias["se"]) < 0.01
    assert abs(bias["sp"]) < 0.01
    assert 0.92 <= covered["se"] / RUNS <= 0.97
    assert 0.92 <= covered["sp"] / RUNS <= 0.97
    assert abs(bias["raw sp"]) > 0.02
    assert abs(bias["raw se"]) > 0.02
    assert covered["raw"] / RUNS < 0.92
