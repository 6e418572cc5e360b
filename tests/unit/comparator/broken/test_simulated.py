"""Rates of mistakes and of finds over simulated runs, with a fixed seed; the whole is a benchmark."""

import runpy
from pathlib import Path

import pytest

BENCHMARK = runpy.run_path(str(Path(__file__).parents[4] / "benchmarks" / "broken.py"))
Setting, SETS, simulate = (BENCHMARK[name] for name in ("Setting", "SETS", "simulate"))


def test_simulate__an_unchanged_chatbot_is_hardly_ever_called_broken() -> None:
    found = simulate(Setting(n=60, k=5, rates=SETS["80/20"]), 600)
    assert found.proven <= 0.01
    assert found.named <= 0.03
    assert 3 <= found.further <= 5


def test_simulate__the_worst_mixture_stays_near_the_level() -> None:
    assert simulate(Setting(n=30, k=10, rates=SETS["every case 0.5"]), 1000).proven <= 0.06


def test_simulate__a_broken_case_is_found() -> None:
    found = simulate(Setting(n=60, k=5, rates=SETS["80/20"], broken=1), 600)
    assert found.found >= 0.97
    assert 9 <= found.further <= 12
    assert found.false <= 0.01


@pytest.mark.parametrize(("k", "least"), [(1, 0.95), (3, 0.90)])
def test_simulate__a_broken_case_is_found_or_named_with_few_answers(k: int, least: float) -> None:
    found = simulate(Setting(n=30, k=k, rates=SETS["80/20"], broken=1), 400)
    assert found.found >= least
    assert (k > 1) or found.proven == 0


def test_simulate__three_broken_cases_all_count() -> None:
    found = simulate(Setting(n=30, k=3, rates=SETS["80/20"], broken=3), 300)
    assert found.found >= 0.99
    assert 0.75 <= found.all_found <= 0.9
