"""What a comparison says of a slice is what the slice's samples say, taken by themselves."""

import math
import random

import pytest
from comparing import judge
from factories import make_report
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.comparator.effect.interval import estimate_flips
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.stats.binary import count_flips
from lm_eval_so.core.stats.bounded import hall_interval
from lm_eval_so.core.stats.groups import grouped_interval

SHAPES = {
    MetricKind.BINARY: (lambda rng: float(rng.random() < 0.7), (0.0, 1.0)),
    MetricKind.BOUNDED: (lambda rng: float(rng.randint(-3, 5)), (-3.0, 5.0)),
    MetricKind.UNBOUNDED: (lambda rng: round(rng.gauss(0, 20), 2), None),
}
TAGS = ["환불", "배송", "(other)", "(none)", *(f"t{i}" for i in range(40))]
GATE = {"metrics": {"m": {"margin": 0.5}}}


def made(rng, value, *, most_missing):
    """Return both sides' repeats per sample, and the samples' tags, groups and order."""
    n, repeats = rng.choice([(200, 1), (100, 2)])
    share = rng.choice([0.03, 0.5])
    before = [[value(rng)] * repeats for _ in range(n)]
    now = [[value(rng) if rng.random() < share else v for v in own] for own in before]
    for _ in range(rng.randint(0, most_missing)):
        rng.choice(rng.choice([before, now]))[rng.randrange(repeats)] = None
    kinds = rng.choice([TAGS, TAGS[:4]])
    tags = [rng.choices(kinds, k=rng.randint(0, 3)) for _ in range(n)]
    size = rng.choice([None, None, 1, 2, 3])
    groups = [None if size is None or rng.random() < 0.2 else f"g{i // size}" for i in range(n)]
    order = rng.sample(range(n), n) if rng.random() < 0.5 else range(n)
    return before, now, tags, groups, order


def ends_of(values, support):
    """Return the mean, and the means with what is missing at the low and at the high end."""
    there = [value for value in values if value is not None]
    mean = math.fsum(there) / len(there) if there else None
    if support is None:
        return mean, mean, mean
    filled = [[end if v is None else v for v in values] for end in support]
    return mean, *(math.fsum(each) / len(each) for each in filled)


def ends_of_change(before, now, support, direction):
    """Return the change at its worst and at its best; None if an open range does not tell."""
    (_, old_low, old_high), (_, low, high) = ends_of(before, support), ends_of(now, support)
    if old_low is None or low is None:
        return None
    if direction is Direction.LOWER:
        return old_low - high, old_high - low
    return low - old_high, high - old_low


def estimate(changes, groups, kind, support):
    """Estimate by the plain functions."""
    width = support[1] - support[0] if support else None
    if groups is not None and len(set(groups)) < len(groups):
        return grouped_interval(changes, groups, width=width)
    if kind is MetricKind.BINARY:
        return estimate_flips(*count_flips(changes), len(changes), alpha=0.05)
    return hall_interval(changes, width=width, is_one_of_many=True)


def members_of(tags, counted):
    """Return the samples of each tag, of more than thirty the largest."""
    found = {}
    for i in counted:
        for tag in dict.fromkeys(tags[i] or ["(none)"]):
            found.setdefault(tag, []).append(i)
    if len(found) <= 30:
        return found
    names = sorted(found.keys() - {"(other)"}, key=lambda tag: (-len(found[tag]), tag))
    rest = {i for tag in ("(other)", *names[30:]) for i in found.get(tag, ())}
    return {tag: found[tag] for tag in names[:30]} | {"(other)": sorted(rest)}


@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("direction", list(Direction))
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_slices__say_what_their_samples_say(kind, direction, seed) -> None:
    value, support = SHAPES[kind]
    given_one = made(random.Random(seed), value, most_missing=3 if support else 1)
    *sides, tags, groups, order = given_one
    shape = {"kinds": {"m": kind}, "directions": {"m": direction}, "ranges": {"m": support}}
    before = make_report({"m": sides[0]}, groups=groups, **shape)
    now = make_report(
        {"m": [sides[1][i] for i in order]},
        ids=[f"s{i}" for i in order],
        groups=[groups[i] for i in order],
        tags=[tags[i] for i in order],
        **shape,
    )
    told = judge(before, now, gate=GATE)
    changes = [ends_of_change(*pair, support, direction) for pair in zip(*sides, strict=True)]
    counted = [i for i, change in enumerate(changes) if change is not None]
    members = members_of(tags, counted)
    if len(sides[0][0]) > 1 and kind is MetricKind.BINARY:
        kind = MetricKind.BOUNDED
    alone = [i if group is None else group for i, group in enumerate(groups)]
    has_groups = len(set(alone)) < len(alone)
    assert len(told.slices) == min(50, sum(len(own) < len(counted) for own in members.values()))
    for each in told.slices:
        own = members[each.value]
        assert each.n == len(own)
        of_own = [alone[i] for i in own] if has_groups else None
        assert each.small == (len(set(of_own or own)) < 10)
        if each.small:
            continue
        worst, best = (
            estimate([changes[i][end] for i in own], of_own, kind, support) for end in (0, 1)
        )
        assert each.ci90 == pytest.approx((worst.low, best.high), rel=1e-6, abs=1e-8)
        assert each.p_raw == pytest.approx(min(best.p_worse, worst.p_better), rel=1e-5, abs=1e-9)
