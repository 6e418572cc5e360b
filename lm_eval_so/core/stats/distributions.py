"""Student's t, χ² and the incomplete beta function, on the standard library."""

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_MOST_TERMS = 20_000
_MOST_STEPS = 100


def normal_quantile(q: float) -> float:
    """Return the quantile of the standard normal distribution, 0 < q < 1."""
    return NormalDist().inv_cdf(q)


def normal_sf(z: float) -> float:
    """Return P(Z > z) of the standard normal distribution, exact in the far tail."""
    return math.erfc(z / math.sqrt(2)) / 2


def chi2_sf(x: float, df: int) -> float:
    """Return P(X > x) of the χ² distribution with a whole number of degrees of freedom, ≥ 1.

    Source: Abramowitz, Stegun (1964), 26.4.4 and 26.4.5.
    """
    if x <= 0:
        return 1.0
    half, of = x / 2, df % 2 or 2
    tail = math.erfc(math.sqrt(half)) if of == 1 else math.exp(-half)
    while of < df:
        tail += math.exp(of / 2 * math.log(half) - half - math.lgamma(of / 2 + 1))
        of += 2
    return min(1.0, tail)


def betainc(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for a, b > 0.

    Source: Lentz (1976), Applied Optics 15(3), 668–671, as modified by Thompson and Barnett (1986),
    J. Comput. Phys. 64(2), 490–509; the fraction is 26.5.8 of Abramowitz and Stegun (1964).
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - betainc(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    return front * (_fraction(a, b, x) - 1)


def _fraction(a: float, b: float, x: float) -> float:
    value, c, d = 1.0, 1.0, 0.0
    for i in range(_MOST_TERMS):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away_from_zero(1 + term * d)
        c = _away_from_zero(1 + term / c)
        value *= c * d
        if abs(1 - c * d) < 1e-15:
            break
    return value


def _away_from_zero(x: float) -> float:
    return _TINY if abs(x) < _TINY else x


def t_cdf(t: float, df: float) -> float:
    """Return P(T ≤ t) of Student's t with `df` > 0 degrees of freedom."""
    tail = _t_tail(t, df)
    return tail if t < 0 else 1 - tail


def t_sf(t: float, df: float) -> float:
    """Return P(T > t); exact where `1 - t_cdf` would be rounded away."""
    tail = _t_tail(t, df)
    return 1 - tail if t < 0 else tail


def _t_tail(t: float, df: float) -> float:
    # P(T > |t|); DLMF 8.17 with x = ν/(ν + t²)
    return 0.0 if math.isinf(t) else 0.5 * betainc(df / 2, 0.5, df / (df + t * t))


@lru_cache(maxsize=1024)
def t_quantile(q: float, df: float) -> float:
    """Return the quantile of Student's t, 0 < q < 1, `df` > 0.

    Accurate to 1e-12 up to 1,000 degrees of freedom, to 2e-10 at 100,000.
    """
    half = 0.5
    if q == half:
        return 0.0
    if q < half:
        return -t_quantile(1 - q, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < q:
        low, high = high, 2 * high
    t = (low + high) / 2
    for _ in range(_MOST_STEPS):
        error = t_cdf(t, df) - q
        low, high = (low, t) if error > 0 else (t, high)
        step = error / _t_density(t, df)
        nearer = t - step if low < t - step < high else (low + high) / 2
        if abs(nearer - t) < 1e-14 * abs(nearer):
            return nearer
        t = nearer
    return t


def _t_density(t: float, df: float) -> float:
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    falling = math.pow(1 + t * t / df, -(df + 1) / 2)
    return math.exp(log_scale) / math.sqrt(df * math.pi) * falling
