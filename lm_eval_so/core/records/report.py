"""`lm-eval-so/report/1`: the scores and figures of a run, with everything that a comparison needs."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, JsonValue, SerializerFunctionWrapHandler, WrapSerializer

from lm_eval_so.core.columns.column import changed, is_large
from lm_eval_so.core.columns.index import Paired, times_of_each
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import AnswerTimes, CostSummary, LatencySummary
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.judge_health import JudgeCalibration, PanelMember
from lm_eval_so.core.records.record import html_table, record, short_text, shown_number, shown_span
from lm_eval_so.core.records.run import BackendInfo, DatasetRef, spent_limit
from lm_eval_so.core.records.sample import RowsFile, SourcePlace, without_quote
from lm_eval_so.core.records.score import Score

T = TypeVar("T")


def _as_held(column: Sequence[Any], write: SerializerFunctionWrapHandler) -> Any:
    return write(column if isinstance(column, tuple) else [*column])


Column: TypeAlias = Annotated[Sequence[T], AfterValidator(tuple), WrapSerializer(_as_held)]
"""A value for each row: a tuple, or for very many rows something that is read like one."""


@record
class ReplacedBaseline:
    """The baseline that was replaced."""

    digest: str
    """Digest of the settings and figures of its report."""
    commit: str | None
    """Commit that was measured."""
    means: Mapping[str, float | None]
    """Mean by metric id."""


@record
class Acceptance:
    """Acceptance of a report as the baseline by a person."""

    reason: str
    """Reason, in one line."""
    at: str
    """Time of acceptance, RFC 3339 in UTC."""
    by: str | None = None
    """Name of the person, from git's user.name; never an e-mail address."""
    forced: tuple[str, ...] = ()
    """Codes of the objections that were overridden."""
    previous: ReplacedBaseline | None = None
    """The baseline before; null if there was none, or if it could not be read."""


@record
class PartFigures:
    """One named part of a metric, as a criterion of a checklist."""

    n: int
    """Rows in which it was decided."""
    rate: float | None
    """Share of these in which it was met, 0 … 1."""


@record
class MetricSummary:
    """One metric over all rows."""

    name: str
    """Name of the metric; its id is the key of the mapping."""
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
    """Rows without a value to which the metric applies."""
    unscored_by: Mapping[str, int] = field(default_factory=dict)
    """Unscored rows by reason code."""
    scored_by: Mapping[str, int] = field(default_factory=dict)
    """Scored rows by the code of a named rule, as no_choice or empty_answer."""
    not_applicable: int = 0
    vacuous: int = 0
    coverage: float | None = None
    """Scored rows over applicable rows, 0 … 1."""
    mean_if_missing_worst: float | None = None
    """Mean if every unscored row had the worst value; null if the range is open."""
    mean_if_missing_best: float | None = None
    passed_share: float | None = None
    direction: Direction
    kind: MetricKind
    range: tuple[float, float] | None = None
    """Lowest and highest possible value; null if open."""
    unit: str | None = None
    category: Literal["rule", "heuristic", "model"] = "rule"
    measures_overlap: bool = False
    """Whether the metric measures the wording against a reference; it gates only if the gate names it."""
    min: float | None = None
    p50: float | None = None
    p95: float | None = None
    max: float | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    """Scored rows by unit of the text, as char or morph:mecab-ko."""
    parts: Mapping[str, PartFigures] = field(default_factory=dict)
    """Named parts that the metric decides one by one, at most 50, by name."""
    corpus_score: float | None = None
    """Metric of all rows together, if it differs from the mean, as for bleu."""
    signature: str | None = None
    """Signature that the computing library gives."""
    fingerprint: str
    """Digest of the metric's definition: name, version, parameters, judge."""
    definition: Mapping[str, JsonValue] = field(default_factory=dict)
    """Content of the fingerprint, so that a difference can be named."""


@record
class SliceFigures:
    """One metric over the samples of a slice."""

    n: int
    mean: float | None
    ci95: tuple[float, float] | None
    unscored: int


@record
class Slice:
    """A slice of the samples, with its figures."""

    by: str
    """tag, language, length, status, or a metadata key."""
    value: str
    samples: int
    small: bool
    """Whether the slice has fewer than 10 samples."""
    metrics: Mapping[str, SliceFigures]


@record
class Case:
    """A row that failed or has no answer, shown in full."""

    sample_id: str
    repeat: int
    kind: Literal["infrastructure", "quality"]
    status: str
    input: str
    """Text of the conversation, with the user's last turn at the end."""
    expected: str | None
    answer: str | None
    reason: str
    reason_in: Mapping[str, str] = field(default_factory=dict)
    scores: tuple[Score, ...]
    tags: tuple[str, ...] = ()
    language: str | None = None
    failed: tuple[str, ...] = ()
    """Ids of the metrics that failed or lack a value because of a fault, the most important first."""

    def without_texts(self) -> Self:
        """Return the case without question, expected text, answer and reasons."""
        bare = replace(self, input="", expected=None, answer=None, reason="", reason_in={})
        return replace(bare, scores=tuple(score.without_texts() for score in self.scores))


@record
class JudgeHealth:
    """Quality of a judge as an instrument."""

    model: str | None
    fingerprint: str
    rows: int
    """Rows that were judged."""
    calls: int
    valid_first: int
    """Rows whose first output was usable."""
    repaired: int
    unscored: Mapping[str, int]
    """Rows without a verdict, by reason code."""
    labels: Mapping[str, int]
    """Rows by label."""
    unknown_rate: float | None = None
    """Share of UNKNOWN votes; null if no row was judged."""
    order_flip_rate: float | None = None
    """Share of pairs, judged in both orders, with the winner in the same place instead of the same
    winner; null for metrics that judge no pairs."""
    first_position_share: float | None = None
    """Share of winning answers in pairs that were shown first; 0.5 is unbiased."""
    longer_won_share: float | None = None
    """Share of decided pairs of different length that the longer answer won."""
    unquoted_share: float | None = None
    """Share of the supported claims whose evidence is not in the context; null without any."""
    claimless_share: float | None = None
    """Share of the rows without a claim though the answer says something; null if none are listed."""
    alpha: float | None = None
    """Krippendorff's α of a panel; null for one judge, or if all votes are the same."""
    per_judge: tuple[PanelMember, ...] = ()
    """Judges of a panel, in their order; empty for a single judge."""
    retested: int = 0
    """Rows judged twice, with different seeds, and with a verdict both times."""
    retest_agreement: float | None = None
    """Share of the retested rows with the same verdict; null if there are none."""
    retest_msd: float | None = None
    """Mean squared difference of their two values; null if there are none."""
    length_rho: float | None = None
    """Spearman's ρ of an answer's length and its value; null below 30 rows, or if either is constant."""
    mean_length: float | None = None
    """Mean length of the answers with a value, in graphemes; null without any."""
    notes: tuple[str, ...] = ()
    """Further remarks, as codes: same_family."""
    calibration: JudgeCalibration = field(default_factory=JudgeCalibration)
    """Agreement with labels by people."""
    state: Literal["ok", "warn", "bad"]
    why: tuple[str, ...] = ()
    """Reasons for a state worse than ok, as codes."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None


@record
class Labels:
    """One label per row; each text is stored once."""

    values: tuple[str, ...]
    places: Column[int]
    """Index of each row's label in `values`."""


@record
class Columns:
    """Parallel columns, one entry per sample and repeat, in dataset order.

    With `file` the rows stand in that file, and the columns here are empty.
    """

    ids: Column[str]
    sample_hashes: Column[str]
    revs: Column[str]
    groups: Column[str | None]
    repeats: Column[int]
    statuses: Column[str]
    scores: Mapping[str, Column[float | None]]
    """Values by metric id; null without a value."""
    not_applicable: Mapping[str, Column[int]] = field(default_factory=dict)
    """Positions of rows to which a metric does not apply, by metric id."""
    inputs: Column[str] | None = None
    expected: Column[str | None] | None = None
    answers: Column[str | None] | None = None
    """Answers, their SHA-256, or null, depending on `report.answers`."""
    cached: Column[int] = ()
    """Positions of rows whose times were not measured in this run."""
    refs: Column[str | None] | None = None
    """The user's own ids; null if no sample has one."""
    failures: Mapping[str, Column[int]] = field(default_factory=dict)
    """Positions of rows without an answer, by cause, as "HTTP 500"."""
    tags: Column[tuple[str, ...]] | None = None
    languages: Column[str | None] | None = None
    references: Column[tuple[str, ...]] | None = None
    """Reference answers beside the expected one; null if no sample has one."""
    sources: Column[SourcePlace | None] | None = None
    """Places that the samples are from; null if none is known."""
    labels: Mapping[str, Labels] = field(default_factory=dict)
    """Labels of further slices: length, and the metadata keys of `report.by`."""
    file: RowsFile | None = None
    """File that has the rows; null if they stand here."""

    @property
    def own_ids(self) -> Mapping[str, str]:
        """The user's own ids by ours, of the samples that have one."""
        refs = self.refs or ()
        if is_large(self.ids):
            return Paired(self.ids, refs)
        return {sample_id: ref for sample_id, ref in zip(self.ids, refs, strict=False) if ref}


@record
class Experiment:
    """Subject and settings of the measurement."""

    suite: str
    suite_id: str
    commit: str | None
    base_ref: str | None
    eligible: bool
    """Whether the report may become a baseline."""
    complete: bool
    missing: int
    """Planned rows that the run lacks."""
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
    """Name of the config file; null without a file."""
    runs: tuple[str, ...] = ()
    """Scored runs, relative to the config's folder if they lie in it."""
    budget: Mapping[str, JsonValue] = field(default_factory=dict)
    """Limits of the run (max_cost_usd, max_requests, max_time_s), and the limit that `stopped` it."""
    sent_to: tuple[str, ...] = ()
    """Hosts that chatbot, simulated user and judges were asked at."""
    own_code: tuple[str, ...] = ()
    """Code that is not built in and that the config names: plugin files, classes, functions, programs."""

    @property
    def spent(self) -> str | None:
        """Limit of the budget that ended the run; None if none did."""
        return spent_limit(self.budget.get("stopped"))


@record
class EvaluationReport:
    """`report.json`: one file that serves as report and as baseline."""

    schema: Literal["lm-eval-so/report/1"] = "lm-eval-so/report/1"
    experiment: Experiment
    metrics: Mapping[str, MetricSummary]
    """Summaries by metric id, in the order of the config."""
    breakdowns: tuple[Slice, ...]
    """Slices by tag, language, length, status and chosen metadata, worst first within each."""
    statuses: Mapping[str, int]
    """Rows by run status; every status is listed."""
    cost: CostSummary
    latency: LatencySummary
    answered: AnswerTimes | None = None
    """Times of the answers; null in reports of old releases."""
    judges: Mapping[str, JudgeHealth]
    """Health of each judge, by metric id."""
    errors: tuple[Case, ...]
    """Rows without an answer, then failed rows, worst first."""
    failed_ids: Column[str] = field(default=(), repr=False)
    """Ids of all rows that `errors` is a selection of."""
    samples: Columns = field(repr=False)
    accepted: tuple[Acceptance, ...] = ()
    """Acceptances as a baseline, the oldest first."""

    def __repr__(self) -> str:
        metrics = [f"{name} {shown_number(each.mean)}" for name, each in self.metrics.items()]
        return short_text("EvaluationReport", [self._caption], metrics)

    def _repr_html_(self) -> str:
        rows = (
            (name, shown_number(each.mean), shown_span(each.ci95), str(each.sample_count))
            for name, each in self.metrics.items()
        )
        return html_table(self._caption, ("metric", "mean", "95% interval", "n"), rows)

    @property
    def _caption(self) -> str:
        return f"{self.experiment.suite}: {self.sample_count} samples"

    @property
    def failed_count(self) -> int:
        """Number of samples that failed or have no answer."""
        if is_large(self.failed_ids):  # each stands once
            return len(self.failed_ids)
        return len({*self.failed_ids})

    @property
    def sample_count(self) -> int:
        """Number of samples, whatever the number of answers to each."""
        return sum(1 for _ in times_of_each(self.samples.ids))

    @property
    def answer_texts(self) -> Sequence[str | None] | None:
        """Answers of the rows; None if the report keeps none, or only their digests."""
        kept = self.experiment.evaluator_config.get("report")
        are_digests = isinstance(kept, Mapping) and kept.get("answers") == "hash"
        return None if are_digests else self.samples.answers

    def without_texts(self) -> Self:
        """Return the report without questions, expected texts, answers and reasons: with ids and figures."""
        places = self.samples.sources
        columns = replace(
            self.samples,
            inputs=None,
            expected=None,
            answers=None,
            references=None,
            sources=places and changed(places, without_quote),
        )
        errors = tuple(case.without_texts() for case in self.errors)
        return replace(self, errors=errors, samples=columns)
