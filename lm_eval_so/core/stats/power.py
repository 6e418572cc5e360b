"""Power: numbers of samples needed for a margin, and margins provable with a number of samples.

With the needed number an unchanged chatbot passes with 80 % power.
"""

import math

from lm_eval_so.core.stats.binary import rare_drop_bound, rules_out_rare_drop
from lm_eval_so.core.stats.bounded import floor_of_se
from lm_eval_so.core.stats.distributions import normal_quantile, t_quantile

_POWER = 0.80
LEAST_SAMPLES = 10
"""Fewest samples for an interval of a mean."""

_ROUNDING = 1e-9
_MOST = 1e15
"""Largest number of samples reported, since a float may be infinite."""


def needed_for_flips(flip_share: float, margin: float, *, alpha: float = 0.05) -> int:
    """Return the number of samples that binary scores need.

    Args:
        flip_share: Share of samples whose score differs between two runs of the same model.
        margin: Largest accepted drop, in (0, 1).
        alpha: One-sided error, in (0, 0.5).

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908.
    """
    enough = _ceil(_effect(alpha) * flip_share / margin**2)
    return max(enough, needed_without_flips(margin, alpha=alpha))


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


def _effect(alpha: float) -> float:
    return (normal_quantile(1 - alpha) + normal_quantile(_POWER)) ** 2


def _ceil(x: float) -> int:
    return math.ceil(min(x, _MOST) - _ROUNDING)
