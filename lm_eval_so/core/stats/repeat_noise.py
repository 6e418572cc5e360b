"""Noise of answers that are asked again: how much there is, and whether chatbot, judge or day make it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

LEAST_RETESTS = 50
"""Answers judged twice from which on the judge's own noise is told."""
_Z = 1.645
"""Of an interval of 90 %."""
_ROUNDING = 1e-9

Scores = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the noise."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise of one metric: the share of answers that flip, or twice the variance of a score."""

    total: Part
    chatbot: Part | None = None
    """None if the judge's own noise is not known well enough."""
    judge: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retests:
    """Answers that a judge saw twice."""

    n: int
    noise: float
    """Share with another verdict; of scores the mean squared difference."""
    is_share: bool


def measure_noise(samples: Sequence[Scores], retests: Retests | None) -> Noise | None:
    """Return the noise of answers to the same questions, and the parts of chatbot and judge.

    Args:
        samples: Scores of the answers to each sample; answers without a score are None.
        retests: Answers judged twice; None for metrics without a judge, which have no noise.

    Returns:
        None if no sample has two scored answers.

    Source: the law of total variance: E[m(1 − m)] = E[r(1 − r)] + Var r, with r the chance that
    the judge calls an answer right.
    """
    each = [spread(own) for own in samples if _count(own) > 1]
    if not each:
        return None
    total, n = math.fsum(each) / len(each), len(each)
    variance = math.fsum((e - total) ** 2 for e in each) / (n * max(n - 1, 1))
    whole = _part(total, variance)
    if retests is None:
        return Noise(total=whole)
    if retests.n < LEAST_RETESTS:
        return Noise(total=whole)
    f = retests.noise
    # of scores that differ as normal ones do, the variance of a squared difference is 2f²
    of_judge = (f * (1 - f) if retests.is_share else 2 * f * f) / retests.n
    return Noise(
        total=whole,
        chatbot=_part(max(0.0, total - f), of_judge + variance),
        judge=_part(f, of_judge),
    )


def between_days(samples: Iterable[Sequence[Scores]]) -> float | None:
    """Return how much more answers of different days differ than answers of one day.

    Args:
        samples: For each sample its scores by day.

    Returns:
        Mean squared difference between days minus that within; None if no sample tells both.
    """
    across, within = list[float](), list[float]()
    for days in samples:
        known = [[value for value in day if value is not None] for day in days]
        apart = [(x - y) ** 2 for a, b in combinations(known, 2) for x, y in product(a, b)]
        together = [(x - y) ** 2 for day in known for x, y in combinations(day, 2)]
        if apart and together:
            across.append(math.fsum(apart) / len(apart))
            within.append(math.fsum(together) / len(together))
    if not across:
        return None
    return (math.fsum(across) - math.fsum(within)) / len(across)


def spread(values: Scores) -> float:
    """Return twice the sample variance: for right or wrong, the chance that two answers differ.

    Answers without a score do not count; fewer than two with one have none.
    """
    present = [value for value in values if value is not None]
    k = len(present)
    if k < 2:
        return 0.0
    mean = math.fsum(present) / k
    return 2 * math.fsum((value - mean) ** 2 for value in present) / (k - 1)


def noisiest(noise: Sequence[float]) -> list[int]:
    """Return the fewest samples that make half of all noise, the noisiest first."""
    half, found = math.fsum(noise) / 2, list[int]()
    for place in sorted(range(len(noise)), key=noise.__getitem__, reverse=True):
        if half <= _ROUNDING:
            break
        found.append(place)
        half -= noise[place]
    return found


def _part(value: float, variance: float) -> Part:
    reach = _Z * math.sqrt(variance)
    return Part(value=value, low=max(0.0, value - reach), high=value + reach)


def _count(values: Scores) -> int:
    return sum(value is not None for value in values)
