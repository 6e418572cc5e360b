"""Costs of an evaluation, latency of the chatbot and times of its answers: parts of a report."""

import math
from collections.abc import Iterable
from dataclasses import field

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.record import record

_DECIMALS = 10


@record
class CostSummary:
    """Costs in US dollars; null if no price is known."""

    bot_usd: float | None
    bot_priced: int
    """Rows with a known price."""
    bot_rows: int
    judges_usd: float | None
    usage: Usage
    """Tokens of the chatbot."""
    bot_saved_usd: float | None = None
    """Estimated cost of the answers from the cache, had they been asked."""
    simulator_usd: float | None = None
    simulator_priced: int = 0
    """Rows whose simulated user has a known price."""
    simulator_rows: int = 0
    """Rows with a simulated user."""
    simulator_usage: Usage = field(default_factory=Usage)
    judges_priced: int = 0
    """Judged rows with a known price, over all metrics."""
    judges_rows: int = 0
    """Rows sent to a judge, over all metrics."""
    judges_usage: Usage = field(default_factory=Usage)

    def price_per(self, n: int) -> float | None:
        """Return the price of one of n samples, or of n answers, in US dollars.

        Chatbot, simulated users and judges count together, and answers from the cache with their
        price when they were asked. None if the price of one of these parts is not known at all.
        """
        saved = self.bot_saved_usd or 0.0
        paid = None if self.bot_usd is None and not saved else (self.bot_usd or 0.0) + saved
        parts = [
            _for_all_rows(paid, self.bot_priced, self.bot_rows),
            _for_all_rows(self.simulator_usd, self.simulator_priced, self.simulator_rows),
            _for_all_rows(self.judges_usd, self.judges_priced, self.judges_rows),
        ]
        known = [part for part in parts if part is not None]
        return sum(known) / n if n and len(known) == len(parts) else None


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
    """Time span of a set of answers."""

    n: int = 0
    """Number of answers."""
    oldest: str | None = None
    """RFC 3339, UTC; null if no time is known."""
    newest: str | None = None


@record
class AnswerTimes:
    """Times of the answers, by origin."""

    asked: TimeSpan = field(default_factory=TimeSpan)
    """Answers asked for by the last invocation of the run."""
    earlier: TimeSpan = field(default_factory=TimeSpan)
    """Answers of an earlier invocation of a resumed run."""
    cached: TimeSpan = field(default_factory=TimeSpan)
    """Answers from the cache, wholly or in part, by the time when the chatbot gave them."""


def add_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum of the known tokens; null if none are known."""
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
    """Return the sum of the known costs in US dollars, independent of their order; null if none are known."""
    known = [cost for cost in costs if cost is not None]
    return round(math.fsum(known), _DECIMALS) if known else None


def _for_all_rows(usd: float | None, priced: int, rows: int) -> float | None:
    """Return the price of all rows, if rows without a known price cost as much as the others."""
    if not rows:
        return usd or 0.0
    return usd / priced * rows if usd is not None and priced else None


def _add(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more
