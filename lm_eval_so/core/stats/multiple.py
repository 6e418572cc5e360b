"""Several tests at once."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false claim stays that of one; same order.

    Source: Holm (1979), Scandinavian Journal of Statistics 6(2), 65–70.
    """
    m = len(p_values)
    adjusted = [0.0] * m
    reached = 0.0
    for rank, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        reached = max(reached, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted
