"""Several looks at the answers as they come in: the error that each may spend on a pass.

The looks before the last share a small part of the error, so that the last keeps nearly all of it. The
p-value of a change for the worse is not touched: only a pass, and a failure before the last look, are
claimed more than once.
"""

from typing import Final

_EARLY: Final = 0.1
_MOST_AT_EARLY: Final = 9
"""Early looks that fit beside a last one with their usual share."""
_LAST: Final = (1.0, 0.970, 0.938, 0.909, 0.881)
"""Share of the last look by number of early looks, as simulated: 4.8 to 5.0 % in total for 5 %."""


def early_share(early: int) -> float:
    """Return the share of the error that each look before the last may spend.

    Args:
        early: Number of such looks, ≥ 0.
    """
    return _EARLY if early <= _MOST_AT_EARLY else (1 - _EARLY) / early


def last_share(early: int) -> float:
    """Return the share of the error that the last look may spend.

    Looks at the same answers and more of them agree, so up to four early ones cost less than they
    spend. Above that Bonferroni's inequality holds the total.

    Args:
        early: Number of looks before it, ≥ 0.

    Source: the shape of Haybittle (1971), British Journal of Radiology 44(526), 793–797, and Peto et
    al. (1976), British Journal of Cancer 34(6), 585–612.
    """
    if early < len(_LAST):
        return _LAST[early]
    return 1 - early * early_share(early)
