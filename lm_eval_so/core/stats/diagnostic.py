"""Error rates of a judge against people's labels, and true shares derived from them."""

from dataclasses import dataclass

from lm_eval_so.core.stats.binary import wilson_interval

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
