"""A small twin of `benchmarks/control.py`: who is blamed for what."""

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(BENCHMARKS))
        found = runpy.run_path(str(BENCHMARKS / "control.py"))
    return lambda runs=200, **setting: found["simulate"](found["Setting"](**setting), runs)


def test_simulate__an_unchanged_chatbot_hardly_ever_fails(benchmark) -> None:
    found = benchmark(n=60, k=1)
    assert found.fails <= 0.015
    assert found.to_main <= 3


@pytest.mark.parametrize("k", [1, 3])
def test_simulate__what_the_provider_broke_is_never_blamed(benchmark, k: int) -> None:
    found = benchmark(n=60, k=k, by="provider")
    assert found.blamed == 0
    assert found.main_too >= 0.95
    assert 3 <= found.to_main <= 6


def test_simulate__what_the_pull_request_broke_fails(benchmark) -> None:
    found = benchmark(n=60, k=1, by="pull request")
    assert found.blamed >= 0.95
    assert found.main_too == 0
    assert benchmark(20, n=60, k=1, by="pull request", asks_main=False).blamed == 0
