"""Views: numbers already formatted, cases picked, texts chosen.

All values are plain text as people read it; each format escapes them for their place.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.core.words.first_cases import MOST_FIRST, FirstCase
from lm_eval_so.core.words.headline import Headline
from lm_eval_so.core.words.rules_text import RulesText

ABSENT = "–"
"""Placeholder of a figure that is not there."""

Words = Callable[..., str]
"""Text by its key, with its figures as keyword arguments."""


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
    """More facts: coverage, units, named reasons, the score of all rows together."""


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
    """Vote of one judge of a panel."""

    model: str
    said: str
    """Label, value, or the reason why there is none."""
    reason: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Reason of a score."""

    metric: str
    reason: str
    evidence: tuple[str, ...]
    votes: tuple[VoteView, ...] = ()
    """Votes of a panel; a single judge's reason and evidence stand above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A row that failed or has no answer."""

    name: str
    """The user's own id, or else the sample's, and which of several answers it is."""
    own_id: str
    """The sample's id if it is not the name; else empty."""
    scores: tuple[str, ...]
    """Scores as "exact_match 0"; of a row without an answer, the reason."""
    input: str
    expected: str | None
    answer: str | None
    error: str | None
    findings: tuple[Finding, ...]
    times: str = ""
    """Answers of several that are like this one, as "3 of 3 times"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRow:
    """Health of a judge."""

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
    """Agreement with people; else the state of the calibration."""
    j: str
    notes: tuple[str, ...]
    """Differences from the panel, and biases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Cost of a part of the evaluation."""

    part: str
    cost: str
    rows: str
    unpriced: str
    tokens_in: str
    tokens_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Slices of one metric."""

    metric: str
    """Metric of the slices; "" if there is none."""
    rows: tuple[SliceRow, ...]
    note: str | None
    """Number of slices that are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Rows that failed or have no answer."""

    shown: tuple[CaseView, ...]
    note: str | None
    """Number of cases that are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """A report."""

    suite: str
    label: str
    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    statuses: tuple[StatusRow, ...]
    breakdown: Breakdown
    cases: Cases
    judges: tuple[JudgeRow, ...]
    costs: tuple[CostRow, ...]
    times: tuple[str, ...]
    footer: tuple[tuple[str, str], ...]
    """Pairs of name and value; an empty name stands before nothing."""
    commands: str | None
    """Commands that make the report again; None if they are not known."""

    @property
    def has_facts(self) -> bool:
        """Whether any metric has more facts than its row shows."""
        return any(row.facts for row in self.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredView:
    """Parts of a report that a comment shows."""

    costs: tuple[str, ...]
    judges: tuple[JudgeRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One metric of a comparison."""

    metric: str
    note: str
    """Note that less is better; "" if more is, or if the change is a factor."""
    baseline: str
    candidate: str
    change: str
    """Change with the sign of candidate − baseline."""
    allowed: str
    icon: str
    verdict: str
    """Name of the verdict, and a note if it does not gate."""
    is_gating: bool
    means: str
    """Means of both sides, without counts."""
    bare_change: str
    """Change and interval, without units."""
    bare_allowed: str
    """Limits as in `allowed`, without units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedView:
    """A sample that got worse, by all metrics that show it."""

    sample_id: str
    ref: str | None
    """The user's own id."""
    scores: tuple[str, ...]
    """Scores as "exact_match 1 → 0"."""
    input: str | None
    expected: str | None
    baseline_answer: str | None
    candidate_answer: str | None
    reasons: tuple[str, ...]
    again: tuple[str, ...] = ()
    """Results of asking again, by the same metrics; empty if it was not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyView:
    """A sample that got worse but, asked again, mostly did not."""

    name: str
    """The user's own id, or else the sample's."""
    metrics: str
    """Metrics with the same counts."""
    again: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionRow:
    """An entry of the quarantine or accept file."""

    sample_id: str
    """Sample, or a text for a whole metric."""
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
class VerdictView:
    """Verdict of the run: the first screen of every surface, in this order."""

    headline: Headline
    word: str
    """Name of the verdict."""
    is_error: bool
    """Whether the run could not be measured, which then is said first."""
    cases: tuple[FirstCase, ...]
    """Cases that got worse, the most telling first."""
    low: tuple[FirstCase, ...]
    """In a first run the first cases that score low or have no answer."""
    lines: tuple[str, ...]
    """Sentences on the cases, after them."""
    sentence: str
    """The mean in words."""
    warnings: tuple[str, ...]
    """Warnings of all that the gate was asked to look at and could not."""
    rules: RulesText | None
    """Rules that the pull request changes; None if none."""
    accepted: tuple[tuple[str, str, str], ...]
    """Drops that the pull request itself accepts: name, figures, and the reason as it was given."""
    footer: tuple[str, ...]
    """Limits of the verdict: which questions it is about, how often it calls a case broken by mistake."""

    @property
    def open(self) -> tuple[FirstCase, ...]:
        """Cases right under the headline; where all is well there is none to look at first."""
        return () if self.headline.tone == "pass" else self.cases[:MOST_FIRST]

    @property
    def summary(self) -> str:
        """Sentences before the figures: what is ruled out at all, or else the mean in words."""
        return self.headline.remark or self.sentence

    @property
    def detail(self) -> str:
        """Sentences after the figures, unless they stand before them."""
        return self.sentence if self.headline.remark else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCases:
    """Samples that changed, and samples without a score."""

    worse: tuple[ChangedView, ...]
    better: tuple[str, ...]
    """Names of samples: the user's own ids, or else ours."""
    unscored: tuple[str, ...]
    """Names of samples with a row without a score, as far as the report names them."""
    unscored_rows: str
    """Number of such rows; "" if none."""
    flaky: tuple[FlakyView, ...]
    """Samples that asking again showed to be flaky; they do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceChanges:
    """Slices of the comparison, the best evidence first."""

    rows: tuple[SliceChange, ...]
    note: str

    @property
    def open(self) -> tuple[SliceChange, ...]:
        """Slices whose mean changed without proof."""
        return tuple(each for each in self.rows if each.is_changed and not each.is_proven)

    @property
    def proven(self) -> tuple[SliceChange, ...]:
        """Slices that are proven to be worse or better."""
        return tuple(each for each in self.rows if each.is_proven)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostView:
    """Cases that lost their answer."""

    headline: str
    reasons: str
    names: tuple[str, ...]
    """Names of the first cases."""
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """A comparison."""

    suite: str
    verdict: VerdictView
    scores: tuple[GateRow, ...]
    ratios: tuple[GateRow, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    differences: tuple[str, ...]
    rerun: str | None
    """Commands that measure the baseline again, if that is needed."""
    accepted: tuple[str, str] | None
    """Acceptance of the baseline: a note, and the reason as it was given."""
    cases: ChangedCases
    slices: SliceChanges
    exemptions: tuple[ExemptionTable, ...]
    """Entries of the quarantine and accept files."""
    footer: tuple[tuple[str, str], ...]
    lost: LostView | None


def words_of(topic: str, language: Language) -> Words:
    """Return the texts of a topic."""

    def text(key: str, **figures: object) -> str:
        return say(f"{topic}.{key}", language, figures)

    return text
