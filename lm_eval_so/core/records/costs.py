"""What an evaluation cost, how long the chatbot took, and when: parts of a report."""

from dataclasses import field

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.record import record


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
