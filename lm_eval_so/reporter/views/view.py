"""What a report or a comment shows: numbers already formatted, cases picked, texts chosen.

All of it is plain text as people would read it; each format escapes it for the place where it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.reporter.views.lost import LostView

ABSENT = "–"
"""Stands where there is no figure."""

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
    """Rows without a score, by reason code."""
    not_applicable: str
    note: str
    facts: tuple[str, ...]
    """What else there is to say: coverage, units, named reasons, the score of all rows together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One run status."""

    status: str
    n: str
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One metric over samples with something in common."""

    by: str
    value: str
    n: str
    mean: str
    interval: str
    no_score: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteView:
    """What one judge of a panel said."""

    model: str
    said: str
    """Label, value, or why there is none."""
    reason: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a score is what it is."""

    metric: str
    reason: str
    evidence: tuple[str, ...]
    votes: tuple[VoteView, ...] = ()
    """Of a panel; a single judge's reason and evidence stand above."""


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
    repaired: str
    no_score: str
    order_flips: str
    retest: str
    alpha: str
    kappa: str
    """With people; else the state of the calibration."""
    j: str
    notes: tuple[str, ...]
    """What it differs in from the panel, leans to, or was told by answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """What a part of the evaluation cost."""

    part: str
    cost: str
    rows: str
    unpriced: str
    tokens_in: str
    tokens_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """A report."""

    suite: str
    label: str
    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    statuses: tuple[StatusRow, ...]
    lead: str
    """The metric that slices are shown of; "" if there is none."""
    slices: tuple[SliceRow, ...]
    slices_note: str | None
    """How many slices are not shown."""
    cases: tuple[CaseView, ...]
    cases_note: str | None
    judges: tuple[JudgeRow, ...]
    costs: tuple[CostRow, ...]
    times: tuple[str, ...]
    footer: tuple[tuple[str, str], ...]
    """Name and value; an empty name stands before nothing."""
    commands: str | None
    """What makes the report again; None if that is not known."""

    @property
    def has_facts(self) -> bool:
        """Return whether there is more to say of any metric than its row does."""
        return any(row.facts for row in self.metrics)


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
    again: tuple[str, ...] = ()
    """How it did when asked again, by the same metrics; empty if it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyView:
    """A sample that got worse but, asked again, mostly did not."""

    sample_id: str
    metrics: str
    """Those of which the same is told."""
    again: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionRow:
    """An entry of the quarantine or accept file."""

    sample_id: str
    """Or that a whole metric is meant."""
    is_sample: bool
    metric: str
    scores: str
    drop: str
    limit: str
    until: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionTable:
    """The entries of one of these files."""

    title: str
    """Key of its text."""
    has_limits: bool
    """Whether entries have a largest drop."""
    rows: tuple[ExemptionRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceChange:
    """A metric in samples that have something in common, before and now."""

    by: str
    value: str
    metric: str
    n: str
    baseline: str
    candidate: str
    change: str
    evidence: str
    is_proven: bool
    is_changed: bool
    """Whether the mean is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """A comparison."""

    suite: str
    icon: str
    is_error: bool
    """Whether it could not be measured, which then is said first."""
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
    flaky: tuple[FlakyView, ...] = ()
    """Samples that asking again showed to be flaky; they do not count."""
    exemptions: tuple[ExemptionTable, ...] = ()
    """What the quarantine and accept files take out of the gate."""
    footer: tuple[tuple[str, str], ...]
    accepted: tuple[str, str] | None = None
    """How the baseline became it on purpose: what to say, and the reason as it was given."""
    slices: tuple[SliceChange, ...] = ()
    """Where it changed, the best evidence first."""
    slices_note: str = ""
    rerun: str | None = None
    """Commands that measure the baseline again, where that is needed."""
    lost: LostView | None = None

    @property
    def open_slices(self) -> tuple[SliceChange, ...]:
        """Return those slices whose mean changed without proof."""
        return tuple(each for each in self.slices if each.is_changed and not each.is_proven)

    @property
    def proven_slices(self) -> tuple[SliceChange, ...]:
        """Return those slices that are proven to be worse or better."""
        return tuple(each for each in self.slices if each.is_proven)


def words_of(topic: str, language: Language) -> Words:
    """Return the texts of a topic."""

    def text(key: str, **figures: object) -> str:
        return say(f"{topic}.{key}", language, figures)

    return text
