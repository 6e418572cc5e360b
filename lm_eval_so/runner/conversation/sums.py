"""Sums over the requests of one row, where not everything is told."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import Usage

CostSource = Literal["prices", "config", "none", "unknown"]

_SOURCES: tuple[CostSource, ...] = ("config", "prices", "none")
_DECIMALS = 10


def sum_usage(answers: Sequence[Answer]) -> Usage:
    """Add up the tokens of all responses; null where one of them does not tell."""
    told = [answer.usage for answer in answers if answer.response is not None]
    return Usage(
        input_tokens=_whole(usage.input_tokens for usage in told),
        output_tokens=_whole(usage.output_tokens for usage in told),
        cached_tokens=_whole(usage.cached_tokens for usage in told),
        reasoning_tokens=_whole(usage.reasoning_tokens for usage in told),
    )


def sum_costs(answers: Sequence[Answer]) -> float | None:
    """Add up what all responses cost, in US dollars; null if it is not known of one of them."""
    return add(answer.cost_usd for answer in answers if answer.response is not None)


def source_of(answers: Sequence[Answer]) -> CostSource:
    """Give where the sum of costs comes from: unknown if it is, else that of those with a price."""
    if sum_costs(answers) is None:
        return "unknown"
    sources = {answer.cost_source for answer in answers if answer.response is not None}
    return next((source for source in _SOURCES if source in sources), "unknown")


def add(numbers: Iterable[float | None]) -> float | None:
    """Add numbers up; null if there are none, or one of them is not told."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return round(math.fsum(known), _DECIMALS) if known and len(known) == len(found) else None


def _whole(numbers: Iterable[int | None]) -> int | None:
    total = add(numbers)
    return None if total is None else int(total)
