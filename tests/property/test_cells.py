"""What cells add up to is what the samples say."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lm_eval_so.comparator.effect.interval import estimate_flips
from lm_eval_so.core.stats.binary import count_flips
from lm_eval_so.core.stats.bounded import hall_interval, interval_of_spread
from lm_eval_so.core.stats.cells import flips_by_cell, sums_by_cell
from lm_eval_so.core.stats.groups import Layout, lay_out

SCORES = st.floats(-1, 1).map(lambda change: round(change, 3))
FLIPS = st.sampled_from([-1.0, 0.0, 1.0])


def divided(cells: list[int]) -> Layout:
    """Put samples in the order of their cells."""
    return lay_out(range(len(cells)), cells)


@st.composite
def slices(draw, changes):
    """Return changes, the cell of each, and the cells of a slice with two samples or more."""
    given_changes = draw(st.lists(changes, min_size=2, max_size=60))
    size = len(given_changes)
    cells = draw(st.lists(st.integers(0, 7), min_size=size, max_size=size))
    chosen = draw(st.sets(st.sampled_from(cells), min_size=1))
    assume(sum(cell in chosen for cell in cells) >= 2)
    return given_changes, cells, chosen


def take_of(layout: Layout, cells: list[int], chosen: set[int]):
    """Return what takes the entries of the chosen cells."""
    numbers = [n for n in range(layout.units) if cells[layout.own(n)[0]] in chosen]
    return lambda column: [column[number] for number in numbers]


def own_of(changes: list[float], cells: list[int], chosen: set[int]) -> list[float]:
    """Return the changes of the slice."""
    return [change for change, cell in zip(changes, cells, strict=True) if cell in chosen]


def replaced(changes: list[float], values, data) -> tuple[list[float], set[int]]:
    """Return other changes at some places, and these places."""
    places = data.draw(st.sets(st.sampled_from(range(len(changes)))))
    instead = list(changes)
    for place in places:
        instead[place] = data.draw(values)
    return instead, places


@given(slices(SCORES), SCORES)
def test_sums__of_a_slice_say_what_its_samples_say(made, shift) -> None:
    changes, cells, chosen = made
    changes = [change + shift for change in changes]
    layout = divided(cells)
    spread = sums_by_cell(changes, layout, width=4.0).of(take_of(layout, cells, chosen))
    expected = hall_interval(own_of(changes, cells, chosen), width=4.0, is_one_of_many=True)
    found = interval_of_spread(spread, width=4.0, is_one_of_many=True)
    for name in ("value", "low", "high", "p_worse", "p_better"):
        wanted = pytest.approx(getattr(expected, name), rel=1e-6, abs=1e-9)
        assert getattr(found, name) == wanted, name
    assert spread.changed == sum(abs(x) > 1e-12 for x in own_of(changes, cells, chosen))


@given(slices(st.floats(0.5, 1)), st.sampled_from([1e-120, 1e-60, 1e60, 1e120]))
def test_sums__of_very_large_and_very_small_changes_keep_their_digits(made, scale) -> None:
    changes, cells, chosen = made
    changes = [change * scale for change in changes]
    layout = divided(cells)
    spread = sums_by_cell(changes, layout, width=None).of(take_of(layout, cells, chosen))
    expected = hall_interval(own_of(changes, cells, chosen), width=None)
    assert interval_of_spread(spread, width=None).low == pytest.approx(expected.low, rel=1e-4)


@given(st.integers(2, 300), SCORES)
def test_sums__of_equal_changes_are_no_narrower_than_the_floor_allows(n, change) -> None:
    # the other cell is far away, so that few digits are left of this one
    changes, cells = [change] * n + [change - 1] * n, [0] * n + [1] * n
    layout = divided(cells)
    spread = sums_by_cell(changes, layout, width=2.0).of(take_of(layout, cells, {0}))
    expected = hall_interval([change] * n, width=2.0)
    found = interval_of_spread(spread, width=2.0)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high >= expected.high - 1e-9
    assert found.p_better == pytest.approx(expected.p_better, abs=1e-6)


@given(slices(st.sampled_from([-1e-110, 0.0, 1e-110, 1e-30])))
def test_sums__of_changes_that_are_nothing_beside_those_of_other_slices(made) -> None:
    changes, cells, chosen = made
    changes, cells = [*changes, -1.0, 1.0], [*cells, 8, 8]
    layout = divided(cells)
    spread = sums_by_cell(changes, layout, width=None).of(take_of(layout, cells, chosen))
    found = interval_of_spread(spread, width=None)
    assert found.low <= found.value <= found.high
    assert (found.p_worse >= 0.5, found.p_better >= 0.5) == (True, True)


@given(slices(FLIPS))
def test_flips__of_a_slice_are_those_of_its_samples(made) -> None:
    changes, cells, chosen = made
    layout = divided(cells)
    worse, better = flips_by_cell(changes, layout).of(take_of(layout, cells, chosen))
    own = own_of(changes, cells, chosen)
    assert (worse, better) == count_flips(own)
    assert estimate_flips(worse, better, len(own), alpha=0.05).value == pytest.approx(
        sum(own) / len(own)
    )


@given(slices(SCORES), st.data())
def test_with_others__of_scores_is_as_if_they_had_been_there_in_the_first_place(made, data) -> None:
    changes, cells, chosen = made
    instead, places = replaced(changes, SCORES, data)
    layout = divided(cells)
    found = sums_by_cell(changes, layout, width=4.0).with_others(instead, places)
    spread, own = found.of(take_of(layout, cells, chosen)), own_of(instead, cells, chosen)
    assert (spread.n, spread.largest) == (len(own), max(map(abs, own)))
    assert spread.changed == sum(abs(change) > 1e-11 for change in own)
    assert spread.mean == pytest.approx(sum(own) / len(own), abs=1e-9)
    variance = sum((change - spread.mean) ** 2 for change in own) / (len(own) - 1)
    assert spread.se**2 * spread.n == pytest.approx(variance, abs=1e-9)


@given(slices(FLIPS), st.data())
def test_with_others__of_flips_is_as_if_they_had_been_there_in_the_first_place(made, data) -> None:
    changes, cells, chosen = made
    instead, places = replaced(changes, FLIPS, data)
    layout = divided(cells)
    found = flips_by_cell(changes, layout).with_others(instead, places)
    assert found.of(take_of(layout, cells, chosen)) == count_flips(own_of(instead, cells, chosen))


@given(st.lists(st.integers(0, 20), max_size=80))
def test_layout__puts_groups_side_by_side_the_smallest_first(groups) -> None:
    layout = lay_out(range(len(groups)), groups)
    assert sorted(layout.order) == list(range(len(groups)))
    sizes = [groups.count(groups[place]) for place in layout.order]
    assert sizes == sorted(sizes)
    assert layout.units == len(set(groups))
    for name, place in zip(layout.names, layout.order, strict=True):
        mates = [p for n, p in zip(layout.names, layout.order, strict=True) if n == name]
        assert {groups[p] for p in mates} == {groups[place]}
        assert len(mates) == groups.count(groups[place])
