"""`lm-eval-so/history/1`: the figures of past reports, and what was changed from one to the next."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lm_eval_so.core.records.changes import Difference
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.record import record


@record
class MetricTrace:
    """Kind and range of a metric; its figures stand in each entry."""

    kind: MetricKind
    direction: Direction
    range: tuple[float, float] | None
    """Lowest and highest possible value; null if open."""
    unit: str | None


@record
class MetricFigure:
    """One metric in one report."""

    mean: float | None
    ci95: tuple[float, float] | None
    """Two-sided 95 % interval of the mean."""
    n: int
    """Samples with a value."""
    measured_anew: bool = False
    """Whether it was measured in another way than in the entry before, so that the two cannot be compared."""


@record
class HistoryEntry:
    """One past report."""

    at: str
    """Time of the evaluation, RFC 3339 in UTC."""
    source: str
    """The file, or the commit that stored it."""
    commit: str | None
    """Commit that was measured."""
    model: str | None
    samples: int
    complete: bool
    metrics: Mapping[str, MetricFigure]
    changes: tuple[Difference, ...] = ()
    """Changes of chatbot, dataset and measures since the entry before."""


@record
class History:
    """Past reports of one suite, the oldest first."""

    schema: Literal["lm-eval-so/history/1"] = "lm-eval-so/history/1"
    suite: str
    metrics: Mapping[str, MetricTrace] = field(default_factory=dict)
    """Metrics by id, in the order of the newest report that has them."""
    entries: tuple[HistoryEntry, ...]
