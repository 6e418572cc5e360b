"""Shifts of a distribution: changes in the shares of kinds between two counts."""

from collections.abc import Mapping

from lm_eval_so.core.stats.distributions import chi2_sf

_LEAST_SHIFT = 0.2
"""Total variation distance below which a shift is too small to report."""
_LEAST_COUNTED = 30
"""Fewest items on either side for a shift to mean something."""

_LEAST_EXPECTED = 5.0
_LEVEL = 0.01


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
