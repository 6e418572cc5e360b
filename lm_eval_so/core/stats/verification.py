"""Error rates of a judge, corrected for verification bias.

Answers to label are chosen by the judge's label. If the judge calls half of the labelled answers good
but 80 % of all answers, sensitivity comes out too low and specificity too high. So each labelled
answer is weighted by the number of answers with the same judgement.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lm_eval_so.core.stats.diagnostic import Diagnosis
from lm_eval_so.core.stats.distributions import normal_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Answers with the same judgement, from which a random part was labelled by people."""

    total: int
    """Number of answers, labelled or not."""
    is_positive: bool
    """Whether the judge called the answers good."""
    labelled: Diagnosis
    """Labelled answers, at least one."""

    @property
    def weight(self) -> Fraction:
        """Number of answers that a labelled answer stands for."""
        return Fraction(self.total, self.labelled.positives + self.labelled.negatives)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share and its two-sided 95 % interval."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A stratum, counted for one of the two rates."""

    total: int
    n: float
    hits: float
    misses: float


def sensitivity(strata: Sequence[Stratum]) -> Rate | None:
    """Return the share of the good answers that the judge calls good; None if people found none.

    The estimate is for all answers, the interval by the delta method on the logit scale.

    Source: Begg, Greenes (1983), Biometrics 39(1), 207–215.
    """
    return _rate(strata, lambda found: (found.tp, found.fn), is_hit_if_positive=True)


def specificity(strata: Sequence[Stratum]) -> Rate | None:
    """Return the share of the bad answers that the judge calls bad; otherwise as `sensitivity`."""
    return _rate(strata, lambda found: (found.tn, found.fp), is_hit_if_positive=False)


def _rate(
    strata: Sequence[Stratum],
    count: Callable[[Diagnosis], tuple[int, int]],
    *,
    is_hit_if_positive: bool,
) -> Rate | None:
    parts = []
    for each in strata:
        hits, misses = count(each.labelled)
        n = each.labelled.positives + each.labelled.negatives
        parts.append(_Part(total=each.total, n=n, hits=hits, misses=misses))
    if not any(part.total and (part.hits or part.misses) for part in parts):
        return None
    value, error = _estimate(parts)
    if 0 < value < 1:
        return Rate(value=value, interval=_logit_interval(value, error))
    # no error was seen, which does not mean that there is none: half an answer more of either kind
    padded = [
        _padded(part, is_hit=each.is_positive == is_hit_if_positive)
        for part, each in zip(parts, strata, strict=True)
    ]
    low, high = _logit_interval(*_estimate(padded))
    return Rate(value=value, interval=(low, 1.0) if value == 1 else (0.0, high))


def _estimate(parts: Sequence[_Part]) -> tuple[float, float]:
    """Return the share of hits among hits and misses of all answers, and its standard error."""
    whole = sum(part.total for part in parts)
    shares = [part.total / whole for part in parts]
    hits = math.fsum(w * part.hits / part.n for w, part in zip(shares, parts, strict=True))
    misses = math.fsum(w * part.misses / part.n for w, part in zip(shares, parts, strict=True))
    value = hits / (hits + misses)
    variance = 0.0
    for share, part in zip(shares, parts, strict=True):
        # of value as a function of the shares in each stratum, and of the strata's own shares
        mean = (part.hits * (1 - value) - part.misses * value) / part.n
        square = (part.hits * (1 - value) ** 2 + part.misses * value**2) / part.n
        variance += share**2 * (square - mean**2) / part.n + share * mean**2 / whole
    return value, math.sqrt(max(0.0, variance)) / (hits + misses)


def _padded(part: _Part, *, is_hit: bool) -> _Part:
    """Return a stratum with half a good and half a bad answer added."""
    return _Part(
        total=part.total,
        n=part.n + 1,
        hits=part.hits + is_hit / 2,
        misses=part.misses + (not is_hit) / 2,
    )


def _logit_interval(value: float, error: float) -> tuple[float, float]:
    if not 0 < value < 1:  # all answers are in one stratum
        return 0.0, 1.0
    centre = math.log(value / (1 - value))
    reach = normal_quantile(0.975) * error / (value * (1 - value))
    return 1 / (1 + math.exp(reach - centre)), 1 / (1 + math.exp(-reach - centre))
