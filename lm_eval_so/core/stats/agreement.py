"""Agreement: of raters beyond chance (α, κ), of two figures by rank (ρ), of the labels of two runs."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, Literal

from lm_eval_so.core.stats.distributions import chi2_sf

Level = Literal["nominal", "ordinal", "interval"]

_LEAST_SHIFT = 0.2
"""Total variation distance below which a shift is too small to report."""
_LEAST_COUNTED = 30
"""Fewest items on either side for a shift to mean something."""

_LEAST_EXPECTED = 5.0
_LEVEL = 0.01


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


def total_variation(before: Mapping[str, int], after: Mapping[str, int]) -> float | None:
    """Return the total variation distance, 0 … 1: half the sum of the differences in share.

    None if either side is empty.
    """
    n, m = sum(before.values()), sum(after.values())
    if not n or not m:
        return None
    # one fraction, so that what is the same is 0
    names = {**before, **after}
    return sum(abs(before.get(k, 0) * m - after.get(k, 0) * n) for k in names) / (2 * n * m)


def has_shifted(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Return whether shares differ by a relevant amount that chance does not explain.

    Never for few items, which chance explains.

    Args:
        before: Counts by kind, before.
        after: Counts by kind, after.
    """
    distance = total_variation(before, after)
    if distance is None or distance < _LEAST_SHIFT:
        return False
    if min(sum(before.values()), sum(after.values())) < _LEAST_COUNTED:
        return False
    return shift_p(before, after) < _LEVEL


def shift_p(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Return the p value of Pearson's χ² test that the shares are the same on both sides.

    Kinds too rare for the test are pooled. Returns 1 if fewer than two kinds are left.

    Source: Pearson (1900), Philosophical Magazine 50(302), 157–175; Cochran (1954), Biometrics
    10(4), 417–451, for the least expected count.
    """
    n, m = sum(before.values()), sum(after.values())
    columns = _pooled(before, after)
    if len(columns) < 2:
        return 1.0
    # both rows at once: what each cell adds to the statistic, by the difference that they share
    statistic = sum((a * m - b * n) ** 2 / ((a + b) * n * m) for a, b in columns)
    return chi2_sf(statistic, len(columns) - 1)


def _pooled(before: Mapping[str, int], after: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return the counts of each kind, with rare kinds pooled until all are frequent enough."""
    n, m = sum(before.values()), sum(after.values())
    names = {**before, **after}
    pairs = sorted(((before.get(k, 0), after.get(k, 0)) for k in names), key=sum)
    found: list[tuple[int, int]] = []
    a = b = 0
    for x, y in pairs:
        a, b = a + x, b + y
        if n and m and (a + b) * min(n, m) / (n + m) >= _LEAST_EXPECTED:
            found.append((a, b))
            a = b = 0
    if found and a + b:
        found[-1] = (found[-1][0] + a, found[-1][1] + b)
    return found
