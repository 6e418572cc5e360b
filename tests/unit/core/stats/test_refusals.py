"""What the statistics refuse to answer."""

import pytest

from lm_eval_so.core.stats.binary import tango_interval, wilson_interval
from lm_eval_so.core.stats.bounded import hall_interval, mean_interval
from lm_eval_so.core.stats.groups import grouped_interval
from lm_eval_so.core.stats.ratios import ratio_of_means, ratio_of_percentiles


@pytest.mark.parametrize(
    "ask",
    [
        lambda: wilson_interval(0, 0),
        lambda: wilson_interval(3, 2),
        lambda: tango_interval(1, 1, 1),
        lambda: tango_interval(-1, 0, 4),
        lambda: hall_interval([0.5], width=1.0),
        lambda: grouped_interval([0.5, 0.5], ["a", "a"], width=1.0),
        lambda: ratio_of_means([0.0, 0.0], [1.0, 1.0]),
        lambda: ratio_of_means([1.0], [1.0]),
        lambda: ratio_of_percentiles([0.0, 1.0], [1.0, 1.0], level=0.5),
    ],
    ids=range(9),
)
def test_statistics__refuse_what_has_no_answer(ask) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ask()


def test_mean_interval__of_one_value_is_none() -> None:
    assert mean_interval([0.5], low=0.0, high=1.0) is None


def test_mean_interval__equal_values_leave_room_for_what_was_not_seen() -> None:
    low, high = mean_interval([1.0] * 100, low=0.0, high=1.0)
    assert (round(low, 4), high) == (0.9625, 1.0)
    assert mean_interval([3.0] * 100, low=0.0, high=None) == pytest.approx(
        (2.8876, 3.1124), abs=1e-4
    )


def test_intervals__bear_the_smallest_and_the_largest_values() -> None:
    for scale in (1e-200, 1e200):
        found = hall_interval([scale * x for x in (0.0, 1.0, 2.0, 5.0)], width=None)
        plain = hall_interval([0.0, 1.0, 2.0, 5.0], width=None)
        assert found.low == pytest.approx(scale * plain.low)
        assert found.p_worse == pytest.approx(plain.p_worse)
