"""Power: numbers of samples needed for a margin, and margins provable with a number of samples.

With the needed number an unchanged chatbot passes with 80 % power.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache

from lm_eval_so.core.stats.binary import (
    binomial_cdf,
    binomial_pmf,
    mcnemar_midp,
    rare_drop_bound,
    rules_out_rare_drop,
    tango_score,
)
from lm_eval_so.core.stats.bounded import floor_of_se
from lm_eval_so.core.stats.distributions import normal_quantile, t_quantile

POWER = 0.80
"""Chance that a number of samples or a margin is made for."""
LEANS = 0.2
"""P-value up to which a fall that reaches the margin leans worse."""
LEAST_SAMPLES = 10
"""Fewest samples for an interval of a mean."""
LEAST_REPEATS = 2
"""Fewest answers to a sample that tell its noise."""

_ROUNDING = 1e-9
MOST_EXACT = 3000
"""Above so many samples the normal approximation is near enough."""
_SHORTEST = 0.7
"""Share of the approximation below which no number of samples has the power."""
_HOLDS_ON = 1.03
"""Factor up to which more samples must have the power, too: it rises in small steps and falls between."""
_JUMP = 0.8
"""Net losses by which the exact chance may run ahead of its approximation; at most 0.6 was found."""
_FAR = 7.0
"""Standard deviations of the number of flips beyond which its chance counts as 0."""
_MOST_LOST = 1 - 1e-12
"""Largest share of flips for the worse that the carried sums are made for."""
_MOST = 1e15
"""Largest number of samples reported, since a float may be infinite."""


@lru_cache(maxsize=1024)
def needed_for_flips(flip_share: float, margin: float, *, alpha: float = 0.05) -> int:
    """Return the number of samples that binary scores need, by the exact chance of a pass.

    The chance has its power with so many samples, and with 3 % more.

    Args:
        flip_share: Share of samples whose score differs between two runs of the same model.
        margin: Largest accepted drop, in (0, 1).
        alpha: One-sided error, in (0, 0.5).

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908, summed over all flips.
    """
    near = _answers_near(flip_share, margin, alpha)
    if near > MOST_EXACT:
        return near
    n = max(math.floor(_SHORTEST * near), needed_without_flips(margin, alpha=alpha))
    while True:
        chance = pass_chance(n, flip_share, margin, alpha=alpha)
        more = math.ceil(_HOLDS_ON * n)
        if chance >= POWER and pass_chance(more, flip_share, margin, alpha=alpha) >= POWER:
            return n
        n += max(1, _far_from_power(chance, n, flip_share, margin))


def flip_share_of(worse: float, better: float, n: float, *, margin: float) -> float:
    """Estimate the share of samples whose score flips between two runs of the same model.

    One flip more and two samples more: no flips seen does not mean that there are none. Flips of a
    fall that reaches the margin and leans worse are no noise, so only those both ways count.
    """
    is_fall = better - worse <= -margin * n and mcnemar_midp(worse, better) <= LEANS
    flips = 2 * min(worse, better) if is_fall else worse + better
    return (flips + 1) / (n + 2)


def _far_from_power(chance: float, n: int, flip_share: float, margin: float) -> int:
    """Return how many more samples are still too few for the power, by the normal approximation.

    The exact chance jumps where one more net loss may pass, so the last jump is left to be searched.
    """
    if not 0 < chance < POWER:
        return 0
    missing = normal_quantile(POWER) - normal_quantile(chance)
    return math.floor(2 / margin * (missing * math.sqrt(n * flip_share) - _JUMP))


def pass_chance(
    n: int, flip_share: float, margin: float, *, alpha: float = 0.05, is_guarded: bool = True
) -> float:
    """Return the exact chance of a pass of binary scores if nothing changed.

    Args:
        n: Number of samples, or of answers to given samples.
        flip_share: Share of samples whose score differs between two runs, in [0, 1).
        margin: Largest accepted drop, in (0, 1).
        alpha: One-sided error, in (0, 0.5).
        is_guarded: Whether a pass must get past the guard against rare drops, too.
    """
    z = normal_quantile(1 - alpha)
    most = _most_lost(n, margin, alpha) if is_guarded else n

    def passes(worse: int, better: int) -> bool:
        return worse - better <= most and tango_score(worse, better, n, -margin) > z

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


def _most_lost(n: int, margin: float, alpha: float) -> int:
    """Return the most net losses that the guard against rare drops lets pass; −1 if none."""
    lost = -1
    while rules_out_rare_drop(lost + 1, 0, n, margin=margin, alpha=alpha):
        lost += 1
    return lost


@lru_cache(maxsize=1024)
def repeats_for_flips(flip_share: float, margin: float, *, n: int, alpha: float = 0.05) -> int:
    """Return the answers that each of n given samples needs on both sides, if right or wrong; ≥ 2.

    As many answers k count as n·k samples that are drawn; see `fixed_items`.

    Args:
        flip_share: Share of the answers that differ between two runs of the same model.
        margin: Largest accepted drop, in (0, 1).
        n: Number of samples, ≥ 1.
        alpha: One-sided error, in (0, 0.5).
    """
    near = _ceil(_answers_near(flip_share, margin, alpha) / n)
    if near * n > MOST_EXACT:
        return max(near, LEAST_REPEATS)
    k = max(LEAST_REPEATS, math.floor(_SHORTEST * near))
    while not all(
        pass_chance(answers, flip_share, margin, alpha=alpha, is_guarded=False) >= POWER
        for answers in (k * n, math.ceil(_HOLDS_ON * k * n))
    ):
        k += 1
    return k


def repeats_for_scores(
    noise: float, margin: float, *, n: int, width: float, alpha: float = 0.05
) -> int:
    """Return the answers that each of n given samples needs on both sides, of scores; ≥ 2.

    Args:
        noise: Variance of the change between two single answers to the same sample.
        margin: Largest accepted drop.
        n: Number of samples, ≥ 1.
        width: Highest minus lowest possible score.
        alpha: One-sided error, in (0, 0.5).

    Source: as `needed_for_scores`, given the samples.
    """
    k = max(LEAST_REPEATS, _ceil(_effect(alpha) * noise / (n * margin * margin)))
    k = max(k, _ceil(needed_without_change(margin, width=width, alpha=alpha) / n))
    while provable_margin_given(n * k, n * (k - 1), width=width, alpha=alpha) >= margin:
        k += 1
    return k


def needed_for_scores(
    deviation: float, margin: float, *, width: float | None, alpha: float = 0.05
) -> int:
    """Return the number of samples (or groups) that scores need.

    Args:
        deviation: Standard deviation of the differences; of groups: √C times the standard error.
        margin: Largest accepted drop.
        width: Highest minus lowest possible score; None if there is none, and then no floor.
        alpha: One-sided error, in (0, 0.5).

    Source: Student (1908), Biometrika 6(1), 1–25; the floor as in `hall_interval`.
    """
    share = deviation / margin
    enough = max(_ceil(_effect(alpha) * share * share), LEAST_SAMPLES)
    if width is None:
        return enough
    return max(enough, needed_without_change_t(margin, width=width, alpha=alpha))


def needed_for_ratio(deviation: float, max_increase: float, *, alpha: float = 0.05) -> int:
    """Return the number of samples that a ratio needs.

    Args:
        deviation: √n times the standard error of the ratio's logarithm.
        max_increase: Largest accepted growth; 0.10 is 10 %.
        alpha: One-sided error, in (0, 0.5).

    Source: the delta method on the logarithm.
    """
    enough = _ceil(_effect(alpha) * (deviation / math.log1p(max_increase)) ** 2)
    return max(enough, LEAST_SAMPLES)


def needed_without_change(margin: float, *, width: float = 1.0, alpha: float = 0.05) -> int:
    """Return the fewest samples that prove a margin if no answer flips.

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908.
    """
    z = normal_quantile(1 - alpha)
    return math.floor(z * z * (width - margin) / margin) + 1


def needed_without_flips(margin: float, *, alpha: float = 0.05) -> int:
    """Return the fewest samples that pass if no answer flips, with the guard against rare drops."""
    n = needed_without_change(margin, alpha=alpha)
    while not rules_out_rare_drop(0, 0, n, margin=margin, alpha=alpha):
        n += 1
    return n


def needed_without_change_t(margin: float, *, width: float = 1.0, alpha: float = 0.05) -> int:
    """Return the fewest samples as above, for the floored interval of scores."""
    n = max(needed_without_change(margin, width=width, alpha=alpha), 2)
    while provable_margin_t(n, width=width, alpha=alpha) >= margin:
        n += 1
    return n


def provable_margin(n: int, *, alpha: float = 0.05) -> float:
    """Return the smallest drop of a share that n ≥ 1 samples can rule out, if no answer flips.

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908.
    """
    z = normal_quantile(1 - alpha)
    return z * z / (n + z * z)


def provable_margin_exact(n: int, *, alpha: float = 0.05) -> float:
    """Return the smallest drop as above, with the guard against rare drops."""
    return max(provable_margin(n, alpha=alpha), rare_drop_bound(0, 0, n, alpha=alpha))


def provable_margin_t(n: float, *, width: float = 1.0, alpha: float = 0.05) -> float:
    """Return the smallest drop as above, for scores by the floored interval of n ≥ 2 samples or groups."""
    return t_quantile(1 - alpha, n - 1) * floor_of_se(width, n, alpha=alpha)


def provable_margin_given(
    answers: float, freedom: float, *, width: float = 1.0, alpha: float = 0.05
) -> float:
    """Return the smallest drop as above, for scores of given samples.

    Args:
        answers: Pairs of answers that count as independent.
        freedom: Degrees of freedom within the samples, ≥ 1.
        width: Highest minus lowest possible score.
        alpha: One-sided error, in (0, 0.5).
    """
    return t_quantile(1 - alpha, freedom) * floor_of_se(width, answers, alpha=alpha)


def _answers_near(flip_share: float, margin: float, alpha: float) -> int:
    """Return about as many right-or-wrong answers as have the power, by the normal approximation."""
    z = normal_quantile(1 - alpha)
    return _ceil(_effect(alpha) * flip_share / margin**2 + 0.75 * z * z / margin)


def _effect(alpha: float) -> float:
    return (normal_quantile(1 - alpha) + normal_quantile(POWER)) ** 2


def _ceil(x: float) -> int:
    return math.ceil(min(x, _MOST) - _ROUNDING)
