"""Outlook of a gate: what samples and answers can prove and find, before anything is asked.

A gate *proves* a margin if an unchanged chatbot passes it with 80 % chance. It *finds* a drop if a
chatbot that truly fell by it fails with 80 % chance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from lm_eval_so.core.stats.bounded import floor_of_se, smallest_p
from lm_eval_so.core.stats.distributions import normal_quantile, t_quantile
from lm_eval_so.core.stats.power import (
    LEAST_SAMPLES,
    MOST_EXACT,
    POWER,
    fail_chance,
    needed_for_flips,
    pass_chance,
    provable_margin,
    provable_margin_exact,
    repeats_for_flips,
    repeats_for_scores,
)

ASSUMED_FLIPS: Final = 0.10
"""Share of answers that flip between two runs, where nothing is known."""

_MOST_SAMPLES = 10**9
_STEPS = 30
_ALMOST = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Difference between two runs of one chatbot, each with one answer to a sample."""

    within: float
    """Variance of the difference of two answers to one sample: of right or wrong the share of
    samples that flip."""
    between: float = 0.0
    """Variance of the true changes of the samples; 0 if nothing changed."""
    is_binary: bool = True
    width: float = 1.0
    """Highest minus lowest possible score; 1 of right or wrong."""
    design: float = 1.0
    """Factor by which the samples of one group, as they change together, raise the variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Samples, and the answers to each of them."""

    samples: int
    baseline: float = 1
    """Answers to each sample in the baseline."""
    candidate: float = 1
    groups: int | None = None
    """Number of groups; None if every sample stands alone."""
    effective_groups: float | None = None
    """Number of groups of equal size that tell as much; None if every sample stands alone."""

    @property
    def units(self) -> float:
        """Number of samples or effective groups."""
        return self.samples if self.effective_groups is None else self.effective_groups

    @property
    def repeats(self) -> float:
        """Answers to each sample on both sides that tell as much, the harmonic mean."""
        return 2 / (1 / self.baseline + 1 / self.candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Least margin that a gate proves and least drop that it finds; None where there is none."""

    provable: float | None
    """Smallest margin that it proves, in score units."""
    detectable: float | None
    """Smallest true drop that it finds, in score units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    """Test of a mean change."""

    se: float
    """Standard error of the change."""
    floor: float
    """Smallest standard error of the lower end."""
    df_low: float
    """Degrees of freedom of the lower end."""
    df_high: float
    can_pass: bool
    """Whether there are enough samples, groups or answers for a pass."""
    can_fail: bool


def look_ahead(
    asked: Asked, noise: Noise, *, margin: float, is_these: bool = False, alpha: float = 0.05
) -> Outlook:
    """Return what a gate can prove and find with so many samples and answers.

    Args:
        asked: Samples and answers, at least one of each.
        noise: Difference between two runs of one chatbot.
        margin: Largest accepted drop, in score units; a fall that shows less does not fail.
        is_these: Whether the verdict is about these samples alone. That takes two answers to each
            on both sides; with fewer it is about samples like these.
        alpha: One-sided error, in (0, 0.5).

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908, and McNemar's mid-p, summed over all
    flips; for means Student (1908), Biometrika 6(1), 1–25, with the floor of `hall_interval`.
    """
    about_these = is_these and min(asked.baseline, asked.candidate) > 1
    if noise.is_binary and (about_these or _is_plain(asked)):
        n = math.floor(asked.samples * asked.repeats)
        can_pass = not about_these or n >= LEAST_SAMPLES
        return Outlook(
            provable=provable_by_flips(n, noise.within, alpha=alpha, is_guarded=not about_these)
            if can_pass
            else None,
            detectable=detectable_by_flips(n, noise.within, margin=margin, alpha=alpha),
        )
    mean = _mean_of_these(asked, noise, alpha) if about_these else _mean_of(asked, noise, alpha)
    beyond = normal_quantile(POWER) * mean.se
    provable = detectable = math.inf
    if mean.can_pass:
        provable = t_quantile(1 - alpha, mean.df_low) * max(mean.se, mean.floor) + beyond
    if mean.can_fail:
        detectable = max(t_quantile(1 - alpha, mean.df_high) * mean.se, margin) + beyond
    return Outlook(
        provable=provable if provable < noise.width else None,
        detectable=detectable if detectable <= noise.width else None,
    )


def _is_plain(asked: Asked) -> bool:
    return asked.groups is None and asked.baseline == asked.candidate == 1


def _mean_of(asked: Asked, noise: Noise, alpha: float) -> _Mean:
    """Return the test of a claim about samples like these: a sample or a group is one unit."""
    count = asked.samples if asked.groups is None else asked.groups
    units = max(asked.units, 2.0)
    variance = noise.design * (noise.between + noise.within / asked.repeats)
    return _Mean(
        se=math.sqrt(variance / asked.samples),
        floor=floor_of_se(noise.width, units, alpha=alpha),
        df_low=units - 1,
        df_high=max(count - 1, 1),
        can_pass=min(asked.units, asked.samples) >= LEAST_SAMPLES,
        can_fail=count > 1 and smallest_p(min(count, LEAST_SAMPLES)) <= alpha,
    )


def _mean_of_these(asked: Asked, noise: Noise, alpha: float) -> _Mean:
    """Return the test of a claim about these samples alone: an answer is one unit."""
    n = asked.samples
    units = n * min(asked.baseline, asked.candidate)
    df = max(n * (asked.baseline + asked.candidate - 2) / 2, 1)
    return _Mean(
        se=math.sqrt(noise.within / asked.repeats / n),
        floor=floor_of_se(noise.width, units, alpha=alpha),
        df_low=df,
        df_high=df,
        can_pass=units >= LEAST_SAMPLES,
        can_fail=smallest_p(min(n, LEAST_SAMPLES)) <= alpha,
    )


@lru_cache(maxsize=256)
def provable_by_flips(
    n: int, flip_share: float, *, alpha: float = 0.05, is_guarded: bool = True
) -> float | None:
    """Return the smallest margin that right or wrong answers prove with 80 % chance.

    Args:
        n: Number of samples, or of all answers to them, at least 1.
        flip_share: Share of them that flip between two runs of one chatbot, in [0, 1).
        alpha: One-sided error, in (0, 0.5).
        is_guarded: Whether the guard against rare drops counts, too.

    Returns:
        A margin in (0, 1), exact up to 3,000 samples; None if there is none.

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908, summed over all flips.
    """
    least = (provable_margin_exact if is_guarded else provable_margin)(n, alpha=alpha)
    near = max(least, _near_provable(n, flip_share, alpha))
    if n > MOST_EXACT:
        return near

    def is_proven(margin: float) -> bool:
        return pass_chance(n, flip_share, margin, alpha=alpha, is_guarded=is_guarded) >= POWER

    return _least(is_proven, near, _ALMOST)


@lru_cache(maxsize=256)
def detectable_by_flips(
    n: int, flip_share: float, *, margin: float = 0.0, alpha: float = 0.05
) -> float | None:
    """Return the smallest true drop of right or wrong answers that fails with 80 % chance.

    Answers that turn wrong come on top of those that flip both ways.

    Args:
        n: Number of samples, or of all answers to them, at least 1.
        flip_share: Share of them that flip between two runs of one chatbot, in [0, 1).
        margin: Largest accepted drop, in [0, 1); 0 asks for a proven fall alone.
        alpha: One-sided error, in (0, 0.5).

    Returns:
        A drop in (0, 1), exact up to 3,000 samples; None if there is none.

    Source: Fagerland, Lydersen, Laake (2013), BMC Medical Research Methodology 13:91, summed over
    all flips.
    """
    near = _near_detectable(n, flip_share, margin, alpha)
    most = (1 - flip_share) * _ALMOST
    if n > MOST_EXACT:
        return near if near <= most else None

    def is_found(drop: float) -> bool:
        return fail_chance(n, flip_share, drop, margin=margin, alpha=alpha) >= POWER

    return _least(is_found, near, most)


def needed_samples(asked: Asked, noise: Noise, *, margin: float, alpha: float = 0.05) -> int | None:
    """Return the fewest samples like these that prove a margin with 80 % chance.

    With a noise of 0 that is the number below which no pass is possible.

    Args:
        asked: Answers to each sample, and the groups that more samples come in, too.
        noise: Difference between two runs of one chatbot.
        margin: Largest accepted drop, in score units.
        alpha: One-sided error, in (0, 0.5).

    Returns:
        A number of samples; None above a thousand millions.
    """
    if noise.is_binary and _is_plain(asked):
        return needed_for_flips(noise.within, margin, alpha=alpha)

    def is_proven(samples: int) -> bool:
        provable = look_ahead(_enlarged(asked, samples), noise, margin=margin, alpha=alpha).provable
        return provable is not None and provable < margin

    low, high = 0, LEAST_SAMPLES
    while not is_proven(high):
        low, high = high, 2 * high
        if low > _MOST_SAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_proven(middle) else (middle, high)
    return high


def _enlarged(asked: Asked, samples: int) -> Asked:
    """Return another number of samples, in groups of the same sizes."""
    if asked.groups is None:
        return replace(asked, samples=samples)
    factor = samples / asked.samples
    return replace(
        asked,
        samples=samples,
        groups=math.ceil(asked.groups * factor),
        effective_groups=asked.units * factor,
    )


def needed_repeats(samples: int, noise: Noise, *, margin: float, alpha: float = 0.05) -> int:
    """Return the fewest answers to each sample, on both sides, that prove a margin for these alone.

    Args:
        samples: Number of samples, at least 1.
        noise: Difference between two runs of one chatbot.
        margin: Largest accepted drop, in score units.
        alpha: One-sided error, in (0, 0.5).
    """
    least = math.ceil(LEAST_SAMPLES / samples)
    if noise.is_binary:
        return max(least, repeats_for_flips(noise.within, margin, n=samples, alpha=alpha))
    needed = repeats_for_scores(noise.within, margin, n=samples, width=noise.width, alpha=alpha)
    return max(least, needed)


def _least(holds: Callable[[float], bool], near: float, most: float) -> float | None:
    """Return where a condition begins to hold that then holds on, by bisection from 0.

    Args:
        holds: The condition.
        near: About the value; twice of it is tried first.
        most: Largest value.
    """
    low, high = 0.0, min(2 * near, most)
    if not holds(high):
        low, high = high, most
        if low == high or not holds(high):
            return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _near_provable(n: int, flip_share: float, alpha: float) -> float:
    """Return about the smallest provable margin δ, from n = κψ/δ² + ¾z²/δ."""
    z = normal_quantile(1 - alpha)
    effect, half = (z + normal_quantile(POWER)) ** 2, 0.375 * z * z
    return (half + math.sqrt(half * half + n * effect * flip_share)) / n


def _near_detectable(n: int, flip_share: float, margin: float, alpha: float) -> float:
    """Return about the smallest drop that fails, by the normal approximation."""
    z, power = normal_quantile(1 - alpha), normal_quantile(POWER)
    drop = 1.0  # from above: without flips 0 would stay 0
    for _ in range(_STEPS):
        share = flip_share + drop
        beyond = power * math.sqrt(max(0.0, share - drop * drop) / n)
        drop = max(z * math.sqrt(share / n), margin) + beyond
    return drop
