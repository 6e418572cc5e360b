"""The limit against endpoints of all kinds, in simulated time."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[4] / "benchmarks" / "limiter.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulated_limit", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


simulated = load()
KINDS = {(kind.name, kind.most, kind.rows): kind for kind in simulated.kinds()}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("name", "most", "rows", "answer_s", "least", "refused"),
    [
        ("refuses nothing", 64, 200, 0.4, 0.55, 0),
        ("refuses nothing", 64, 2_000, 0.4, 0.9, 0),
        ("refuses 5% at random", 64, 500, 0.4, 0.6, 0.09),
        ("refuses 20% at random", 16, 600, 0.4, 0.7, 0.24),
        ("refuses 20% at random", 64, 1_000, 0.4, 0.65, 0.24),
        ("refuses 20% at random, says 1 s", 64, 4_000, 0.4, 0.65, 0.24),
        ("bears 1", 64, 200, 0.4, 0.9, 0.14),
        ("bears 8", 64, 1_000, 0.4, 0.85, 0.05),
        ("bears 8, says 1 s", 64, 1_000, 0.4, 0.85, 0.05),
        ("bears 30", 64, 2_000, 0.4, 0.85, 0.05),
        ("bears 8 and refuses 5% at random", 64, 2_000, 0.4, 0.6, 0.2),
        ("20 a second, 20 at once", 64, 1_500, 0.4, 0.85, 0.12),
        ("20 a second, 20 at once, says 1 s", 64, 1_500, 0.4, 0.85, 0.12),
        ("bears 32, then 8 for 20 s, then 32", 64, 4_000, 0.4, 0.75, 0.05),
        ("bears 64, then 0 for 10 s, then 64", 64, 8_000, 0.4, 0.8, 0.02),
        ("600 a minute, says how long", 64, 4_000, 0.4, 0.9, 0.09),
        ("refuses 30% at random", 16, 1_000, 0.05, 0.5, 0.35),
        ("bears 8, says 1 s", 64, 1_000, 0.05, 0.7, 0.05),
        ("bears 30, says 1 s", 64, 2_000, 0.05, 0.65, 0.05),
    ],
)
def test_limit__uses_what_an_endpoint_bears_and_is_seldom_refused(
    name: str, most: int, rows: int, answer_s: float, least: float, refused: float, seed: int
):
    kind = KINDS[name, most, rows]
    outcome = simulated.simulate(kind, seed=seed, answer_s=answer_s)
    assert simulated.share_of(kind, outcome, answer_s) >= least
    assert outcome.refused / outcome.requests <= refused
    assert outcome.lost == 0
    assert not outcome.wants_pace


@pytest.mark.parametrize(("answer_s", "least", "refused"), [(0.4, 0.1, 0.05), (0.05, 0.8, 0.6)])
def test_limit__asks_for_a_pace_where_requests_are_refused_that_come_too_close(
    answer_s: float, least: float, refused: float
):
    kind = KINDS["20 a second, 1 at once", 64, 1_500]
    outcome = simulated.simulate(kind, answer_s=answer_s)
    assert outcome.wants_pace
    assert simulated.share_of(kind, outcome, answer_s) >= least
    assert outcome.refused / outcome.requests <= refused


def test_limit__is_the_same_each_time():
    kind = KINDS["refuses 5% at random", 64, 500]
    assert simulated.simulate(kind, seed=3) == simulated.simulate(kind, seed=3)
