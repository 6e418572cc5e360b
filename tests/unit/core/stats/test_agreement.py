"""Agreement of raters, against worked examples and other implementations."""

import random
import warnings
from typing import Any

import pytest

from lm_eval_so.core.stats.agreement import cohen_kappa, krippendorff_alpha, spearman_rho

NOMINAL = list(zip([1, 1, 0, 0, 1, None], [1, 0, 0, 0, 1, 1], [1, 1, 0, 1, None, 1], strict=True))
STEPS = list(zip([1, 2, 3, 4, 5, 3], [1, 2, 3, 4, 4, 3], [2, 2, 3, 5, 5, 2], strict=True))


@pytest.mark.parametrize(
    ("units", "level", "alpha"),
    [
        (NOMINAL, "nominal", 0.5),
        (STEPS, "ordinal", 0.886564),
        (STEPS, "interval", 0.865079),
        ([("good", "good"), ("good", "good")], "nominal", None),
        ([("good", None), (None, "bad")], "nominal", None),
        ([], "nominal", None),
        ([("좋음", "나쁨"), ("나쁨", "좋음")], "nominal", -0.5),
    ],
)
def test_krippendorff_alpha__examples(units: Any, level: Any, alpha: float | None) -> None:
    found = krippendorff_alpha(units, level=level)
    assert found == (None if alpha is None else pytest.approx(alpha, abs=1e-6))


def test_krippendorff_alpha__is_that_of_the_package() -> None:
    import krippendorff
    import numpy as np

    chance = random.Random(11)
    compared = 0
    for _ in range(60):
        rows = [
            [chance.choice([1, 2, 3, 4, None]) for _ in range(chance.randint(2, 15))]
            for _ in range(1)
        ]
        rows += [[chance.choice([1, 2, 3, 4, None]) for _ in rows[0]] for _ in range(2)]
        table = [[np.nan if value is None else value for value in row] for row in rows]
        for level in ("nominal", "ordinal", "interval"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
            except ValueError:
                continue
            if np.isnan(theirs):
                continue
            ours = krippendorff_alpha(zip(*rows, strict=True), level=level)
            assert ours == pytest.approx(theirs, abs=1e-9)
            compared += 1
    assert compared > 100


def test_krippendorff_alpha__order_of_units_and_raters_does_not_matter() -> None:
    chance = random.Random(3)
    shuffled = [tuple(chance.sample(unit, len(unit))) for unit in STEPS]
    chance.shuffle(shuffled)
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha(shuffled, level=level) == krippendorff_alpha(STEPS, level=level)


def test_cohen_kappa__examples() -> None:
    counts = {("good", "good"): 40, ("good", "bad"): 10, ("bad", "good"): 5, ("bad", "bad"): 45}
    pairs = [pair for pair, n in counts.items() for _ in range(n)]
    assert cohen_kappa(pairs) == pytest.approx(0.70)
    assert cohen_kappa([("good", "good")]) is None
    assert cohen_kappa([]) is None


def test_cohen_kappa__is_that_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    chance = random.Random(5)
    for _ in range(40):
        first = [chance.choice("abcd") for _ in range(30)]
        second = [a if chance.random() < 0.5 else chance.choice("abcd") for a in first]
        pairs = list(zip(first, second, strict=True))
        plain = cohen_kappa_score(first, second)
        weighted = cohen_kappa_score(first, second, labels=list("abcd"), weights="quadratic")
        assert cohen_kappa(pairs) == pytest.approx(plain)
        assert cohen_kappa(pairs, order="abcd") == pytest.approx(weighted)


@pytest.mark.parametrize(
    ("pairs", "rho"),
    [
        ([(1, 10), (2, 20), (3, 30)], 1.0),
        ([(1, 30), (2, 20), (3, 10)], -1.0),
        ([(106, 7), (100, 27), (86, 2), (101, 50), (99, 28)], 0.3),
        ([(1, 1), (1, 1), (2, 1)], None),
        ([(1, 2), (1, 3), (2, 3), (2, 2)], 0.0),
        ([], None),
    ],
)
def test_spearman_rho__examples(pairs: list[tuple[float, float]], rho: float | None) -> None:
    assert spearman_rho(pairs) == (None if rho is None else pytest.approx(rho))
    assert spearman_rho(pairs[::-1]) == spearman_rho(pairs)
