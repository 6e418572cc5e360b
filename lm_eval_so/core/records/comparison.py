"""`lm-eval-so/comparison/1`: what changed between two reports, and what the gate says of it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.acceptance import Acceptance
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.record import record


@record
class LostCase:
    """One of these cases."""

    sample_id: str
    ref: str | None = None
    """The user's own id."""
    input: str | None = None
    why: str
    """What kept the answer from coming, as "HTTP 500", timeout, or missing where nobody asked."""


@record
class Lost:
    """The cases that had an answer in the baseline and have none in the candidate."""

    n: int
    by: Mapping[str, int]
    """Cases by what kept the answer from coming, the most frequent first."""
    cases: tuple[LostCase, ...]
    """In the order of the dataset, the first 100."""


@record
class Reason:
    """A code with its figures; `core.words` makes the sentence."""

    code: str
    figures: Mapping[str, JsonValue] = field(default_factory=dict)


@record
class CorrectedChange:
    """What a judge's figures stand for, once its errors against people are taken out of them."""

    baseline: float
    """Share of good answers, 0 … 1."""
    candidate: float
    delta: float
    """Change of that share; positive is better."""
    ci90: tuple[float, float]
    """Its interval, which takes the judge's error rates as exact."""
    margin: float
    """Largest true drop that is accepted, as the config has it."""


@record
class Stability:
    """How often several answers to one sample differ, of a metric that says right or wrong."""

    repeats: int
    """Answers to each of these samples."""
    n: int
    """Samples with so many scored answers; the others are left out."""
    flaky_share: float
    """Share of samples with both right and wrong answers, 0 … 1."""
    self_flip_rate: float
    """Share of samples that flip between two single runs of the same chatbot, as estimated."""
    flaky: tuple[str, ...]
    """Ids of samples with both, the first 100."""


@record
class AskedAgain:
    """How the samples that got worse did when they were asked again."""

    times: int
    """Further answers to each."""
    samples: int
    """Samples that had got worse."""
    confirmed: int
    """Those that were worse in more than half of the further answers; the others are flaky."""


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
    """Paired samples whose score fell, without those that asking again showed to be flaky."""
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
    judge_j: float | None = None
    """Youden's J of a judge that was held against people's labels; `margin` is then J times the
    configured one, where the judge says right or wrong."""
    corrected: CorrectedChange | None = None
    """The same without the judge's errors; null unless `margin` is such a one."""
    left_out: int = 0
    """Samples that quarantine and accept files take out of the comparison."""
    asked_again: AskedAgain | None = None
    """Null unless `gate.confirm` had the samples asked again that got worse."""
    stability: Mapping[str, Stability] = field(default_factory=dict)
    """By side, baseline or candidate: what several answers to one sample tell."""
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
    again: tuple[int, int] | None = None
    """Of how many further answers how many were worse again: (worse, asked)."""


@record
class SliceComparison:
    """A metric over the paired samples that have something in common; it never decides a verdict."""

    by: str
    """tag, language, length, or a metadata key."""
    value: str
    metric: str
    n: int
    """Paired samples of the slice, as far as the metric counts them."""
    baseline: float | None
    candidate: float | None
    delta: float | None
    """Mean change over complete pairs; positive is better. Of a ratio: the factor."""
    ci90: tuple[float, float] | None
    """As of the metric; null if it is small."""
    change: Literal["worse", "better"] | None
    """What both p-values are about, the likelier one; null if it is small."""
    p_raw: float | None
    """One-sided, by the method of the metric."""
    p_adjusted: float | None
    """Adjusted together with all slices and metrics, both ways, by Benjamini and Hochberg."""
    proven: bool
    """Whether the adjusted one is at most 0.10."""
    small: bool
    """Under 10 samples, or 10 groups of them: not tested."""


@record
class FlakyCase:
    """A sample that got worse but, asked again, mostly did not: it does not count."""

    sample_id: str
    metric: str
    baseline: float
    candidate: float
    again: tuple[int, int]
    """Of how many further answers how many were worse again: (worse, asked)."""


@record
class Exemption:
    """An entry of the quarantine or accept file, and what became of it."""

    sample_id: str | None
    """Null where the entry is about a whole metric."""
    metric: str | None
    """Null where it is about all metrics."""
    state: Literal["applied", "unused", "exceeded", "expired", "unknown_sample", "unknown_metric"]
    """Only an applied one changes what counts."""
    meant: str | None = None
    """Of an unknown sample or metric: the one that looks most like it; null if none is near."""
    reason: str
    """Why it is there, as people wrote it."""
    until: str
    """The last day on which it holds, YYYY-MM-DD in UTC."""
    max_drop: float | None = None
    """Of an accepted change: the largest drop that is accepted, in score units."""
    drop: float | None = None
    """The largest drop that it is held against; null if it is not known."""
    where: str
    """File and line."""
    scores: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Of a sample: (baseline, candidate) by the metrics that it is left out of."""


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
class Difference:
    """A setting in which the two reports differ."""

    about: Literal["chatbot", "dataset", "metric"]
    """What is under test, what it was asked, or how it was measured."""
    metric: str | None
    """Of which metric."""
    key: str
    """As params.temperature, system, tools.find_order, judge.params.model."""
    baseline: str | None
    """Its value; of a long one the part that differs, with length and digest; null: none."""
    candidate: str | None


@record
class BaselineRef:
    """Where the baseline came from; `reason`: why a pull request has none that could be read."""

    source: Literal["file", "git", "artifact", "branch", "none"]
    path: str | None = None
    ref: str | None = None
    """Git commit it was read from."""
    commit: str | None = None
    """Commit that it measured."""
    model: str | None = None
    label: str | None = None
    evaluated_at: str | None = None
    accepted: Acceptance | None = None
    """How it became the baseline, if `baseline update` wrote it; without what it replaced."""
    reason: Reason | None = None


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
    """Cases that got worse first: those of proven worse slices in the order of `slices`, then the
    largest drop; then those that got better. At most 2,000 of each."""
    changed_samples: tuple[int, int] | None = None
    """How many samples got worse and how many better by any gating metric, kept above or not."""
    slices: tuple[SliceComparison, ...] = ()
    """Where it changed: proven worse ones, proven better ones, then the rest by evidence, the small
    ones last; the first 50."""
    slices_tested: int = 0
    """Slices, times metrics, that were tested together."""
    flaky: tuple[FlakyCase, ...] = ()
    """Cases that got worse but, asked again, mostly did not."""
    quarantine: tuple[Exemption, ...] = ()
    """Known flaky samples: reported, not gating."""
    accept: tuple[Exemption, ...] = ()
    """Changes that are accepted on purpose."""
    lost: Lost | None = None
    """Cases that had an answer in the baseline and have none now; null if there are none."""
    pairing: Pairing
    baseline: BaselineRef
    differences: tuple[str, ...]
    """What differs in the thing under test and in the dataset, one line a key."""
    settings: tuple[Difference, ...] = ()
    """The same in parts, with what differs in how metrics were measured."""
    rerun: str | None = None
    """Shell commands, run beside the config, that measure the baseline anew; null if none are needed."""
    alpha: float
    compared_at: str
    candidate_digest: str | None = None
    """Digest of what the candidate measured and of its figures: which report this is about."""
