"""What a metric says of one row."""

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.record import record

LARGEST_SCORE: Final = 1e150
"""Size of the largest score: the square of a larger one is no float, and its mean says nothing."""


@record
class JudgeVote:
    """What one judge said of one answer."""

    label: str | None
    """The label it chose; null if its output was unusable, or if it gives values."""
    value: float | None = None
    """The value that it gives; null if there is none."""
    code: str | None = None
    """Why it gives none: judge_invalid, judge_refused, judge_error, judge_unknown or judge_budget."""
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    model: str | None = None
    calls: int = 0
    repaired: bool = False
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None


@record
class Score:
    """The value of one metric for one answer, or why there is none."""

    metric: str
    """Id of the metric."""
    sample_id: str
    repeat: int = 0
    status: ScoreStatus
    value: float | None = None
    """Null unless scored."""
    passed: bool | None = None
    label: str | None = None
    reason: str | None = None
    """One line for people."""
    code: str | None = None
    """Reason code: of an unscored row always, of a scored one where the rule has a name."""
    vacuous: bool = False
    """There was nothing to check, so nothing was violated."""
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    judge: tuple[JudgeVote, ...] = ()
    """What each judge said, in the order of the panel."""
    cost_usd: float | None = None
    latency_ms: float | None = None
