"""Sums of tokens and money, where not everything is known."""

import math
from collections.abc import Iterable

from lm_eval_so.core.records.chat import Usage

_DECIMALS = 10


def add_usage(usages: Iterable[Usage]) -> Usage:
    """Add up the tokens that are known; null where none is."""
    total = Usage()
    for usage in usages:
        total = Usage(
            input_tokens=_add(total.input_tokens, usage.input_tokens),
            output_tokens=_add(total.output_tokens, usage.output_tokens),
            cached_tokens=_add(total.cached_tokens, usage.cached_tokens),
            reasoning_tokens=_add(total.reasoning_tokens, usage.reasoning_tokens),
        )
    return total


def add_costs(costs: Iterable[float | None]) -> float | None:
    """Add up the costs that are known, in US dollars; null if none is. Their order is no matter."""
    known = [cost for cost in costs if cost is not None]
    return round(math.fsum(known), _DECIMALS) if known else None


def _add(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more
