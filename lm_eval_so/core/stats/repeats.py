"""Several answers to one sample."""

import math
from collections.abc import Sequence


def pass_at(successes: int, repeats: int, draws: int) -> float:
    """Return the chance that at least one of `draws` answers is right (pass@k).

    Args:
        successes: Right answers, 0 ≤ successes ≤ repeats.
        repeats: Answers to the sample.
        draws: 1 ≤ draws ≤ repeats.

    Raises:
        ValueError: If the counts do not fit.

    Source: Chen et al. (2021), arXiv:2107.03374.
    """
    _check(successes, repeats, draws)
    return 1 - math.comb(repeats - successes, draws) / math.comb(repeats, draws)


def pass_all(successes: int, repeats: int, draws: int) -> float:
    """Return the chance that all of `draws` answers are right (pass^k); arguments as in `pass_at`.

    Source: Yao et al. (2024), arXiv:2406.12045.
    """
    _check(successes, repeats, draws)
    return math.comb(successes, draws) / math.comb(repeats, draws)


def flaky_share(successes: Sequence[int], repeats: int) -> float:
    """Return the share of samples with both right and wrong answers; at least one sample."""
    return sum(0 < s < repeats for s in successes) / len(successes)


def self_flip_rate(successes: Sequence[int], repeats: int) -> float:
    """Estimate the share of samples that flip between two single runs of the same model.

    Args:
        successes: Right answers per sample; at least one sample.
        repeats: Answers per sample, ≥ 2.

    Source: the unbiased estimate of 2p(1 − p) from a binomial count.
    """
    pairs = repeats * (repeats - 1)
    return math.fsum(2 * s * (repeats - s) / pairs for s in successes) / len(successes)


def _check(successes: int, repeats: int, draws: int) -> None:
    if not (1 <= draws <= repeats and 0 <= successes <= repeats):
        raise ValueError(f"{draws} draws of {successes} right of {repeats} do not fit")
