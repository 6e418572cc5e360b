"""What an evaluation cost, how long the chatbot took, and when: parts of a report."""

import math
from collections.abc import Iterable
from dataclasses import field

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.record import record

_DECIMALS = 10


@record
class CostSummary:
    """What it cost, in US dollars; null where no price is known."""

    bot_usd: float | None
    bot_priced: int
    """Rows with a known price."""
    bot_rows: int
    judges_usd: float | None
    usage: Usage
    """Tokens of the chatbot."""
    bot_saved_usd: float | None = None
    """What the answers from the cache would have cost."""
    simulator_usd: float | None = None
    simulator_priced: int = 0
    """Rows whose simulated user has a known price."""
    simulator_rows: int = 0
    """Rows with a simulated user."""
    simulator_usage: Usage = field(default_factory=Usage)
    judges_priced: int = 0
    """Judged rows with a known price, over all metrics."""
    judges_rows: int = 0
    """Rows about which a judge was asked, over all metrics."""
    judges_usage: Usage = field(default_factory=Usage)


@record
class LatencySummary:
    """Latency of answered rows in milliseconds."""

    n: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    cached: int
    """Rows left out because their answer was not measured in this run."""


@record
class TimeSpan:
    """When some answers were given."""

    n: int = 0
    """Answers."""
    oldest: str | None = None
    """RFC 3339, UTC; null if that is not known of any."""
    newest: str | None = None


@record
class AnswerTimes:
    """From when the answers are."""

    asked: TimeSpan = field(default_factory=TimeSpan)
    """Those that the last invocation of the run asked for."""
    earlier: TimeSpan = field(default_factory=TimeSpan)
    """Those of an earlier invocation, which the last one went on with."""
    cached: TimeSpan = field(default_factory=TimeSpan)
    """Those from the cache, wholly or in part, by when the chatbot gave them."""


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
