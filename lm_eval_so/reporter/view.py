"""What a report or a comment shows: numbers already formatted, cases picked, texts chosen.

All of it is plain text as people would read it; each format escapes it for the place where it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say

Words = Callable[..., str]
"""Gives a text by its key, with its figures as keyword arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric of a report."""

    id: str
    arrow: str
    mean: str
    interval: str
    std: str
    n: str
    no_score: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One metric over samples with something in common."""

    by: str
    value: str
    n: str
    mean: str
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a score is what it is."""

    metric: str
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A row that failed or has no answer."""

    sample_id: str
    scores: tuple[str, ...]
    """As "exact_match 0"; of a row without an answer, why there is none."""
    input: str
    expected: str | None
    answer: str | None
    error: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRow:
    """How a judge did."""

    id: str
    is_ok: bool
    model: str
    scored: str
    valid_first: str
    repaired: str
    no_score: str
    calibration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """A report."""

    suite: str
    label: str
    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    statuses: tuple[tuple[str, str], ...]
    lead: str
    """The metric that slices are shown of; "" if there is none."""
    slices: tuple[SliceRow, ...]
    cases: tuple[CaseView, ...]
    cases_note: str | None
    judges: tuple[JudgeRow, ...]
    costs: tuple[str, ...]
    footer: tuple[tuple[str, str], ...]
    """Name and value; an empty name stands before nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One metric of a comparison."""

    metric: str
    note: str
    """That less is better; "" if more is, or if the change is a factor."""
    baseline: str
    candidate: str
    change: str
    """Its sign is that of candidate − baseline."""
    allowed: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedView:
    """A sample that got worse, by all metrics that say so."""

    sample_id: str
    scores: tuple[str, ...]
    """As "exact_match 1 → 0"."""
    input: str | None
    expected: str | None
    baseline_answer: str | None
    candidate_answer: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """A comparison."""

    suite: str
    icon: str
    word: str
    headline: str
    """The change of the metric that decides; "" if nothing could be compared."""
    sentence: str
    scores: tuple[GateRow, ...]
    ratios: tuple[GateRow, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    worse: tuple[ChangedView, ...]
    better: tuple[str, ...]
    unscored: tuple[str, ...]
    """Samples with a row without a score, as far as the report names them."""
    unscored_rows: str
    """How many such rows there are; "" if none."""
    differences: tuple[str, ...]
    footer: tuple[tuple[str, str], ...]


def words_of(topic: str, language: Language) -> Words:
    """Give the texts of a topic."""

    def text(key: str, **figures: object) -> str:
        return say(f"{topic}.{key}", language, figures)

    return text
