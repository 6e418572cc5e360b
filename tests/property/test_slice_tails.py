"""The p-values of both directions mirror each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.comparator.effect.interval import estimate_flips
from lm_eval_so.core.stats.bounded import hall_interval
from lm_eval_so.core.stats.groups import grouped_interval

CHANGES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=60)


@given(CHANGES, st.booleans())
def test_hall__of_negated_changes_swaps_worse_and_better(changes, is_one_of_many) -> None:
    there = hall_interval(changes, width=1.0, is_one_of_many=is_one_of_many)
    back = hall_interval([-x for x in changes], width=1.0, is_one_of_many=is_one_of_many)
    assert there.p_worse == pytest.approx(back.p_better, rel=1e-6, abs=1e-12)
    assert there.p_better == pytest.approx(back.p_worse, rel=1e-6, abs=1e-12)


@given(CHANGES)
def test_hall__one_of_many_claims_no_more(changes) -> None:
    alone = hall_interval(changes, width=1.0)
    among = hall_interval(changes, width=1.0, is_one_of_many=True)
    assert among.p_worse >= alone.p_worse
    assert among.p_better >= alone.p_better
    assert (among.low, among.high) == (alone.low, alone.high)


@given(CHANGES)
def test_groups__of_negated_changes_swap_worse_and_better(changes) -> None:
    groups = [i // 2 for i in range(len(changes))]
    if len(set(groups)) < 2:
        return
    there = grouped_interval(changes, groups, width=1.0)
    back = grouped_interval([-x for x in changes], groups, width=1.0)
    assert there.p_worse == pytest.approx(back.p_better, rel=1e-6, abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_flips__swapped_swap_worse_and_better(worse, better, same) -> None:
    n = worse + better + same
    if n:
        there = estimate_flips(worse, better, n, alpha=0.05)
        back = estimate_flips(better, worse, n, alpha=0.05)
        assert there.p_worse == pytest.approx(back.p_better)
        assert there.p_worse + there.p_better == pytest.approx(1)
