"""Power: numbers of samples needed for a margin, and margins provable with a number of samples.

With the needed number an unchanged chatbot passes with 80 % power.
"""

import math
from functools import lru_cache

from lm_eval_so.core.stats.binary import mcnemar_midp, rare_drop_bound, rules_out_rare_drop
from lm_eval_so.core.stats.bounded import floor_of_se
from lm_eval_so.core.stats.distributions import normal_quantile, t_quantile
from lm_eval_so.core.stats.flip_chances import MOST_EXACT, POWER, pass_chance

LEANS = 0.2
"""P-value up to which a fall that reaches the margin leans worse."""
LEAST_SAMPLES = 10
"""Fewest samples for an interval of a mean."""
LEAST_REPEATS = 2
"""Fewest answers to a sample that tell its noise."""

_ROUNDING = 1e-9
_SHORTEST = 0.7
"""Share of the approximation below which no number of samples has the power."""
_HOLDS_ON = 1.03
"""Factor up to which more samples must have the power, too: it rises in small steps and falls between."""
_JUMP = 0.8
"""Net losses by which the exact chance may run ahead of its approximation; at most 0.6 was found."""
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
    while True:
        se, t = math.sqrt(noise / (n * k)), t_quantile(1 - alpha, n * (k - 1))
        # where the floor decides, the change itself still varies
        reach = t * max(se, floor_of_se(width, n * k, alpha=alpha))
        if reach + normal_quantile(POWER) * se < margin:
            return k
        k += 1


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


def provable_margin(n: float, *, alpha: float = 0.05) -> float:
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
