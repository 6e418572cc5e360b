"""`lm-eval-so/report/1`: the scores of a run, its figures, and all that is needed to compare it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.run import BackendInfo, DatasetRef
from lm_eval_so.core.records.score import Score


@record
class MetricSummary:
    """One metric over all rows."""

    name: str
    """Name of the metric; the key beside it is its id."""
    mean: float | None
    """Mean over samples (repeats averaged first); null if nothing was scored."""
    std: float | None
    """Standard deviation over samples, n−1."""
    sample_count: int
    """Samples with a value."""
    rows: int
    """Rows with a value."""
    ci95: tuple[float, float] | None
    """Two-sided 95 % interval of the mean; null below two samples."""
    unscored: int
    """Rows to which the metric applies but that have no value."""
    unscored_by: Mapping[str, int] = field(default_factory=dict)
    """Unscored rows by reason code."""
    not_applicable: int = 0
    vacuous: int = 0
    coverage: float | None = None
    """Scored rows over applicable rows, 0 … 1."""
    mean_if_missing_worst: float | None = None
    """Mean if every unscored row had the worst value; null where the range is open."""
    mean_if_missing_best: float | None = None
    passed_share: float | None = None
    direction: Direction
    kind: MetricKind
    range: tuple[float, float] | None = None
    """Lowest and highest possible value; null if open."""
    unit: str | None = None
    category: Literal["rule", "heuristic", "model"] = "rule"
    min: float | None = None
    p50: float | None = None
    p95: float | None = None
    max: float | None = None
    fingerprint: str
    """Digest of the metric's definition: name, version, parameters, judge."""
    definition: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the fingerprint is made of, so that a difference can be named."""


@record
class SliceFigures:
    """One metric over the samples of a slice."""

    n: int
    mean: float | None
    ci95: tuple[float, float] | None
    unscored: int


@record
class Slice:
    """Samples with something in common, and their figures."""

    by: str
    """tag, language, length, status, or a metadata key."""
    value: str
    samples: int
    small: bool
    """Under 10 samples: little can be said."""
    metrics: Mapping[str, SliceFigures]


@record
class Case:
    """A row that failed or has no answer, shown in full."""

    sample_id: str
    repeat: int
    kind: Literal["infrastructure", "quality"]
    status: str
    input: str
    """Text of the conversation, the user's last turn last."""
    expected: str | None
    answer: str | None
    reason: str
    """Why it is here, one line."""
    scores: tuple[Score, ...]
    tags: tuple[str, ...] = ()
    language: str | None = None


@record
class JudgeHealth:
    """How a judge did as an instrument."""

    model: str | None
    fingerprint: str
    rows: int
    """Rows that it was asked about."""
    calls: int
    valid_first: int
    """Rows whose first output was usable."""
    repaired: int
    unscored: Mapping[str, int]
    """Rows without a verdict, by reason code."""
    labels: Mapping[str, int]
    """Rows by label."""
    injection_flags: int
    """Answers that seem to steer the judge."""
    calibration: Literal["ok", "none", "stale", "small"] = "none"
    state: Literal["ok", "warn", "bad"]
    why: tuple[str, ...] = ()
    """What makes the state worse than ok, as codes."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None


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
class Columns:
    """Parallel columns, one entry per sample and repeat, in dataset order."""

    ids: tuple[str, ...]
    sample_hashes: tuple[str, ...]
    revs: tuple[str, ...]
    groups: tuple[str | None, ...]
    repeats: tuple[int, ...]
    statuses: tuple[str, ...]
    scores: Mapping[str, tuple[float | None, ...]]
    """Values by metric id; null: no value."""
    not_applicable: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Positions to which a metric does not apply, by metric id."""
    inputs: tuple[str, ...] | None = None
    expected: tuple[str | None, ...] | None = None
    answers: tuple[str | None, ...] | None = None
    """The answers, their SHA-256, or null, as `report.answers` says."""
    cached: tuple[int, ...] = ()
    """Positions whose times were not measured in this run."""


@record
class Experiment:
    """What was measured, with what."""

    suite: str
    suite_id: str
    commit: str | None
    base_ref: str | None
    eligible: bool
    """Whether it may become a baseline."""
    complete: bool
    missing: int
    """Rows of the plan that the run does not have."""
    dataset: DatasetRef
    backend: BackendInfo
    run_config: Mapping[str, JsonValue]
    evaluator_config: Mapping[str, JsonValue]
    fingerprints: Mapping[str, str]
    """Digests: run, reach, dataset, metrics."""
    versions: Mapping[str, str]
    started_at: str | None
    finished_at: str | None
    evaluated_at: str


@record
class EvaluationReport:
    """`report.json`: one file that serves as report and as baseline."""

    schema: Literal["lm-eval-so/report/1"] = "lm-eval-so/report/1"
    experiment: Experiment
    metrics: Mapping[str, MetricSummary]
    """By metric id, in the order of the config."""
    breakdowns: tuple[Slice, ...]
    """By tag, language, length, status and chosen metadata; worst first within each."""
    statuses: Mapping[str, int]
    """Rows by run status; every status stands here."""
    cost: CostSummary
    latency: LatencySummary
    judges: Mapping[str, JudgeHealth]
    """Health of each judge, by metric id."""
    errors: tuple[Case, ...]
    """Rows without an answer, then failed ones, worst first."""
    failed_ids: tuple[str, ...] = ()
    """Ids of all rows that `errors` is chosen from."""
    samples: Columns
