"""Right or wrong: one proportion, two on the same samples, several answers to a sample."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from lm_eval_so.core.stats.distributions import betainc, normal_quantile

_MOST_HALVINGS = 100
_CLOSE = 1e-12
_GUARD = 1.05
"""Level of the exact guard, as a share of the error that is allowed: a little room for its steps."""


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Args:
        successes: Count of ones, 0 ≤ successes ≤ n.
        n: Count of trials, ≥ 1.
        level: Two-sided confidence level, in (0, 1).

    Returns:
        Lower and upper bound, each in [0, 1].

    Raises:
        ValueError: If n < 1 or successes lies outside [0, n].

    Source: Wilson (1927), J. Am. Stat. Assoc. 22(158), 209–212.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no proportion")
    z = normal_quantile((1 + level) / 2)
    share, h = successes / n, z * z / n
    centre = share + h / 2
    reach = z * math.sqrt(share * (1 - share) / n + h / (4 * n))
    low = 0.0 if successes == 0 else (centre - reach) / (1 + h)
    high = 1.0 if successes == n else (centre + reach) / (1 + h)
    return low, high


@lru_cache(maxsize=4096)
def tango_interval(
    worse: float, better: float, n: float, *, level: float = 0.90
) -> tuple[float, float]:
    """Return the score interval of the difference of two paired proportions, positive = better.

    Args:
        worse: Samples that went from right to wrong; a number that counts as so many may be no whole one.
        better: Samples that went from wrong to right.
        n: Paired samples, ≥ 1 and ≥ worse + better.
        level: Two-sided confidence level, in (0, 1).

    Returns:
        Lower and upper bound, each in [−1, 1].

    Raises:
        ValueError: If n < 1 or the counts do not fit.

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908.
    """
    if n < 1 or worse < 0 or better < 0 or worse + better > n:
        raise ValueError(f"{worse} worse and {better} better of {n} do not fit")
    z = normal_quantile((1 + level) / 2)
    mean = (better - worse) / n
    # S falls strictly in the trial value, so each end is the only root in its bracket
    score = partial(tango_score, worse, better, n)
    low = -1.0 if worse == n else _root(score, z, -1.0, mean)
    high = 1.0 if better == n else _root(score, -z, mean, 1.0)
    return low, high


def binomial_cdf(k: int, n: int, share: float) -> float:
    """Return P(X ≤ k) of the binomial distribution, 0 ≤ k, n ≥ 1, share in [0, 1]."""
    return 1.0 if k >= n else betainc(n - k, k + 1, 1 - share)


def binomial_pmf(k: int, n: int, share: float) -> float:
    """Return P(X = k) of the binomial distribution, 0 ≤ k ≤ n, share in [0, 1)."""
    if share <= 0:
        return float(k == 0)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))


def rules_out_rare_drop(
    worse: int, better: int, n: int, *, margin: float, alpha: float = 0.05
) -> bool:
    """Return whether a true drop of the margin would seldom show so few net losses.

    Tango's interval is a little short where a drop shows in few samples. There a share of answers
    that all go wrong is the worst case, and its number is binomial.

    Args:
        worse: Samples that went from right to wrong.
        better: Samples that went from wrong to right.
        n: Paired samples, ≥ 1 and ≥ worse + better.
        margin: Largest accepted drop, in (0, 1).
        alpha: One-sided error, in (0, 0.5).

    Source: Clopper, Pearson (1934), Biometrika 26(4), 404–413.
    """
    return binomial_cdf(max(worse - better, 0), n, margin) <= _GUARD * alpha


@lru_cache(maxsize=4096)
def rare_drop_bound(worse: int, better: int, n: int, *, alpha: float = 0.05) -> float:
    """Return the largest drop that `rules_out_rare_drop` leaves possible, in (0, 1]."""
    lost = max(worse - better, 0)
    if lost >= n:
        return 1.0
    return _root(partial(binomial_cdf, lost, n), _GUARD * alpha, 0.0, 1.0)


def _root(score: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Return where a falling score reaches a level, by bisection."""
    for _ in range(_MOST_HALVINGS):
        if high - low < _CLOSE:
            break
        middle = (low + high) / 2
        if score(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def tango_score(worse: float, better: float, n: float, trial: float) -> float:
    """Return Tango's score of a trial value of the difference, in (−1, 1); it falls in the trial."""
    b = -(worse + better) + (2 * n - better + worse) * trial
    c = -worse * trial * (1 - trial)
    # maximum likelihood estimate of P(worse) where the difference is held at the trial value
    q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * q + trial * (1 - trial))
    distance = better - worse - n * trial
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def mcnemar_midp(worse: float, better: float) -> float:
    """Return the one-sided mid-p value for "worse is more likely than better", in (0, 1).

    Source: Fagerland, Lydersen, Laake (2013), BMC Medical Research Methodology 13:91.
    """
    flips = worse + better
    if flips == 0:
        return 0.5
    above = betainc(worse + 1, flips - worse, 0.5) if worse < flips else 0.0
    log_ways = math.lgamma(flips + 1) - math.lgamma(worse + 1) - math.lgamma(better + 1)
    return above + 0.5 * math.exp(log_ways - flips * math.log(2))


def count_flips(differences: Sequence[float]) -> tuple[int, int]:
    """Return the numbers of samples that got worse (−1) and better (+1)."""
    return differences.count(-1), differences.count(1)


def flaky_share(successes: Sequence[int], repeats: int) -> float:
    """Return the share of samples with both right and wrong answers; at least one sample."""
    return sum(0 < s < repeats for s in successes) / len(successes)


def self_flip_rate(successes: Sequence[int], repeats: int) -> float:
    """Estimate the share of samples that flip between two single runs of the same model.

    Args:
        successes: Right answers per sample; at least one sample.
        repeats: Answers per sample, ≥ 2.

    Source: the unbiased estimate of 2p(1 − p) from a binomial count.
    """
    pairs = repeats * (repeats - 1)
    return math.fsum(2 * s * (repeats - s) / pairs for s in successes) / len(successes)
