"""Judges held against people."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.diagnostic import Diagnosis, true_difference, true_share


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
