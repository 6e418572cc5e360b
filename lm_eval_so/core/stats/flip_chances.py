"""Right or wrong, asked anew: the exact chance of a pass and of a fail, and the margins behind them.

Summed over all flips that may happen between two runs of one chatbot.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

from lm_eval_so.core.stats.binary import (
    binomial_cdf,
    binomial_pmf,
    mcnemar_midp,
    rare_drop_bound,
    rules_out_rare_drop,
    tango_score,
)
from lm_eval_so.core.stats.distributions import normal_quantile

POWER: Final = 0.80
"""Chance that a number of samples or a margin is made for."""
MOST_EXACT: Final = 3000
"""Above so many samples the normal approximation is near enough."""

_FAR = 7.0
"""Standard deviations of the number of flips beyond which its chance counts as 0."""
_MOST_LOST = 1 - 1e-12
"""Largest share of flips for the worse that the carried sums are made for."""
_ALMOST = 1 - 1e-9
_ROUNDING = 1e-9
_STEPS = 30


def pass_chance(
    n: int, flip_share: float, margin: float, *, alpha: float = 0.05, is_guarded: bool = True
) -> float:
    """Return the exact chance of a pass of binary scores if nothing changed.

    Args:
        n: Number of samples, or of answers to given samples.
        flip_share: Share of samples whose score differs between two runs, in [0, 1).
        margin: Largest accepted drop, in (0, 1).
        alpha: One-sided error, in (0, 0.5).
        is_guarded: Whether a pass without a gain must get past the guard against rare drops, too.
    """
    z = normal_quantile(1 - alpha)
    most, trial = _most_lost(n, margin, alpha) if is_guarded else n, -margin
    if most < 0:  # too few samples for a pass, but for a proven gain
        most, trial = n, 0.0

    def passes(worse: int, better: int) -> bool:
        return worse - better <= most and tango_score(worse, better, n, trial) > z

    return _chance_of_few_lost(n, flip_share, 0.5, passes)


def fail_chance(
    n: int, flip_share: float, drop: float, *, margin: float = 0.0, alpha: float = 0.05
) -> float:
    """Return the exact chance that binary scores fail the gate if they truly fell.

    They fail if the test proves a fall and the fall that shows reaches the margin.

    Args:
        n: Number of samples, or of answers to given samples.
        flip_share: Share of samples whose score differs between two runs without a change.
        drop: True drop; `flip_share` and it are below 1 together.
        margin: Largest accepted drop, in [0, 1); 0 asks for the proof alone.
        alpha: One-sided error, in (0, 0.5).
    """
    share = flip_share + drop
    lost_share = min((flip_share / 2 + drop) / share, _MOST_LOST) if share else 0.5
    return 1 - _chance_of_few_lost(n, share, lost_share, _is_kept(n, margin, alpha))


@lru_cache(maxsize=2)
def _is_kept(n: int, margin: float, alpha: float) -> Callable[[int, int], bool]:
    """Return the test for flips that do not fail the gate; it remembers its answers."""
    least = margin * n - _ROUNDING * n

    @cache
    def is_kept(worse: int, better: int) -> bool:
        return worse - better < least or mcnemar_midp(worse, better) > alpha

    return is_kept


def _chance_of_few_lost(
    n: int, flip_share: float, lost_share: float, are_few: Callable[[int, int], bool]
) -> float:
    """Return the chance that few enough of n samples are lost.

    Of m flips the number for the worse is binomial. How many of them are few stays, or grows by one
    with each flip more, so two binomial sums are carried along with m.

    Args:
        n: Number of samples.
        flip_share: Share of samples that flip, in [0, 1).
        lost_share: Share of the flips that are for the worse, in (0, 1).
        are_few: Test of flips (worse, better); with one less worse or one more better it holds, too.
    """
    reach = _FAR * math.sqrt(n * flip_share * (1 - flip_share)) + _FAR
    m = max(0, math.floor(n * flip_share - reach))
    last = min(n, math.ceil(n * flip_share + reach))
    w = -1
    while w < m and are_few(w + 1, m - w - 1):
        w += 1
    chance, total = binomial_pmf(m, n, flip_share), 0.0
    below = at = 0.0
    if w >= 0:
        below, at = binomial_cdf(w, m, lost_share), binomial_pmf(w, m, lost_share)
    odds, lost_odds = flip_share / (1 - flip_share), lost_share / (1 - lost_share)
    while True:
        total += chance * below
        if m == last:
            return total
        chance *= odds * (n - m) / (m + 1)
        m += 1
        below -= at * lost_share
        at *= (1 - lost_share) * m / (m - w)
        if are_few(w + 1, m - w - 1):
            w += 1
            at = at * lost_odds * (m - w + 1) / w if w else (1 - lost_share) ** m
            below += at


@lru_cache(maxsize=4096)
def _most_lost(n: int, margin: float, alpha: float) -> int:
    """Return the most net losses that the guard against rare drops lets pass; −1 if none."""
    lost = -1
    while rules_out_rare_drop(lost + 1, 0, n, margin=margin, alpha=alpha):
        lost += 1
    return lost


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
    z = normal_quantile(1 - alpha)
    near = max(z * z / (n + z * z), _near_provable(n, flip_share, alpha))
    if is_guarded:
        near = max(near, rare_drop_bound(0, 0, n, alpha=alpha))
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
