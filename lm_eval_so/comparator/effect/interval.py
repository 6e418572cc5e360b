"""Interval, p-value and needed samples of a change of scores."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import neg, sub

from lm_eval_so.comparator.effect.finding import Shape
from lm_eval_so.comparator.effect.values import Complete, Differences, Moved, SideValues
from lm_eval_so.comparator.pairing import Groups
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.stats.binary import (
    count_flips,
    mcnemar_midp,
    rare_drop_bound,
    rules_out_rare_drop,
    tango_interval,
)
from lm_eval_so.core.stats.bounded import ROUNDING, Estimate, hall_interval, largest_of
from lm_eval_so.core.stats.fixed_items import ItemPairs
from lm_eval_so.core.stats.groups import interval_of_layout
from lm_eval_so.core.stats.power import (
    LEAST_SAMPLES,
    flip_share_of,
    needed_for_flips,
    needed_for_scores,
    provable_margin,
    provable_margin_exact,
    provable_margin_given,
    provable_margin_t,
    repeats_for_flips,
    repeats_for_scores,
)

_SLACK = 1e-9
"""Share of the range (of the margin, if the range is open) by which arithmetic may miss a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """Changes of some samples, all that a test needs to know of them."""

    changes: Sequence[float]
    """Change of each sample, positive = better."""
    groups: Groups | None
    """Groups of the same samples; None if all stand alone."""
    shape: Shape
    given: ItemPairs | None = None
    """Answers to these samples, if chance lies in the answers alone."""


def subtract(
    baseline: SideValues, candidate: SideValues, complete: Complete, shape: Shape
) -> Differences:
    """Return the change of each sample, with missing rows at their worst and at their best."""
    is_higher = shape.direction is Direction.HIGHER
    gains = gains_of(complete, shape)
    if shape.support is None or not (baseline.missing or candidate.missing):
        return Differences(complete=gains, worst=gains, best=gains)
    most = _gains(baseline.low, candidate.high, is_higher=True)
    least = most[:]
    gaps = sorted({*baseline.gaps, *candidate.gaps})
    for gap in gaps:
        least[gap] = candidate.low[gap] - baseline.high[gap]
    if not is_higher:
        most, least = array("d", map(neg, least)), array("d", map(neg, most))
    return Differences(complete=gains, worst=least, best=most, gaps=gaps)


def gains_of(complete: Complete, shape: Shape) -> "array[float]":
    """Return the change of each complete sample, positive = better."""
    is_higher = shape.direction is Direction.HIGHER
    return _gains(complete.baseline, complete.candidate, is_higher)


def rounding_of(gains: Sequence[float]) -> float:
    """Return the size up to which a change is rounding."""
    return ROUNDING * largest_of(gains) if gains else 0.0


def moved_of(gains: Sequence[float]) -> Moved:
    """Find the changes that are more than rounding."""
    limit = rounding_of(gains)
    return Moved(
        worse=array("I", (place for place, gain in enumerate(gains) if gain < -limit)),
        better=array("I", (place for place, gain in enumerate(gains) if gain > limit)),
    )


def _gains(
    baseline: Sequence[float], candidate: Sequence[float], is_higher: bool
) -> "array[float]":
    ends = (candidate, baseline) if is_higher else (baseline, candidate)
    return array("d", map(sub, *ends))


def estimate_change(tested: Tested, *, alpha: float) -> Estimate:
    """Estimate the mean change by the method that fits the metric."""
    changes, groups, shape = tested.changes, tested.groups, tested.shape
    if tested.given is not None:
        return estimate_given(tested.given, shape, alpha=alpha)
    if groups is not None:
        ordered = groups.layout.arrange(changes)
        return interval_of_layout(ordered, groups.layout, width=shape.width, alpha=alpha)
    if shape.kind is not MetricKind.BINARY:
        return hall_interval(changes, width=shape.width, alpha=alpha)
    return estimate_flips(*count_flips(changes), len(changes), alpha=alpha)


def estimate_given(given: ItemPairs, shape: Shape, *, alpha: float) -> Estimate:
    """Estimate the mean change of given samples from the noise of their answers alone."""
    if shape.kind is MetricKind.BINARY:
        flips = given.flips
        return estimate_flips(flips.worse, flips.better, flips.trials, alpha=alpha)
    return given.interval(width=_width_of(shape), alpha=alpha)


def estimate_flips(worse: float, better: float, n: float, *, alpha: float) -> Estimate:
    """Estimate the mean change of answers that are right or wrong from the flips among n."""
    low, high = tango_interval(worse, better, n, level=1 - 2 * alpha)
    mean = (better - worse) / n
    se = math.sqrt(max(0.0, (worse + better) / n - mean * mean) / n)
    return Estimate(
        value=mean,
        se=se,
        low=low,
        high=high,
        p_worse=mcnemar_midp(worse, better),
        p_better=mcnemar_midp(better, worse),
    )


def method_of(tested: Tested) -> str:
    """Return the name of the method of `estimate_change`."""
    if tested.given is not None:
        return "these_binary" if tested.shape.kind is MetricKind.BINARY else "these_scores"
    if tested.groups is not None:
        return "cr1"
    return "tango_midp" if tested.shape.kind is MetricKind.BINARY else "hall"


def needed_samples(tested: Tested, estimate: Estimate, *, margin: float, alpha: float) -> int:
    """Return the samples that would prove the margin with 80 % power if nothing changed."""
    n, groups, shape = len(tested.changes), tested.groups, tested.shape
    if groups is not None:
        units = groups.effective_units
        deviation = estimate.se * math.sqrt(units)
        needed = needed_for_scores(deviation, margin, width=shape.width, alpha=alpha)
        return math.ceil(needed * n / units)
    if shape.kind is MetricKind.BINARY:
        flip_share = flip_share_of(*count_flips(tested.changes), n, margin=margin)
        return needed_for_flips(flip_share, margin, alpha=alpha)
    deviation = estimate.se * math.sqrt(n)
    return needed_for_scores(deviation, margin, width=shape.width, alpha=alpha)


def needed_repeats(given: ItemPairs, shape: Shape, *, margin: float, alpha: float) -> int:
    """Return the answers to each given sample that would prove the margin, as `needed_samples` does."""
    n = given.n
    if shape.kind is MetricKind.BINARY:
        flips = given.flips
        share = flip_share_of(flips.worse, flips.better, flips.trials, margin=margin)
        return repeats_for_flips(share, margin, n=n, alpha=alpha)
    return repeats_for_scores(given.noise, margin, n=n, width=_width_of(shape), alpha=alpha)


def smallest_margin(tested: Tested, *, alpha: float) -> float | None:
    """Return the smallest margin that so many samples can prove; None if there is no floor."""
    n, groups, shape, given = len(tested.changes), tested.groups, tested.shape, tested.given
    if shape.width is None:
        return None
    if given is not None and shape.kind is MetricKind.BINARY:
        return provable_margin(given.trials, alpha=alpha)
    if given is not None:
        freedom = given.freedom
        return provable_margin_given(given.trials, freedom, width=shape.width, alpha=alpha)
    if groups is not None:
        return provable_margin_t(groups.effective_units, width=shape.width, alpha=alpha)
    if shape.kind is MetricKind.BINARY:
        return provable_margin_exact(n, alpha=alpha)
    return provable_margin_t(n, width=shape.width, alpha=alpha)


def falls_by_margin(delta: float | None, shape: Shape, *, margin: float) -> bool:
    """Return whether a mean change is a fall of at least the margin."""
    slack = _SLACK * (margin if shape.width is None else shape.width)
    return delta is not None and delta <= slack - margin


def can_pass(tested: Tested) -> bool:
    """Return whether there are enough samples, groups, or answers to given samples for a pass."""
    if tested.given is not None:
        return tested.given.whole_trials >= LEAST_SAMPLES
    least = 1 if tested.shape.kind is MetricKind.BINARY else LEAST_SAMPLES
    has_groups = tested.groups is None or tested.groups.effective_units >= LEAST_SAMPLES
    return has_groups and len(tested.changes) >= least


def holds(tested: Tested, estimate: Estimate, *, margin: float, alpha: float) -> bool:
    """Return whether an estimate proves a margin, on enough samples or groups for a pass."""
    if not can_pass(tested) or estimate.low <= -margin:
        return False
    flips = _guarded(tested)
    if flips is None or estimate.low > 0:
        return True
    return rules_out_rare_drop(*flips, len(tested.changes), margin=margin, alpha=alpha)


def guard_of(tested: Tested, estimate: Estimate, *, margin: float, alpha: float) -> float | None:
    """Return the bound of the guard against rare drops; None unless that alone bars a pass."""
    flips, is_barred = _guarded(tested), not holds(tested, estimate, margin=margin, alpha=alpha)
    if flips is None or estimate.low <= -margin or not is_barred:
        return None
    return rare_drop_bound(*flips, len(tested.changes), alpha=alpha)


def _guarded(tested: Tested) -> tuple[int, int] | None:
    """Return the flips of samples drawn, right or wrong, that stand alone; None of other scores."""
    is_alone = tested.groups is None and tested.given is None
    is_plain = tested.shape.kind is MetricKind.BINARY and is_alone
    return count_flips(tested.changes) if is_plain else None


def _width_of(shape: Shape) -> float:
    if shape.width is None:
        raise ValueError("scores of an open range have no noise that bounds them")
    return shape.width
