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
KINDS = {kind.name: kind for kind in simulated.kinds()}
STEADY = [name for name in KINDS if "random" not in name and "then" not in name]


def asked(name: str, *, rows: int, seed: int) -> tuple[float, float, int]:
    """Return the share of capacity, the share of refusals, and the rows lost."""
    outcome = simulated.simulate(KINDS[name], rows=rows, seed=seed)
    share = simulated.share_of(KINDS[name], outcome, rows)
    return share, outcome.refused / outcome.requests, outcome.lost


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", STEADY)
def test_limit__uses_what_an_endpoint_bears_and_is_seldom_refused(name: str, seed: int):
    share, refused, lost = asked(name, rows=2_000, seed=seed)
    assert share >= 0.85
    assert refused <= 0.03
    assert lost == 0


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("percent", [1, 2, 5, 10])
def test_limit__refusals_at_random_cost_little(percent: int, seed: int):
    undisturbed, _, _ = asked("refuses nothing", rows=8_000, seed=seed)
    share, _, lost = asked(f"refuses {percent}% at random", rows=8_000, seed=seed)
    assert share >= 0.6 * undisturbed
    assert lost == 0


@pytest.mark.parametrize("said", ["", ", says 1 s"])
@pytest.mark.parametrize(
    ("name", "least"),
    [("bears 8 and refuses 5% at random", 0.25), ("bears 32, then 8, then 32", 0.5)],
)
def test_limit__finds_overload_beside_other_refusals_and_follows_changes(
    name: str, said: str, least: float
):
    share, refused, lost = asked(name + said, rows=8_000, seed=1)
    assert share >= least
    assert refused <= 0.10
    assert lost == 0


def test_limit__is_the_same_each_time():
    name = "bears 8 and refuses 5% at random"
    assert asked(name, rows=500, seed=3) == asked(name, rows=500, seed=3)
