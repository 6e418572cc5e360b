"""Whether the same kinds of things come up as often as they did before."""

from collections.abc import Mapping

from lm_eval_so.core.stats.distributions import chi2_sf

LEAST_SHIFT = 0.2
"""Distance below which a shift is too small to speak of."""
LEAST_COUNTED = 30
"""Things on either side below which a shift says nothing."""

_LEAST_EXPECTED = 5.0
_LEVEL = 0.01


def total_variation(before: Mapping[str, int], after: Mapping[str, int]) -> float | None:
    """Return half the sum of the differences in share, 0 … 1; None if either side is empty."""
    n, m = sum(before.values()), sum(after.values())
    if not n or not m:
        return None
    # one fraction, so that what is the same is 0
    names = {**before, **after}
    return sum(abs(before.get(k, 0) * m - after.get(k, 0) * n) for k in names) / (2 * n * m)


def has_shifted(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Return whether shares differ by so much that it matters and that chance does not explain it.

    Never of few things, since then chance explains much.

    Args:
        before: How often each kind came up.
        after: How often it did later.
    """
    distance = total_variation(before, after)
    if distance is None or distance < LEAST_SHIFT:
        return False
    if min(sum(before.values()), sum(after.values())) < LEAST_COUNTED:
        return False
    return shift_p(before, after) < _LEVEL


def shift_p(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Return the p value of Pearson's χ² test that the shares are the same on both sides.

    Kinds that are too rare for it count as one. 1 if there is nothing left to compare.

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
    """Return the counts of each kind, rare ones put together until all are often enough."""
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
