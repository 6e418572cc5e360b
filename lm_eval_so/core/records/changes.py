"""Parts of a comparison: cases, slices and main itself that changed, settings that differ, exemptions."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lm_eval_so.core.records.record import record

ExemptionState = Literal[
    "applied",
    "unused",
    "exceeded",
    "expired",
    "unknown_sample",
    "unknown_metric",
    "not_on_base",
]
"""Effect of an entry of the quarantine or accept file."""


@record
class ChangedCase:
    """A sample that got worse or better."""

    sample_id: str
    metric: str
    change: Literal["worse", "better"]
    baseline: float
    candidate: float
    input: str | None
    expected: str | None
    baseline_answer: str | None
    candidate_answer: str | None
    reason: str | None = None
    """Reason for the score of the candidate's answer."""
    reason_in: Mapping[str, str] = field(default_factory=dict)
    """The reason in every language, by its code."""
    ref: str | None = None
    """The user's own id."""
    again: tuple[int, int] | None = None
    """Further answers: (worse again, asked)."""


@record
class RewordedCase:
    """A sample whose score stayed as it was, with an answer that the baseline did not give."""

    sample_id: str
    baseline_answer: str


@record
class LostCase:
    """A case that lost its answer."""

    sample_id: str
    ref: str | None = None
    """The user's own id."""
    input: str | None = None
    why: str
    """Cause, as "HTTP 500", timeout, or missing (the sample was not asked)."""


@record
class Lost:
    """Cases with an answer in the baseline and none in the candidate."""

    n: int
    by: Mapping[str, int]
    """Cases by cause, the most frequent first."""
    cases: tuple[LostCase, ...]
    """The first 100 cases, in the order of the dataset."""


@record
class MainFell:
    """A metric of main that got worse although nobody here changed the chatbot."""

    metric: str
    drop: float
    """Fall of the mean since the baseline, in score units; positive."""
    day: str
    """Day of the scheduled comparison, YYYY-MM-DD."""


@record
class SliceComparison:
    """A metric over the paired samples of a slice; it never decides a verdict."""

    by: str
    """tag, language, length, or a metadata key."""
    value: str
    metric: str
    n: int
    """Paired samples of the slice that the metric counts."""
    baseline: float | None
    candidate: float | None
    delta: float | None
    """Mean change over complete pairs; positive is better. For a ratio: the factor."""
    ci90: tuple[float, float] | None
    """Two-sided 90 % interval of `delta`; null if the slice is small."""
    change: Literal["worse", "better"] | None
    """Direction that both p-values test, the likelier one; null if the slice is small."""
    p_raw: float | None
    """One-sided, by the method of the metric."""
    p_adjusted: float | None
    """Adjusted together with all slices and metrics, both ways, by Benjamini and Hochberg."""
    proven: bool
    """Whether `p_adjusted` is at most 0.10."""
    small: bool
    """Whether the slice has fewer than 10 samples or groups of samples, and is not tested."""


@record
class FlakyCase:
    """A sample that got worse but mostly did not when asked again; it does not count."""

    sample_id: str
    ref: str | None = None
    """The user's own id."""
    metric: str
    baseline: float
    candidate: float
    again: tuple[int, int]
    """Further answers: (worse again, asked)."""


@record
class Difference:
    """A setting in which the two reports differ."""

    about: Literal["chatbot", "dataset", "metric"]
    """Subject of the setting: the chatbot under test, the dataset or a metric."""
    metric: str | None
    """Metric id; null if the setting is not of a metric."""
    key: str
    """Key of the setting, as params.temperature, system, tools.find_order, judge.params.model."""
    baseline: str | None
    """Value in the baseline; for a long value the part that differs, with length and digest; null:
    not set."""
    candidate: str | None

    @property
    def text(self) -> str:
        """The difference in one line, as params.temperature: 0 → 0.7; – stands for what is not set."""
        before, now = ("–" if each is None else each for each in (self.baseline, self.candidate))
        return f"{self.key}: {before} → {now}"


@record
class Exemption:
    """An entry of the quarantine or accept file, and its effect."""

    sample_id: str | None
    """Sample; null if the entry is about a whole metric."""
    metric: str | None
    """Metric; null if the entry is about all metrics."""
    state: ExemptionState
    """Effect of the entry; only an applied entry takes samples out of the verdict. not_on_base: under
    `gate.rules: strict` an accept entry that the proposal brings has none."""
    meant: str | None = None
    """Nearest known name for an unknown sample or metric; null if none is near."""
    reason: str
    """Reason written in the file."""
    until: str
    """Last day of the entry, YYYY-MM-DD in UTC."""
    max_drop: float | None = None
    """Largest drop that an accept entry allows, in score units."""
    drop: float | None = None
    """Largest drop found; null if not known."""
    where: str
    """File and line."""
    on_base: bool | None = None
    """Whether an accept entry stands on the base commit, too; null where nothing is proposed."""
    scores: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Scores of the sample, (baseline, candidate), by the metrics that leave it out."""
