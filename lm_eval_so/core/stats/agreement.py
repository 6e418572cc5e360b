"""Agreement: of raters beyond chance (α, κ), and of two figures by rank (ρ)."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, Literal

Level = Literal["nominal", "ordinal", "interval"]


def krippendorff_alpha(units: Iterable[Sequence[Any]], *, level: Level = "nominal") -> float | None:
    """Return Krippendorff's α; it does not depend on the order of units or raters.

    Args:
        units: Labels of each unit by all raters; None for a missing label. For "ordinal" values
            must sort, for "interval" they must be numbers.
        level: Level of measurement.

    Returns:
        1 at perfect agreement, 0 at chance; None if all usable values are the same, or if there
        are none.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    said: Counter[tuple[tuple[Any, int], ...]] = Counter()
    for unit in units:
        said[tuple(Counter(value for value in unit if value is not None).items())] += 1
    pairs: defaultdict[tuple[Any, Any], Fraction] = defaultdict(Fraction)
    for unit_counts, units_alike in said.items():
        raters = sum(times for _, times in unit_counts)
        for (a, n), (b, m) in product(unit_counts, repeat=2) if raters > 1 else ():
            pairs[a, b] += Fraction(units_alike * n * (m - (a == b)), raters - 1)
    totals: defaultdict[Any, Fraction] = defaultdict(Fraction)
    for (a, _), share in pairs.items():
        totals[a] += share
    of = sum(totals.values(), Fraction())
    if level == "nominal":
        observed = sum((n for (a, b), n in pairs.items() if a != b), Fraction())
        expected = of**2 - sum(n * n for n in totals.values())
    else:
        at = _places(totals, level)
        observed = sum((n * (at[a] - at[b]) ** 2 for (a, b), n in pairs.items()), Fraction())
        total_of = sum(n * at[a] for a, n in totals.items())
        expected = 2 * (of * sum(n * at[a] ** 2 for a, n in totals.items()) - total_of**2)
    return float(1 - (of - 1) * observed / expected) if expected else None


def cohen_kappa(
    pairs: Iterable[tuple[Hashable, Hashable]] | Mapping[Any, Fraction | int],
    *,
    order: Sequence[Hashable] | None = None,
) -> float | None:
    """Return Cohen's κ of two raters.

    Args:
        pairs: Labels of each unit by both raters; or number of units by such a pair.
        order: All values in order, for quadratic weights by position; None: any difference counts
            the same.

    Returns:
        1 at perfect agreement, 0 at chance; None if both gave one and the same value throughout,
        or if there are no pairs.

    Source: Cohen (1960), Educ. Psychol. Meas. 20(1), 37–46; Cohen (1968), Psychol. Bull. 70(4),
    213–220.
    """
    counts: Mapping[Any, Fraction | int]
    counts = pairs if isinstance(pairs, Mapping) else Counter(pairs)
    place = {value: i for i, value in enumerate(order or ())}

    def weight(a: Hashable, b: Hashable) -> int:
        return int(a != b) if order is None else (place[a] - place[b]) ** 2

    first: defaultdict[Hashable, Fraction] = defaultdict(Fraction)
    second: defaultdict[Hashable, Fraction] = defaultdict(Fraction)
    for (a, b), n in counts.items():
        first[a] += n
        second[b] += n
    observed = sum((n * weight(a, b) for (a, b), n in counts.items()), Fraction())
    expected = sum(
        (n * m * weight(a, b) for (a, n), (b, m) in product(first.items(), second.items())),
        Fraction(),
    )
    return float(1 - observed * sum(counts.values()) / expected) if expected else None


def _places(totals: Mapping[Any, Fraction], level: Level) -> dict[Any, Fraction]:
    """Return where each value lies, so that two are as far apart as their places."""
    if level == "interval":
        return {value: Fraction(value) for value in totals}
    places, below = {}, Fraction(0)
    for value in sorted(totals):  # a rank in the middle of those that share it
        places[value] = below + totals[value] / 2
        below += totals[value]
    return places


def spearman_rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's ρ, where equal values share a rank; the order of the pairs does not matter.

    Args:
        pairs: Two figures of each unit.

    Returns:
        −1 … 1; None if one of the figures is constant, or if there are no pairs.

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
