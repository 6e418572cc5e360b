"""Margins that right or wrong answers prove, and drops that they show, by their exact chances."""

import math
from collections.abc import Callable
from functools import lru_cache

from lm_eval_so.core.stats.distributions import normal_quantile
from lm_eval_so.core.stats.power import (
    MOST_EXACT,
    POWER,
    fail_chance,
    pass_chance,
    provable_margin,
    provable_margin_exact,
)

_STEPS = 30
_ALMOST = 1 - 1e-9


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
