"""The scores of all rows, column by column, in dataset order, whatever order they came in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.usage import add_usage

MISSING = "missing"
"""Status of a row that the run does not have."""


_NO_FAULT = frozenset({"cached", "not_reported"})
"""Codes of scores that are missing without anything having gone wrong."""


def is_fault(score: Score) -> bool:
    """Whether a score is missing because something went wrong."""
    return score.status is ScoreStatus.UNSCORED and score.code not in _NO_FAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """What of a sample the report needs."""

    id: str
    sample_hash: str
    rev: str
    group_id: str | None
    tags: tuple[str, ...]
    language: str | None
    length: int
    """Graphemes of the input."""
    metadata: Mapping[str, JsonValue]
    """Values of the keys in `report.by`."""
    input: str | None
    """None unless the report keeps it."""
    expected: str | None


@dataclass(slots=True)
class Column:
    """One metric over all rows."""

    values: list[float | None] = field(default_factory=list)
    """One per row; None: no value."""
    not_applicable: set[int] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    """Unscored rows by reason code."""
    vacuous: int = 0
    passed: int = 0
    judged: int = 0
    """Rows that either passed or failed."""
    first_unscored: tuple[int, str] | None = None
    """The first row without a value that is due to a fault, and why."""

    def put(self, row: int, score: Score) -> None:
        """Enter the score of a row."""
        self.values[row] = score.value
        self.vacuous += score.vacuous
        self.passed += score.passed is True
        self.judged += score.passed is not None
        if score.status is ScoreStatus.NOT_APPLICABLE:
            self.not_applicable.add(row)
        elif score.status is ScoreStatus.UNSCORED:
            self.codes[score.code or "unscored"] += 1
            if is_fault(score) and (self.first_unscored is None or row < self.first_unscored[0]):
                self.first_unscored = (row, score.reason or score.code or "")

    def is_unscored(self, row: int) -> bool:
        """Whether the metric applies to a row but has no value."""
        return self.values[row] is None and row not in self.not_applicable


class Sheet:
    """All rows of an evaluation.

    Args:
        metric_ids: The metrics, in their order.
    """

    def __init__(self, metric_ids: Sequence[str]) -> None:
        self.samples: list[SampleFacts] = []
        self.sample_of: list[int] = []
        """Position of its sample, per row; the rows of a sample stand together."""
        self.repeats: list[int] = []
        self.statuses: list[str] = []
        self.answers: list[str | None] = []
        self.columns = {metric_id: Column() for metric_id in metric_ids}
        self.cached: set[int] = set()
        self.costs: list[float | None] = []
        """Of each row that was asked."""
        self.latencies_ms: list[float] = []
        """Of answered rows, measured in this run."""
        self.usage = Usage()
        self.models: set[str] = set()

    def add_sample(self, facts: SampleFacts) -> None:
        """Begin a sample; its rows come next."""
        self.samples.append(facts)

    def add_row(self, repeat: int, run: RunResult | None) -> int:
        """Add a row of the last sample, and give its number."""
        row = len(self.sample_of)
        self.sample_of.append(len(self.samples) - 1)
        self.repeats.append(repeat)
        self.statuses.append(run.status.value if run else MISSING)
        self.answers.append(run.text if run and run.response else None)
        for column in self.columns.values():
            column.values.append(None)
        if run is None:
            return row
        self.costs.append(run.cost_usd)
        self.usage = add_usage([self.usage, run.usage])
        self.models |= {run.model} if run.model else set()
        if run.cached:
            self.cached.add(row)
        elif run.latency_ms is not None and run.status.is_answer:
            self.latencies_ms.append(run.latency_ms)
        return row

    def put(self, row: int, scores: Sequence[Score]) -> None:
        """Enter the scores of a row."""
        for score in scores:
            self.columns[score.metric].put(row, score)
