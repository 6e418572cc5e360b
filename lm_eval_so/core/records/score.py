"""Scores: values of metrics for single rows, with the votes of judges."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final, Self

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.record import record

LARGEST_SCORE: Final = 1e150
"""Largest absolute score: squares of larger values overflow a float."""


@record
class JudgeVote:
    """Vote of one judge on one answer."""

    label: str | None
    """Chosen label; null if the output was unusable, or if the judge gives values."""
    value: float | None = None
    """Given value; null if there is none."""
    code: str | None = None
    """Reason code without a vote: judge_invalid, judge_refused, judge_error, judge_unknown or
    judge_budget."""
    reason: str | None = None
    """Words of the judge, in its own language, or what the metric makes of them."""
    reason_in: Mapping[str, str] = field(default_factory=dict)
    """The reason in every language, by its code; empty if a judge wrote it."""
    evidence: tuple[str, ...] = ()
    model: str | None = None
    calls: int = 0
    repaired: bool = False
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None


@record
class Score:
    """Value of one metric for one answer, or the reason why there is none."""

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
    reason_in: Mapping[str, str] = field(default_factory=dict)
    """The reason in every language, by its code; empty if a judge or a plugin wrote it."""
    code: str | None = None
    """Reason code: always set if unscored; set if scored by a named rule."""
    vacuous: bool = False
    """Whether there was nothing to check, so that nothing was violated."""
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    judge: tuple[JudgeVote, ...] = ()
    """Vote of each judge, in the order of the panel."""
    cost_usd: float | None = None
    latency_ms: float | None = None

    def without_texts(self) -> Self:
        """Return the score without what a metric or a judge says of the answer; a judge's label stays."""
        votes = tuple(replace(vote, reason=None, reason_in={}, evidence=()) for vote in self.judge)
        label = self.label if self.judge else None
        return replace(self, label=label, reason=None, reason_in={}, details={}, judge=votes)
