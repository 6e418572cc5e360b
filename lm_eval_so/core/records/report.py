"""`lm-eval-so/report/1`: the scores of a run, its figures, and all that is needed to compare it."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Final, Literal, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.records.acceptance import Acceptance
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import AnswerTimes, CostSummary, LatencySummary
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.run import BackendInfo, DatasetRef
from lm_eval_so.core.records.score import Score

S = TypeVar("S", bound=Sequence[int])
NO_VALUE: Final = "(none)"
"""The samples without a value."""
OTHER_VALUES: Final = "(other)"
"""The samples of all values that are not kept by themselves."""
_MOST_VALUES = 30


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
    scored_by: Mapping[str, int] = field(default_factory=dict)
    """Scored rows by reason code, where the rule has a name, as no_choice or empty_answer."""
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
    measures_overlap: bool = False
    """Whether it tells only how near the wording is to a reference; such a metric is reported, and
    gates only where the gate names it."""
    min: float | None = None
    p50: float | None = None
    p95: float | None = None
    max: float | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    """Scored rows by what their texts were cut into, as char or morph:mecab-ko."""
    corpus_score: float | None = None
    """The metric of all rows together, where that is another figure than the mean, as of bleu."""
    signature: str | None = None
    """How the library that gives the values calls what it did."""
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
    failed: tuple[str, ...] = ()
    """Ids of the metrics that failed or that lack a value by a fault, the most important first."""


@record
class JudgeCalibration:
    """How far a judge agrees with people, as its calibration.json says."""

    state: Literal["ok", "none", "stale", "small"] = "none"
    """none: nobody measured it; stale: it was another judge, as of another rubric; small: fewer than
    30 answers that people call good, or that they call bad. Only an ok one is used."""
    n: int | None = None
    """Answers labelled by people and by the judge; null, as all figures, unless ok or small."""
    positives: int | None = None
    """Those among them that people call good."""
    negatives: int | None = None
    kappa: float | None = None
    """Cohen's κ of people and judge."""
    se: float | None = None
    """Sensitivity: share of the good answers that the judge calls good."""
    sp: float | None = None
    """Specificity: share of the bad answers that the judge calls bad."""
    j: float | None = None
    """Youden's J = se + sp − 1: how much of a true difference the judge shows."""
    date: str | None = None
    """When it was measured."""
    drift: float | None = None
    """Total variation distance of the labels that the judge gave in this run from those of the run
    of the calibration: half the sum of the differences in share, 0 … 1; null if not known."""


@record
class PanelMember:
    """One judge of a metric beside the others."""

    model: str | None
    votes: int
    """Usable ones."""
    differs: float | None
    """Share of them that differ from what the panel decided; null if it decided nothing."""


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
    unknown_rate: float | None = None
    """Share of the votes that say UNKNOWN; null if it was asked about no row."""
    order_flip_rate: float | None = None
    """Of pairs judged in both orders, the share with the winner in the same place, not the same
    winner; null of metrics that judge no pairs."""
    first_position_share: float | None = None
    """Of the winners that it named in pairs, the share shown first; 0.5 is no lean."""
    longer_won_share: float | None = None
    """Of decided pairs of unlike length, the share that the longer answer won."""
    alpha: float | None = None
    """Krippendorff's α of a panel; null of one judge, or if all votes are the same."""
    per_judge: tuple[PanelMember, ...] = ()
    """The judges of a panel, in their order; empty if there is one."""
    retested: int = 0
    """Rows judged once more with another seed, with a verdict both times."""
    retest_agreement: float | None = None
    """Share of them with the same verdict; null if there are none."""
    length_rho: float | None = None
    """Spearman's ρ of an answer's length and its value; null below 30 rows, or if one of the two
    is the same throughout."""
    notes: tuple[str, ...] = ()
    """What should be known of it besides, as codes: same_family."""
    calibration: JudgeCalibration = field(default_factory=JudgeCalibration)
    """How it did against labels by people."""
    state: Literal["ok", "warn", "bad"]
    why: tuple[str, ...] = ()
    """What makes the state worse than ok, as codes."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None


@record
class Labels:
    """A label per row, each text once."""

    values: tuple[str, ...]
    places: tuple[int, ...]
    """Per row the position of its label in `values`."""


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
    refs: tuple[str | None, ...] | None = None
    """The user's own ids; null if no sample has one."""
    failures: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Positions of rows without an answer, by what kept it from coming, as "HTTP 500"."""
    tags: tuple[tuple[str, ...], ...] | None = None
    languages: tuple[str | None, ...] | None = None
    labels: Mapping[str, Labels] = field(default_factory=dict)
    """What else rows are broken down by: length, and the metadata keys of `report.by`."""


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
    """Digests: run, reach, dataset, metrics, run_config, evaluator_config."""
    versions: Mapping[str, str]
    started_at: str | None
    finished_at: str | None
    evaluated_at: str
    config: str | None = None
    """Name of the config file; null if the config was made otherwise."""
    runs: tuple[str, ...] = ()
    """The runs that were scored, seen from the config's folder where they lie in it."""
    budget: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the run might spend (max_cost_usd, max_requests, max_time_s), and what `stopped` it."""


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
    answered: AnswerTimes | None = None
    """From when the answers are; null of a report that does not know."""
    judges: Mapping[str, JudgeHealth]
    """Health of each judge, by metric id."""
    errors: tuple[Case, ...]
    """Rows without an answer, then failed ones, worst first."""
    failed_ids: tuple[str, ...] = field(default=(), repr=False)
    """Ids of all rows that `errors` is chosen from."""
    samples: Columns = field(repr=False)
    accepted: tuple[Acceptance, ...] = ()
    """Of a baseline: how it came to be one, with those before it; the oldest first."""


def keep_largest(
    by_value: Mapping[str, S], size: Callable[[S], int] = len
) -> "dict[str, S | array[int]]":
    """Keep the 30 values that the most places have, and put the rest together as `OTHER_VALUES`.

    Args:
        by_value: Places of rows or samples, ascending, by value.
        size: How many rows or samples some places stand for.
    """
    if len(by_value) <= _MOST_VALUES:
        return dict(by_value)
    named = by_value.keys() - {OTHER_VALUES}  # a value may call itself that
    ordered = sorted(named, key=lambda value: (-size(by_value[value]), value))
    kept = {value: by_value[value] for value in ordered[:_MOST_VALUES]}
    rest = {place for value in by_value.keys() - kept.keys() for place in by_value[value]}
    return {**kept, OTHER_VALUES: array("L", sorted(rest))}
