"""`lm-eval-so/comparison/1`: changes between two reports, and the verdict of the gate."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.changes import (
    ChangedCase,
    Difference,
    Exemption,
    FlakyCase,
    Lost,
    MainFell,
    RewordedCase,
    SliceComparison,
)
from lm_eval_so.core.records.enums import Claim, Direction, MetricKind, Verdict
from lm_eval_so.core.records.measured_with import MeasuredWith
from lm_eval_so.core.records.record import html_table, record, short_text, shown_number
from lm_eval_so.core.records.report import Acceptance
from lm_eval_so.core.records.staleness import Staleness


@record
class Reason:
    """A code with its figures; `core.words` makes the sentence."""

    code: str
    figures: Mapping[str, JsonValue] = field(default_factory=dict)


@record
class CorrectedChange:
    """Figures of a metric corrected for the judge's errors against people."""

    baseline: float
    """Share of good answers, 0 … 1."""
    candidate: float
    delta: float
    """Change of that share; positive is better."""
    ci90: tuple[float, float]
    """Two-sided 90 % interval of `delta`, with the judge's error rates taken as exact."""
    margin: float
    """Largest true drop that is accepted, as configured."""


@record
class Stability:
    """Differences between repeated answers to one sample, for a binary metric."""

    repeats: int
    """Answers per sample."""
    n: int
    """Samples with that many scored answers; others are left out."""
    flaky_share: float
    """Share of samples with both right and wrong answers, 0 … 1."""
    self_flip_rate: float
    """Estimated share of samples that flip between two single runs of the same chatbot."""
    flaky: tuple[str, ...]
    """Ids of samples with right and wrong answers, the first 100."""


@record
class AskedAgain:
    """Results of asking the samples that got worse again."""

    times: int
    """Further answers per sample."""
    samples: int
    """Samples that had got worse."""
    confirmed: int
    """Samples that were worse in more than half of the further answers; the others are flaky."""


@record
class MetricComparison:
    """One metric, baseline against candidate."""

    verdict: Verdict
    reason: str | None = None
    """Reason code; null if the verdict needs none."""
    gating: bool
    """Whether the metric counts for the verdict of the run."""
    kind: MetricKind
    direction: Direction
    baseline: float | None
    """Mean of the paired samples."""
    candidate: float | None
    delta: float | None
    """Mean change over complete pairs; positive is better. For a ratio: the factor."""
    ci90: tuple[float, float] | None
    """Two-sided 90 % interval of `delta`, with missing rows at their worst and best."""
    margin: float | None
    """Largest true drop that is accepted, in score units."""
    threshold: Mapping[str, JsonValue] | None = None
    """The fixed bound that was checked (min, max, max_increase, rule), and whether it held."""
    n: int
    """Paired samples."""
    missing: tuple[int, int] = (0, 0)
    """Rows without a score: baseline, candidate."""
    worse: int = 0
    """Paired samples whose score fell, without the flaky samples that asking again found."""
    better: int = 0
    p_worse: float | None = None
    """One-sided p-value for "the candidate is worse", Holm-adjusted if several metrics gate."""
    p_raw: float | None = None
    needed_n: int | None = None
    """Samples that settle the verdict with 80 % power if nothing changed; null where `needed_repeats` is given."""
    needed_repeats: int | None = None
    """Answers to each sample, on both sides, that settle it by the methods these_binary and these_scores."""
    needed_cost_usd: float | None = None
    provable_margin: float | None = None
    """Smallest margin that this number of samples can prove."""
    method: str | None = None
    """Interval and test in use; these_binary and these_scores are about the samples of the dataset."""
    judge_j: float | None = None
    """Youden's J of a calibrated judge. For a binary metric `margin` is then J times the configured one."""
    corrected: CorrectedChange | None = None
    """Figures without the judge's errors; null unless `margin` was scaled by J."""
    left_out: int = 0
    """Samples taken out of the comparison by quarantine and accept files."""
    asked_again: AskedAgain | None = None
    """Results of `gate.confirm`; null unless samples that got worse were asked again."""
    stability: Mapping[str, Stability] = field(default_factory=dict)
    """Differences between repeated answers, by side (baseline, candidate)."""
    warnings: tuple[Reason, ...] = ()
    sentence: str
    """The verdict in one plain sentence."""
    sentence_in: Mapping[str, str] = field(default_factory=dict)
    """The sentence in every language, by its code."""


@record
class BrokenCase:
    """A case that was right in the baseline and went wrong, or a required one that fails."""

    sample_id: str
    metric: str
    state: Literal["must", "proven", "unproven", "slip"]
    """must: a required case that fails; proven: worse than in the baseline; unproven: wrong every time,
    but the baseline has too few answers; slip: wrong once, and right when asked again."""
    baseline: tuple[int, int] | None
    """Answers of the baseline: (right, all); null without a baseline."""
    now: tuple[int, int]
    """Answers of the candidate, further ones included: (wrong, all)."""
    needed: int | None
    """Wrong answers in a row that prove a change; null if no number of up to 20 does."""
    main: tuple[int, int] | None = None
    """Answers of main's configuration today: (right, all); null if it was not asked."""
    ref: str | None = None
    """The user's own id."""
    input: str | None
    baseline_answer: str | None
    answer: str | None
    """Last wrong answer; null if there was none at all."""
    reason: str | None = None
    """Reason of that answer's score; of a case without an answer the cause, as "HTTP 500"."""
    reason_in: Mapping[str, str] = field(default_factory=dict)
    """The reason in every language, by its code."""
    no_answer: bool = False
    """Whether the case gets no answer any more."""


@record
class BrokenCases:
    """Cases that stayed wrong when they were asked again, and those that slipped once."""

    alpha: float
    """Largest chance that any case is called broken by mistake if nothing changed."""
    family: int
    """Pairs of case and metric that were looked at."""
    samples: int
    """Cases that were looked at."""
    asked: int
    """Further answers that were asked for."""
    cases: tuple[BrokenCase, ...]
    """Failed required cases, then proven, unproven and slipped ones, each in dataset order."""
    mean: str
    """The verdict of the mean alone, in one plain sentence."""
    mean_in: Mapping[str, str] = field(default_factory=dict)
    """The sentence on the mean in every language, by its code."""
    since: str | None = None
    """Day of the baseline, YYYY-MM-DD, in a scheduled comparison: nobody here changed the chatbot since."""
    main_changed: bool = False
    """Whether main's configuration, as it was asked, is another one than that of the baseline."""
    warnings: tuple[Reason, ...] = ()


@record
class Control:
    """Main's configuration today: what tells a change of the pull request from one of the provider."""

    state: Literal["asked", "nothing_differs", "not_possible", "unchanged", "quoted"]
    """asked: main's configuration was asked cases that stayed wrong; nothing_differs: the pull request
    sends the model what main sends; not_possible: it could not be asked, see `why`; unchanged: a
    scheduled comparison since whose baseline nobody here changed the chatbot; quoted: see `main_fell`."""
    requests: int = 0
    """Answers of main's configuration that were asked for."""
    commit: str | None = None
    """Commit that main's configuration was read from."""
    why: Reason | None = None
    """Reason why it could not be asked; null if it could."""
    stale: bool = False
    """Whether the baseline is of another configuration than main's is today."""
    served: tuple[str, str] | None = None
    """Models that answered by their own names, (baseline, now), if these differ."""
    main_fell: MainFell | None = None
    """Fall of main itself since the baseline, in a metric that is worse now, too; null if none is known."""


@record
class Pairing:
    """Matching of the samples of both reports, by id and rev."""

    paired: int
    added: tuple[str, ...]
    """Ids that only the candidate has."""
    removed: tuple[str, ...]
    """Ids that only the baseline has."""
    changed: tuple[str, ...]
    """Ids whose content differs."""


@record
class BaselineRef:
    """Origin of the baseline; `reason` tells why a pull request has no readable one."""

    source: Literal["file", "git", "artifact", "branch", "none"]
    path: str | None = None
    ref: str | None = None
    """Git commit that the file was read from; of an artifact the commit of its run."""
    distance: int | None = None
    """Commits of the base branch between that of the artifact and the base commit."""
    commit: str | None = None
    """Commit that was measured."""
    model: str | None = None
    label: str | None = None
    evaluated_at: str | None = None
    accepted: Acceptance | None = None
    """Acceptance written by `baseline update`, without the replaced baseline."""
    reason: Reason | None = None


@record
class AnchorMetric:
    """One gating metric, anchor against candidate."""

    verdict: Verdict
    """Verdict of the change since the anchor; only a regression counts for the run."""
    reason: str | None = None
    """Reason code; null if the verdict needs none."""
    anchor: float | None
    """Mean of the samples that both have."""
    candidate: float | None
    delta: float | None
    """Mean change over complete pairs; positive is better. For a ratio: the factor."""
    ci90: tuple[float, float] | None
    """Two-sided 90 % interval of `delta`."""
    n: int
    """Samples that both have."""
    worse: int = 0
    better: int = 0
    p_worse: float | None = None
    """One-sided p-value, Holm-adjusted together with those of the metrics against the baseline."""
    p_raw: float | None = None
    worse_samples: tuple[str, ...] = ()
    """Ids of the samples that were better in the anchor, the first 100."""


@record
class AnchorComparison:
    """Comparison with the anchor, a second report that a run may not fall behind either."""

    verdict: Verdict | None
    """Worst verdict of its metrics; null if none could be compared."""
    ref: BaselineRef
    """Origin of the anchor."""
    metrics: Mapping[str, AnchorMetric]
    """Comparisons by metric id, as far as they can be made."""
    warnings: tuple[Reason, ...] = ()
    """Metrics that could not be compared with it, each with its reason."""


@record
class ForecastNote:
    """A forecast that fits the run: the same chatbot, dataset, metrics and gate."""

    fails: float
    """Share of runs that fail though nothing changed."""
    day: str
    """Last day of the answers behind it."""


@record
class Comparison:
    """`comparison.json`: the verdict and its evidence."""

    schema: Literal["lm-eval-so/comparison/1"] = "lm-eval-so/comparison/1"
    suite: str
    suite_id: str
    verdict: Verdict
    passed: bool
    """Whether the gate accepts the change."""
    exit_code: int
    """Exit code of the verdict under the configured policy: 0, 1 or 3."""
    sentence: str
    """The verdict in one plain sentence."""
    sentence_in: Mapping[str, str] = field(default_factory=dict)
    """The sentence in every language, by its code."""
    reasons: tuple[Reason, ...]
    """Reason codes of the verdict of the run."""
    metrics: Mapping[str, MetricComparison]
    """Comparisons by metric id, gating metrics first."""
    changed: tuple[ChangedCase, ...]
    """Cases that got worse, then cases that got better, at most 2,000 of each. Among the worse, cases
    of proven worse slices come first, in the order of `slices`; then by size of the drop."""
    changed_samples: tuple[int, int] | None = None
    """Samples that got worse and better by any gating metric, also those not in `changed`."""
    reworded: tuple[RewordedCase, ...] = ()
    """Cases whose score did not change while the answer did, at most 2,000, in dataset order."""
    slices: tuple[SliceComparison, ...] = ()
    """The first 50 slices: proven worse, proven better, then by evidence, small slices last."""
    slices_tested: int = 0
    """Number of tests made together: slices × metrics."""
    flaky: tuple[FlakyCase, ...] = ()
    """Cases that got worse but mostly did not when asked again."""
    quarantine: tuple[Exemption, ...] = ()
    """Known flaky samples: reported, not gating."""
    accept: tuple[Exemption, ...] = ()
    """Changes accepted on purpose."""
    lost: Lost | None = None
    """Cases that lost their answer; null if there are none."""
    broken: BrokenCases | None = None
    """Cases that broke for good; null if `gate.broken` is off or no metric says right or wrong."""
    control: Control | None = None
    """Main's configuration today; null if nothing got worse, or `gate.control` is off."""
    anchor: AnchorComparison | None = None
    """Comparison with `baseline.anchor`; null if the config names none."""
    rules: MeasuredWith | None = None
    """Rules that the pull request changes, and its verdict by its own; null if it changes none."""
    forecast: ForecastNote | None = None
    """Forecast of this gate; null if `forecast` made none, or none that fits."""
    staleness: Staleness | None = None
    """Tests that no longer fit their documents or rows; null if all do, or if they were not held against them."""
    pairing: Pairing
    baseline: BaselineRef
    differences: tuple[str, ...]
    """Differences in chatbot and dataset, one line a key."""
    settings: tuple[Difference, ...] = ()
    """Differences as records, those of metrics included."""
    rerun: str | None = None
    """Shell commands, run beside the config, that measure the baseline again; null if not needed."""
    rounds: Rounds | None = None
    """Rounds that were asked; null if all answers were asked for at once."""
    claim: Claim = Claim.LIKE_THESE
    """Subject of the verdict, as the gate sets it; `method` tells which metrics follow it."""
    alpha: float
    compared_at: str
    candidate_digest: str | None = None
    """Digest of the candidate's report, which identifies it."""

    def __repr__(self) -> str:
        metrics = [
            f"{name} {shown_number(each.baseline)} → {shown_number(each.candidate)}"
            for name, each in self.metrics.items()
        ]
        return short_text("Comparison", [self._caption], metrics)

    def _repr_html_(self) -> str:
        rows = (
            (name, shown_number(each.baseline), shown_number(each.candidate), each.verdict.value)
            for name, each in self.metrics.items()
        )
        return html_table(self._caption, ("metric", "baseline", "now", "verdict"), rows)

    @property
    def _caption(self) -> str:
        return f"{self.suite}: {self.verdict.value}, exit code {self.exit_code}"

    @property
    def is_cut_short(self) -> bool:
        """Whether the budget ended before all was measured that decides."""
        return any(reason.code == "budget" for reason in self.reasons)

    @property
    def accepted_here(self) -> tuple[Exemption, ...]:
        """Drops that do not count by entries which the proposal itself brings."""
        return tuple(
            each for each in self.accept if each.on_base is False and each.state == "applied"
        )

    @property
    def has_drifted(self) -> bool:
        """Whether main got worse although nobody here changed the chatbot."""
        is_main = self.control is not None and self.control.state == "unchanged"
        return is_main and any(reason.code == "provider_moved" for reason in self.reasons)
