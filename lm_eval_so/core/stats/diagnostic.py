"""Error rates of a judge against people's labels, and true shares derived from them.

Verification bias: answers to label are chosen by the judge's label. If the judge calls half of the
labelled answers good but 80 % of all answers, sensitivity comes out too low and specificity too high.
So `sensitivity` and `specificity` weight each labelled answer by the number of answers with the same
judgement.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.distributions import normal_quantile

LEAST_LABELS = 30
"""Fewest good answers, and fewest bad ones, for error rates to be used."""
WEAK_J = 0.2
"""Youden's J up to which a judge is weak: it hardly tells right from wrong."""
LOW_J = 0.5
"""Youden's J below which a judge is reported as low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Numbers of answers by people's label, the truth, and by a judge's label."""

    tp: int
    """Good by both."""
    fn: int
    """Good, but bad by the judge."""
    tn: int
    """Bad by both."""
    fp: int
    """Bad, but good by the judge."""

    @property
    def positives(self) -> int:
        """Number of good answers."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Number of bad answers."""
        return self.tn + self.fp

    @property
    def sensitivity(self) -> float | None:
        """Share of the good answers that the judge calls good; None if there are none."""
        return self.tp / self.positives if self.positives else None

    @property
    def specificity(self) -> float | None:
        """Share of the bad answers that the judge calls bad; None if there are none."""
        return self.tn / self.negatives if self.negatives else None

    @property
    def sensitivity_interval(self) -> tuple[float, float] | None:
        """Two-sided 95 % interval by Wilson."""
        return wilson_interval(self.tp, self.positives) if self.positives else None

    @property
    def specificity_interval(self) -> tuple[float, float] | None:
        """Two-sided 95 % interval by Wilson."""
        return wilson_interval(self.tn, self.negatives) if self.negatives else None

    @property
    def youden(self) -> float | None:
        """Sensitivity + specificity − 1; None if either is unknown.

        Source: Youden (1950), Cancer 3(1), 32–35.
        """
        if not self.positives or not self.negatives:
            return None
        # one fraction, so that an exact J is exact
        product = self.tp * self.tn - self.fn * self.fp
        return product / (self.positives * self.negatives)

    @property
    def is_small(self) -> bool:
        """Whether there are too few labels of either kind."""
        return min(self.positives, self.negatives) < LEAST_LABELS


def true_difference(difference: float, j: float) -> float:
    """Return the true difference of two shares of good answers, from a judge's difference.

    A judge with the same error rates on both sides shrinks the difference to J times; J counts as
    exact.

    Args:
        difference: Difference of the shares that the judge calls good.
        j: Youden's J, in (0, 1].

    Returns:
        The difference, clipped to −1 … 1.

    Source: Rogan, Gladen (1978), Am. J. Epidemiol. 107(1), 71–76.
    """
    return min(1.0, max(-1.0, difference / j))


def true_share(share: float, j: float, *, specificity: float) -> float:
    """Return the true share of good answers, from a judge's share, clipped to 0 … 1.

    Source: Rogan, Gladen (1978), Am. J. Epidemiol. 107(1), 71–76.
    """
    return min(1.0, max(0.0, (share + specificity - 1) / j))


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
