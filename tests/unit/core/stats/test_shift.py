"""Whether labels come up as often as they did before."""

import random
from collections import Counter

import pytest

from lm_eval_so.core.stats.agreement import has_shifted, shift_p, total_variation
from lm_eval_so.core.stats.distributions import chi2_sf


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("x", [0.001, 0.5, 3.84, 25.0, 300.0])
def test_chi2__agrees_with_scipy(x: float, df: int) -> None:
    from scipy import stats

    assert chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-10)
    assert chi2_sf(0, df) == 1


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [
        ({"good": 80, "bad": 20}, {"good": 160, "bad": 40}, 0),
        ({"good": 80, "bad": 20}, {"good": 50, "bad": 50}, 0.3),
        ({"good": 1}, {"bad": 1}, 1),
        ({"good": 6, "bad": 4}, {"good": 6, "bad": 3, "UNKNOWN": 1}, 0.1),
        ({}, {"good": 1}, None),
        ({"good": 1}, {}, None),
    ],
)
def test_distance(before: dict[str, int], after: dict[str, int], distance: float | None) -> None:
    assert total_variation(before, after) == pytest.approx(distance)
    assert total_variation(after, before) == pytest.approx(distance)


def test_p__agrees_with_scipy() -> None:
    from scipy import stats

    before, after = {"a": 80, "b": 20, "c": 15}, {"a": 50, "b": 45, "c": 12}
    expected = stats.chi2_contingency([[80, 20, 15], [50, 45, 12]], correction=False).pvalue
    assert shift_p(before, after) == pytest.approx(expected, rel=1e-10)


def test_p__rare_labels_count_as_one() -> None:
    from scipy import stats

    before, after = {"a": 80, "b": 3, "c": 2, "d": 40}, {"a": 50, "b": 4, "c": 5, "d": 30}
    expected = stats.chi2_contingency([[80, 5, 40], [50, 9, 30]], correction=False).pvalue
    assert shift_p(before, after) == pytest.approx(expected, rel=1e-10)
    many = {str(i): 2 for i in range(10)}
    assert shift_p(many, {**many, "0": 5}) > 0.5
    assert shift_p({"a": 5}, {"a": 9}) == 1


@pytest.mark.parametrize(
    ("before", "after", "shifted"),
    [
        ({"good": 80, "bad": 20}, {"good": 60, "bad": 40}, True),
        ({"good": 80, "bad": 20}, {"good": 61, "bad": 39}, False),  # too little
        ({"good": 800, "bad": 200}, {"good": 700, "bad": 300}, False),  # sure, but too little
        ({"good": 24, "bad": 6}, {"good": 17, "bad": 13}, False),  # 0.23, but by chance
        ({"good": 20}, {"bad": 20}, False),  # too few to say
        ({"good": 1000}, {"bad": 20}, False),
        ({"good": 30}, {"bad": 30}, True),
        ({}, {"good": 100}, False),
    ],
)
def test_shifted(before: dict[str, int], after: dict[str, int], *, shifted: bool) -> None:
    assert has_shifted(before, after) is shifted


@pytest.mark.parametrize("n", [30, 50, 100])
def test_shifted__seldom_by_chance(n: int) -> None:
    chance = random.Random(5)

    def run() -> Counter[str]:
        return Counter(chance.choices(["good", "partial", "bad"], [6, 3, 1], k=n))

    assert sum(has_shifted(run(), run()) for _ in range(1000)) <= 20
