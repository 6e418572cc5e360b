"""Adjustment of p-values for several tests at once."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the family-wise error rate is that of a single test; same order.

    Source: Holm (1979), Scandinavian Journal of Statistics 6(2), 65–70.
    """
    m = len(p_values)
    adjusted = [0.0] * m
    reached = 0.0
    for rank, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        reached = max(reached, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that those up to q have a false discovery rate of at most q; same order.

    The share is an expectation, for independent or positively dependent tests.

    Source: Benjamini, Hochberg (1995), J. R. Stat. Soc. B 57(1), 289–300; for dependent tests
    Benjamini, Yekutieli (2001), Annals of Statistics 29(4), 1165–1188.
    """
    m = len(p_values)
    adjusted = [0.0] * m
    reached = 1.0
    falling = sorted(range(m), key=p_values.__getitem__, reverse=True)
    for rank, i in enumerate(falling):
        reached = min(reached, p_values[i] * m / (m - rank))
        adjusted[i] = reached
    return adjusted
