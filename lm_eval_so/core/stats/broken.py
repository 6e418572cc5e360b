"""One case that was right and is wrong now: how many wrong answers in a row prove a change."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

MOST_ANSWERS = 20
"""Most wrong answers in a row that are ever asked for."""
_RATES = 1000
"""Steps of the grid of pass rates over which the size is the largest."""


def fisher_p(right: int, asked: int, wrong: int) -> float:
    """Return Fisher's exact p-value of "right s of k times, then wrong m of m times".

    Args:
        right: s, right answers of the baseline.
        asked: k, answers of the baseline.
        wrong: m, answers now, all wrong.

    Raises:
        ValueError: If s lies outside [0, k], or m is negative.

    Source: Fisher (1935), J. R. Stat. Soc. 98(1), 39–82; one-sided.
    """
    if not 0 <= right <= asked or wrong < 0:
        raise ValueError(f"{right} of {asked} right, {wrong} wrong are no counts")
    return math.comb(asked + wrong - right, wrong) / math.comb(asked + wrong, wrong)


def size(limit: float, asked: int) -> float:
    """Return the largest chance that a case which did not change is called broken.

    A case is called broken if all of its m answers are wrong, with m the least number for which
    Fisher's p is at most the limit. The maximum is over all pass rates in steps of 1/1000.

    Args:
        limit: Largest p-value that rejects.
        asked: k, answers of the baseline.

    Source: Boschloo (1970), Stat. Neerl. 24(1), 1–35.
    """
    needed = _needed_by(limit, asked)
    terms = [(_log_comb(asked, s), s, asked - s + m) for s, m in enumerate(needed) if m]
    if not terms:
        return 0.0
    return max(
        math.fsum(math.exp(ways + s * log_p + t * log_q) for ways, s, t in terms)
        for log_p, log_q in _log_rates()
    )


def wrong_needed(right: int, asked: int, *, family: int, alpha: float = 0.05) -> int:
    """Return the wrong answers in a row that prove that a case broke; 0 if none would.

    The test is exact and unconditional, and Bonferroni's inequality holds it for all cases and
    metrics together. It stays valid if asking stops at the first right answer: only the outcome
    "all m wrong" rejects. The family counts all cases, not only those that were asked again, since
    the answers that choose these also prove. One answer of the baseline never proves anything.

    Args:
        right: s, right answers of the baseline.
        asked: k, answers of the baseline.
        family: F, pairs of case and metric that are looked at, ≥ 1.
        alpha: Largest chance that any of them is called broken by mistake.

    Raises:
        ValueError: If s lies outside [0, k], or F < 1.

    Source: Boschloo (1970), Stat. Neerl. 24(1), 1–35.
    """
    if not 0 <= right <= asked or family < 1:
        raise ValueError(f"{right} of {asked} right, family {family} are no counts")
    if asked < 2 or 2 * right <= asked:
        return 0
    return _needed(asked, family, alpha)[right]


def fails_by_itself(right: int, asked: int, *, least: int, of: int) -> float:
    """Return the chance that a case is right fewer than `least` times of `of`, if nothing changed.

    Args:
        right: s, right answers of the baseline, taken as the pass rate s/k.
        asked: k, answers of the baseline, ≥ 1.
        least: Right answers that are demanded.
        of: Answers in which they are demanded.
    """
    rate = right / asked
    return math.fsum(
        math.comb(of, n) * rate**n * (1 - rate) ** (of - n) for n in range(min(least, of + 1))
    )


@cache
def _needed(asked: int, family: int, alpha: float) -> Sequence[int]:
    """Return M by right answers of the baseline, for the largest limit that holds the size."""
    limits = _attained(asked)
    # a larger limit asks for fewer answers of each case, so the size never falls
    held = bisect_right(limits, alpha, key=lambda limit: family * size(limit, asked))
    return _needed_by(limits[held - 1], asked) if held else [0] * (asked + 1)


def _attained(asked: int) -> list[float]:
    """Return all p-values that a case can attain, ascending."""
    return sorted(
        {
            fisher_p(s, asked, m)
            for s in range(asked // 2 + 1, asked + 1)
            for m in range(1, MOST_ANSWERS + 1)
        }
    )


def _needed_by(limit: float, asked: int) -> list[int]:
    """Return the least wrong answers with a p-value of at most the limit, by right answers."""
    needed = [0] * (asked + 1)
    for s in range(asked // 2 + 1, asked + 1):
        counts = range(1, MOST_ANSWERS + 1)
        needed[s] = next((m for m in counts if fisher_p(s, asked, m) <= limit), 0)
    return needed


def _log_comb(n: int, k: int) -> float:
    return math.log(math.comb(n, k))


@cache
def _log_rates() -> Sequence[tuple[float, float]]:
    rates = (step / _RATES for step in range(1, _RATES))
    return [(math.log(rate), math.log1p(-rate)) for rate in rates]
