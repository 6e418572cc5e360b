"""`lm-eval-so/comparison/1`: what changed between two reports, and what the gate says of it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.record import record


@record
class Reason:
    """A code with its figures; `core.words` makes the sentence."""

    code: str
    figures: Mapping[str, JsonValue] = field(default_factory=dict)


@record
class MetricComparison:
    """One metric, baseline against candidate."""

    verdict: Verdict
    reason: str | None = None
    """Reason code; null where the verdict needs none."""
    gating: bool
    """Whether it decides the whole verdict."""
    kind: MetricKind
    direction: Direction
    baseline: float | None
    """Mean of the paired samples."""
    candidate: float | None
    delta: float | None
    """Mean change over complete pairs; positive is better. Of a ratio: the factor."""
    ci90: tuple[float, float] | None
    """Two-sided 90 % interval of `delta`, missing rows at their worst and best."""
    margin: float | None
    """Largest true drop that is accepted, in score units."""
    threshold: Mapping[str, JsonValue] | None = None
    """The fixed bound that was checked (min, max, max_increase, rule), and whether it held."""
    n: int
    """Paired samples."""
    missing: tuple[int, int] = (0, 0)
    """Rows without a score: baseline, candidate."""
    worse: int = 0
    """Paired samples whose score fell."""
    better: int = 0
    p_worse: float | None = None
    """One-sided p-value for "the candidate is worse", Holm-adjusted where several metrics gate."""
    p_raw: float | None = None
    needed_n: int | None = None
    """Samples that would settle it with 80 % power, if nothing changed."""
    needed_cost_usd: float | None = None
    provable_margin: float | None = None
    """Smallest margin that this number of samples can prove at all."""
    method: str | None = None
    """Interval and test that were used."""
    warnings: tuple[Reason, ...] = ()
    sentence: str
    """The verdict in one plain sentence."""


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
    """Why the candidate's answer has its score."""


@record
class Pairing:
    """How the samples of both reports match, by id and rev."""

    paired: int
    added: tuple[str, ...]
    """Ids that only the candidate has."""
    removed: tuple[str, ...]
    """Ids that only the baseline has."""
    changed: tuple[str, ...]
    """Ids whose content differs."""


@record
class BaselineRef:
    """Where the baseline came from."""

    source: Literal["file", "git", "artifact", "branch", "none"]
    path: str | None = None
    ref: str | None = None
    """Git commit it was read from."""
    commit: str | None = None
    """Commit that it measured."""
    model: str | None = None
    label: str | None = None
    evaluated_at: str | None = None


@record
class Comparison:
    """`comparison.json`: the verdict and all that it stands on."""

    schema: Literal["lm-eval-so/comparison/1"] = "lm-eval-so/comparison/1"
    suite: str
    suite_id: str
    verdict: Verdict
    passed: bool
    """Whether the gate lets the change in."""
    exit_code: int
    """0, 1 or 3: that of the whole verdict under the configured policy."""
    sentence: str
    """The verdict in one plain sentence."""
    reasons: tuple[Reason, ...]
    """Codes of the whole verdict."""
    metrics: Mapping[str, MetricComparison]
    """By metric id, gating ones first."""
    changed: tuple[ChangedCase, ...]
    """Cases that got worse first."""
    pairing: Pairing
    baseline: BaselineRef
    differences: tuple[str, ...]
    """What differs in the thing under test, key by key."""
    alpha: float
    compared_at: str
