"""Baselines that were lucky, and chains of small drops, simulated with a fixed seed; the whole is a benchmark."""

import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture(scope="module")
def simulation():
    sys.path.insert(0, str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "repeats.py"))


def test_luck__a_baseline_of_five_answers_helps(simulation) -> None:
    once, five = (simulation["simulate_luck"](k, 60, runs=25) for k in (1, 5))
    assert five.passes >= once.passes + 0.06
    assert five.luckiest <= once.luckiest / 2
    assert max(once.fails, five.fails) <= 0.05


def test_creep__an_anchor_stops_it(simulation) -> None:
    simulate, fall = simulation["simulate_creep"], simulation["all_fall"]
    alone, anchored = (simulate(1, 60, fall=fall, of_anchor=k) for k in (0, 5))
    assert alone.unblocked >= 0.25
    assert alone.at_tenth <= 0.2
    assert anchored.by_tenth >= 0.95
    assert anchored.at_tenth >= 0.9


def test_creep__nothing_changes_and_hardly_anything_fails(simulation) -> None:
    still = simulation["simulate_creep"](1, 40, fall=simulation["no_fall"], of_anchor=5)
    assert still.at_tenth <= 0.1
