"""What must hold of changes on given samples, whatever the answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.stats.binary import tango_interval
from lm_eval_so.core.stats.fixed_items import ItemPairs, sum_up


@st.composite
def asked_items(draw, levels):
    """Draw answers to the same samples on both sides, as often to each sample of a side."""
    n = draw(st.integers(2, 12))
    k, kb = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    sides = [
        [draw(st.lists(st.sampled_from(levels), min_size=size, max_size=size)) for _ in range(n)]
        for size in (kb, k)
    ]
    before, after = (list(map(sum_up, side)) for side in sides)
    return ItemPairs(before=before, after=after), kb, k


@given(asked_items([0.0, 1.0]))
def test_flips__of_given_samples_are_those_of_their_means(drawn) -> None:
    pairs, kb, k = drawn
    flips, n = pairs.flips, pairs.n
    change = sum(new.mean - old.mean for old, new in zip(pairs.before, pairs.after, strict=True))
    assert (flips.better - flips.worse) / flips.trials == pytest.approx(change / n, abs=1e-12)
    # never more pairs than there are, never fewer than the smaller number of answers gives
    assert n * min(k, kb) <= flips.trials * (1 + 1e-9)
    assert flips.trials <= n * max(k, kb) * (1 + 1e-9)
    if k == kb:
        assert flips.trials == pytest.approx(n * k)
    low, high = tango_interval(flips.worse, flips.better, flips.trials)
    assert -1 <= low <= change / n + 1e-9
    assert change / n - 1e-9 <= high <= 1


@given(asked_items([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_interval__of_given_samples_turns_with_the_sides(drawn) -> None:
    pairs, _, _ = drawn
    there, back = pairs.interval(width=1), pairs.turned().interval(width=1)
    assert there.value == pytest.approx(-back.value, abs=1e-12)
    assert (there.p_worse, there.p_better) == pytest.approx((back.p_better, back.p_worse))
    assert -1 <= there.low <= there.value + 1e-12
    assert there.value - 1e-12 <= there.high <= 1
    assert max(there.p_worse, there.p_better) >= 0.5 - 1e-12


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_flips__of_single_answers_are_those_of_samples(answers) -> None:
    before, after = ([sum_up([float(a[side])]) for a in answers] for side in (0, 1))
    flips = ItemPairs(before=before, after=after).flips
    worse = sum(old and not new for old, new in answers)
    better = sum(new and not old for old, new in answers)
    assert (flips.worse, flips.better, flips.trials) == pytest.approx((worse, better, len(answers)))
