"""What every comparison of two arms gives."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean difference or a factor, with its interval and the p-value for "worse"."""

    value: float
    """Mean difference, positive = better; of a ratio: candidate over baseline."""
    se: float
    """Standard error without any floor; of a ratio: that of its logarithm."""
    low: float
    """Lower end of the two-sided 1 − 2·alpha interval."""
    high: float
    p_worse: float
    """One-sided, small = worse."""
    p_better: float
    """One-sided, small = better."""
