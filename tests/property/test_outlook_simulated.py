"""A small twin of `benchmarks/outlook.py`: what a plan promises, held against simulated runs of the gate."""

import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.stats.outlook import Asked, Noise, Rule, chances, look_ahead

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
variances = st.floats(0, 0.4)


@pytest.fixture(scope="module")
def simulation():
    sys.path.insert(0, str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "outlook.py"))


@pytest.mark.parametrize(
    ("baseline", "candidate", "is_these"),
    [(1, 1, False), (3, 3, False), (3, 3, True), (5, 2, True)],
)
def test_look_ahead__passes_and_finds_as_often_as_it_says(
    simulation, baseline, candidate, is_these
) -> None:
    setting = simulation["Setting"](
        samples="80/20", n=50, baseline=baseline, candidate=candidate, is_these=is_these
    )
    kept = simulation["simulate"](setting, 600)
    assert 0.72 <= kept.passes <= 0.87
    assert 0.77 <= kept.finds <= 0.96


@given(
    n=st.integers(10, 400),
    k=st.integers(1, 6),
    within=variances,
    between=variances,
    is_binary=st.booleans(),
    is_these=st.booleans(),
)
@settings(max_examples=40)
def test_look_ahead__less_noise_and_more_answers_never_prove_less(
    n, k, within, between, is_binary, is_these
) -> None:
    rule = Rule(margin=0.05, is_these=is_these)
    asked = Asked(samples=n, baseline=k + 1, candidate=k + 1)
    more = Asked(samples=n, baseline=k + 2, candidate=k + 2)
    noise = Noise(within=within, between=between, is_binary=is_binary)
    calm = Noise(within=within / 2, between=between / 2, is_binary=is_binary)

    def provable(asked: Asked, noise: Noise) -> float:
        return look_ahead(asked, noise, rule).provable or 1.0

    # counts come in whole steps, so the exact sums may rise by one of them
    slack = 1 + max(0.05, 2 / n) if is_binary and is_these else 1 + 1e-9
    assert provable(asked, calm) <= slack * provable(asked, noise)
    assert provable(more, noise) <= slack * provable(asked, noise)


@given(
    n=st.integers(10, 400),
    groups=st.integers(2, 60),
    within=variances,
    is_binary=st.booleans(),
    drop=st.floats(0, 0.9),
)
@settings(max_examples=40)
def test_chances__are_shares_and_rise_with_margin_and_drop(
    n, groups, within, is_binary, drop
) -> None:
    asked = Asked(samples=n, groups=min(groups, n), effective_groups=min(groups, n) * 0.9)
    noise = Noise(within=within, is_binary=is_binary)
    tight, wide = (chances(asked, noise, Rule(margin=margin), drop=drop) for margin in (0.03, 0.3))
    assert 0 <= tight.passes <= wide.passes <= 1
    assert 0 <= wide.finds <= tight.finds <= 1
    deeper = chances(asked, noise, Rule(margin=0.03), drop=min(0.95, drop + 0.05))
    assert deeper.finds >= tight.finds - 1e-9
