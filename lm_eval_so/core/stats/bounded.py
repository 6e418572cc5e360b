"""Means of scores: of one run, and of paired differences by Hall's interval with a floor."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final

from lm_eval_so.core.stats.distributions import normal_quantile, t_cdf, t_quantile, t_sf

ROUNDING: Final = 1e-12
"""Size below which a difference is rounding, as a share of the largest one."""
LOST: Final = 1e-10
"""Share of a sum of squares below which the rest without the mean counts as 0.

So small a rest has few correct digits, and its standard error is always below the floors.
"""
_SMALL = 1e-4
_TINY = 1e-50
_MOST_COUNTED = 2000
"""More changed samples than this do not limit a p-value: 2 to the power of −1075 is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean difference or a ratio, with its interval and one-sided p-values."""

    value: float
    """Mean difference, positive = better; for a ratio: candidate over baseline."""
    se: float
    """Standard error without any floor; for a ratio: of its logarithm."""
    low: float
    """Lower end of the two-sided 1 − 2·alpha interval."""
    high: float
    p_worse: float
    """One-sided, small = worse."""
    p_better: float
    """One-sided, small = better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Summary of paired differences, sufficient for an interval."""

    n: int
    mean: float
    se: float
    """Standard error of the mean."""
    skew: float
    """Skewness of the differences; 0, as the error, if all are equal up to rounding."""
    largest: float
    """Size of the largest difference."""
    changed: int
    """Differences beyond rounding; counting stops above 2,000."""


def mean_of(values: Sequence[float]) -> float | None:
    """Return the mean; None if there is no value."""
    return math.fsum(values) / len(values) if values else None


def mean_interval(
    values: Sequence[float], *, low: float | None, high: float | None, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the t interval of a mean, clipped to the range of the values.

    Args:
        values: One value per sample.
        low: Lowest possible value; None if there is none.
        high: Highest possible value; None if there is none.
        level: Two-sided confidence level, in (0, 1).

    Returns:
        Lower and upper bound, or None below two samples. Where all values are equal, the standard
        error is that of a change that this many samples could just have missed.

    Source: Student (1908), Biometrika 6(1), 1–25.
    """
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    largest = largest_of(values)
    se, _ = _spread(values, mean, largest)
    if se == 0:
        width = largest if low is None or high is None else high - low
        se = _floor(width, n, normal_quantile((1 + level) / 2))
    reach = t_quantile((1 + level) / 2, n - 1) * se
    bottom = mean - reach if low is None else max(low, mean - reach)
    top = mean + reach if high is None else min(high, mean + reach)
    return bottom, top


def hall_interval(
    differences: Sequence[float],
    *,
    width: float | None,
    alpha: float = 0.05,
    is_one_of_many: bool = False,
) -> Estimate:
    """Estimate a mean difference by Hall's skewness-corrected t, with a floor under each end.

    The lower end allows for a total failure that the samples may have missed: its floor uses the
    whole width of the scores. The upper end needs a floor only for a handful of changes: it uses
    the largest change, and fewer than four changed samples never prove a drop at 0.05.

    Args:
        differences: One per sample, positive = better; at least two.
        width: Highest minus lowest possible score; None if there is none.
        alpha: One-sided error of each end, in (0, 0.5).
        is_one_of_many: Whether the p-value is one of many tests, where the far tail matters. There
            Hall's are up to four times too small below 100 differences, and Student's as much if
            the differences are skewed, so the larger one counts.

    Raises:
        ValueError: Below two differences.

    Source: Hall (1992), J. R. Stat. Soc. B 54(1), 221–228; the floor is the zero-flip bound of
    Tango (1998), Statistics in Medicine 17(8), 891–908.
    """
    n = len(differences)
    if n < 2:
        raise ValueError("an interval needs two differences or more")
    mean = math.fsum(differences) / n
    largest = largest_of(differences)
    se, skew = _spread(differences, mean, largest)
    spread = Spread(
        n=n,
        mean=mean,
        se=se,
        skew=skew,
        largest=largest,
        changed=count_beyond(differences, ROUNDING * largest),
    )
    return interval_of_spread(spread, width=width, alpha=alpha, is_one_of_many=is_one_of_many)


def interval_of_spread(
    spread: Spread, *, width: float | None, alpha: float = 0.05, is_one_of_many: bool = False
) -> Estimate:
    """Estimate a mean difference by Hall's interval from a summary of the differences.

    Args:
        spread: Summary of at least two differences.
        width: Highest minus lowest possible score; None if there is none.
        alpha: One-sided error of each end, in (0, 0.5).
        is_one_of_many: Whether the p-value is one of many tests; see `hall_interval`.
    """
    n, mean, se, skew, largest = spread.n, spread.mean, spread.se, spread.skew, spread.largest
    z, t = normal_quantile(1 - alpha), t_quantile(1 - alpha, n - 1)
    se_low = max(se, _floor(largest if width is None else width, n, z))
    se_high = max(se, _floor(largest, n, z))
    low = mean - se_low * _untransform(t, _bend(skew, se, se_low, n))
    high = mean - se_high * _untransform(-t, _bend(skew, se, se_high, n))
    if width is not None:
        low, high = max(-width, low), min(width, high)
    p_worse = p_better = 0.5
    if se_high > 0:
        limit = smallest_p(spread.changed)
        studentised = _transform(mean / se_high, _bend(skew, se, se_high, n))
        p_worse = max(t_cdf(studentised, n - 1), limit)
        p_better = max(t_sf(studentised, n - 1), limit)  # the transform is odd in d
        if is_one_of_many:
            p_worse = max(p_worse, t_cdf(mean / se_high, n - 1))
            p_better = max(p_better, t_sf(mean / se_high, n - 1))
    return Estimate(value=mean, se=se, low=low, high=high, p_worse=p_worse, p_better=p_better)


def smallest_p(changed: int) -> float:
    """Return the mid-p value of `changed` units that all got worse: no test may claim less."""
    return math.ldexp(1.0, -(changed + 1))


def floor_of_se(width: float, n: float, *, alpha: float = 0.05) -> float:
    """Return the smallest standard error that `n` units may claim, where nothing changed."""
    return _floor(width, n, normal_quantile(1 - alpha))


def count_beyond(values: Sequence[float], limit: float) -> int:
    """Count the values of a size above a limit, or stop above 2,000."""
    found = 0
    for start in range(0, len(values), _MOST_COUNTED):
        part = values[start : start + _MOST_COUNTED]
        found += sum(map(limit.__lt__, map(abs, part)))
        if found > _MOST_COUNTED:
            break
    return found


def _floor(width: float, n: float, z: float) -> float:
    return width * z / (n + z * z)


def _spread(values: Sequence[float], mean: float, largest: float) -> tuple[float, float]:
    """Return the standard error and the skewness; both 0 if all values are equal up to rounding."""
    n = len(values)
    if largest == 0:
        return 0.0, 0.0
    errors, unit = errors_of(values, mean, largest)
    squares = array("d", map(mul, errors, errors))
    total = sum(squares)
    m2 = total / n
    if m2 <= (ROUNDING * largest / unit) ** 2:
        return 0.0, 0.0
    m3 = sum(map(mul, squares, errors)) / n
    return unit * math.sqrt(total / (n * (n - 1))), m3 / m2**1.5


def errors_of(
    values: Sequence[float], mean: float, largest: float
) -> tuple[Sequence[float], float]:
    """Return each value minus the mean, and the unit of the results."""
    errors, unit = array("d", (value - mean for value in values)), unit_of(largest)
    return (errors, unit) if unit == 1 else (array("d", (e / unit for e in errors)), unit)


def unit_of(largest: float) -> float:
    """Return 1, or the largest value if it is too large or small for its powers."""
    return 1.0 if _TINY < largest < 1 / _TINY or not largest else largest


def largest_of(values: Sequence[float]) -> float:
    """Return the size of the value farthest from 0."""
    return max(max(values), -min(values))  # noqa: PLW3301 - not as so many arguments


def _bend(skew: float, se: float, floored: float, n: int) -> float:
    return skew * (se / floored) ** 3 / (3 * math.sqrt(n)) if floored > 0 else 0.0


def _transform(t: float, a: float) -> float:
    return t + a * t * t + a * a * t**3 / 3 + a / 2


def _untransform(x: float, a: float) -> float:
    y = x - a / 2
    if abs(a * y) < _SMALL:  # the closed form loses its digits here
        return y - a * y * y + 5 / 3 * a * a * y**3
    return (math.cbrt(1 + 3 * a * y) - 1) / a
