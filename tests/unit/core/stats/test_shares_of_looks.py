"""Looks share the error of a pass: in total it stays what was promised."""

import random

import pytest

from lm_eval_so.core.stats.distributions import normal_quantile
from lm_eval_so.core.stats.multiple import early_share, last_share


@pytest.mark.parametrize("early", range(1, 5))
def test_shares__in_total_the_error_is_nearly_used_up_and_not_exceeded(early: int) -> None:
    dice, runs, wrong = random.Random(early), 40_000, 0
    bounds = [
        normal_quantile(1 - 0.05 * share) for share in (early_share(early), last_share(early))
    ]
    for _ in range(runs):
        # two rounds before the first look, then one more for each
        total = dice.gauss(0, 2**0.5)
        for answers in range(2, early + 3):
            if total > bounds[answers == early + 2] * answers**0.5:
                wrong += 1
                break
            total += dice.gauss(0, 1)
    assert 0.0455 <= wrong / runs <= 0.0525


@pytest.mark.parametrize("early", [0, 5, 9, 10, 40, 998])
def test_shares__of_many_looks_add_up_to_the_whole(early: int) -> None:
    assert early * early_share(early) + last_share(early) == pytest.approx(1)
    assert 0.099 < last_share(early) <= 1
    assert 0 < early_share(early) <= 0.1


def test_shares__more_looks_leave_less_for_the_last() -> None:
    shares = [round(last_share(early), 9) for early in range(12)]
    assert shares == sorted(shares, reverse=True)
