"""Whether two things go together, by their ranks."""

import math
from collections import Counter
from collections.abc import Sequence


def spearman_rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Give Spearman's ρ, equal values sharing a rank; it does not depend on the order of the pairs.

    Args:
        pairs: Two figures of each unit.

    Returns:
        −1 … 1; None if one of the figures is the same throughout, or if there are no pairs.

    Source: Spearman (1904), Am. J. Psychol. 15(1), 72–101.
    """
    first = _twice_ranks([a for a, _ in pairs])
    second = _twice_ranks([b for _, b in pairs])
    middle = len(pairs) + 1  # twice the mean rank
    both = sum((first[a] - middle) * (second[b] - middle) for a, b in pairs)
    spread = sum((first[a] - middle) ** 2 for a, _ in pairs)
    spread *= sum((second[b] - middle) ** 2 for _, b in pairs)
    return both / math.sqrt(spread) if spread else None


def _twice_ranks(values: Sequence[float]) -> dict[float, int]:
    """Return twice the rank of each value, whole even where some share it."""
    ranks, below = {}, 0
    for value, n in sorted(Counter(values).items()):
        ranks[value] = 2 * below + n + 1
        below += n
    return ranks
