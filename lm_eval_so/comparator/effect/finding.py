"""Records of one metric compared on both sides; each is decided at another time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from lm_eval_so.comparator.effect.values import Complete, Differences, Given, Moved, Support
from lm_eval_so.comparator.pairing import Groups
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import Reason, Stability
from lm_eval_so.core.records.enums import Claim, Direction, MetricKind, Verdict
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.records.report import MetricSummary

DEFAULT_MARGIN = 0.05
"""Margin of right-or-wrong metrics."""
DEFAULT_MARGIN_SHARE = 0.03
"""Margin of bounded metrics, as a share of the width of their range."""
DEFAULT_MAX_INCREASE = 0.10

_UNIT: Support = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Values that a metric takes, and the end of them that is good."""

    kind: MetricKind
    direction: Direction
    support: Support | None

    @property
    def width(self) -> float | None:
        """Highest minus lowest possible value; None if open."""
        return self.support[1] - self.support[0] if self.support else None

    @property
    def default_margin(self) -> float | None:
        """Largest true drop that is accepted if the config names none."""
        if self.kind is MetricKind.BINARY:
            return DEFAULT_MARGIN
        return None if self.width is None else DEFAULT_MARGIN_SHARE * self.width


def shape_of(summary: MetricSummary) -> Shape:
    """Return the shape of a reported metric."""
    return make_shape(summary.kind, summary.direction, summary.range)


def make_shape(kind: MetricKind, direction: Direction, support: Support | None) -> Shape:
    """Return the shape of a metric as the comparison treats it.

    A ratio of which more is better has no largest increase: it is compared by a margin.
    """
    match kind:
        case MetricKind.BINARY:
            return Shape(kind=kind, direction=direction, support=_UNIT)
        case MetricKind.BOUNDED:
            return Shape(kind=kind, direction=direction, support=support or _UNIT)
        case MetricKind.RATIO if direction is Direction.LOWER:
            return Shape(kind=kind, direction=direction, support=None)
        case MetricKind.RATIO | MetricKind.UNBOUNDED:
            return Shape(kind=MetricKind.UNBOUNDED, direction=direction, support=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Claim of a comparison, and the errors that it may make."""

    claim: Claim
    alpha: float
    """One-sided error of a regression, and of the upper end of an interval."""
    pass_alpha: float
    """One-sided error of a pass at this look, and of the lower end of an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Largest accepted change for the worse, as the gate sets it."""

    margin: float | None = None
    """Drop in score units; None for ratios, and for metrics that are only reported."""
    shrunk_by: float | None = None
    """Youden's J of the judge, if `margin` is in units of its score."""
    true_margin: float | None = None
    """Margin as configured, if `margin` is in units of a judge's score."""
    max_increase: float | None = None
    """Growth of a ratio."""
    statistic: str = "mean"
    """Statistic of a ratio: mean, p50 or p95."""
    is_wording: bool = False
    """Whether the metric measures only the wording, and the gate does not name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A verdict that is settled without a test."""

    verdict: Verdict
    code: Code | None = None
    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    """Figures of the code's sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Values of the paired samples on both sides."""

    ids: Sequence[str]
    complete: Complete
    """Samples with a value on both sides."""
    moved: Moved
    """Complete pairs whose score changed."""
    changes: Differences | None = None
    """Per-sample changes; None for ratios."""
    groups: Groups | None = None
    """None if all samples stand alone, or are given."""
    missing: tuple[int, int] = (0, 0)
    """Rows without a value: of the baseline, of the candidate."""
    given: Given | None = None
    """Answers to the samples, if the claim is about these samples; None if about others, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Mean change with its confidence interval; of a ratio the factor."""

    delta: float | None
    low: float
    """Lower end, with missing rows at their worst."""
    high: float
    """Upper end, with missing rows at their best."""
    p: float
    """One-sided p-value of a change for the worse."""
    method: str
    guard: float | None = None
    """Largest drop that the guard against rare drops leaves possible, if that alone bars a pass."""
    provable_margin: float | None = None
    """Smallest margin that so many samples can prove; None if there is no floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Interval held against the limits."""

    passes: bool = False
    gained: bool = False
    """Whether it passes with a proven gain."""
    few: Ruling | None = None
    """Too few samples or groups for a pass; they do not keep a regression from being proven."""
    falls_by_limit: bool = False
    """Whether the measured change is as bad as the largest accepted one, or worse."""
    passes_complete: bool = False
    """Whether it would pass without the samples that lack a score."""
    needed_n: int | None = None
    """Samples that would prove the margin if nothing changed; None if the samples are given."""
    needed_repeats: int | None = None
    """Answers to each given sample that would prove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempted:
    """Effect of the quarantine and accept files."""

    left_out: int = 0
    """Samples that leave the comparison as known flaky or accepted."""
    is_accepted: bool = False
    """Whether the drop of the whole metric is accepted on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Further answers to the samples that got worse or better."""

    times: int
    worse: Mapping[str, int]
    """Samples that got worse, and how many further answers were worse again."""
    better: Mapping[str, int] = field(default_factory=dict)
    """Samples that got better, and how many further answers were better again."""

    @property
    def flaky(self) -> frozenset[str]:
        """Samples of which at most half of the further answers were worse again."""
        return self._unlike(self.worse)

    @property
    def lucky(self) -> frozenset[str]:
        """Samples of which at most half of the further answers were better again."""
        return self._unlike(self.better)

    @property
    def confirmed(self) -> int:
        """Number of samples that did get worse."""
        return len(self.worse) - len(self.flaky)

    def _unlike(self, counts: Mapping[str, int]) -> frozenset[str]:
        return frozenset(name for name, alike in counts.items() if 2 * alike <= self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One metric, compared on both sides."""

    shape: Shape
    limits: Limits = field(default_factory=Limits)
    judge: JudgeCalibration | None = None
    """Calibration of a judged metric's judge."""
    n: int = 0
    """Paired samples that the metric counts."""
    baseline: float | None = None
    candidate: float | None = None
    paired: Paired | None = None
    """None if the metric cannot be compared."""
    ruling: Ruling | None = None
    """None if the interval decides."""
    interval: Interval | None = None
    outcome: Outcome = field(default_factory=Outcome)
    exempted: Exempted = field(default_factory=Exempted)
    again: Again | None = None
    """None if no sample was asked again."""
    stability: Mapping[str, Stability] = field(default_factory=dict)
    """Steadiness by side, if there are repeats."""
    warnings: tuple[Reason, ...] = ()

    @property
    def is_testable(self) -> bool:
        """Whether an interval decides, so that there is a p-value for the family."""
        return self.ruling is None

    @property
    def given(self) -> Given | None:
        """Answers to the samples, if the claim is about these samples alone."""
        return self.paired.given if self.paired else None

    @property
    def p(self) -> float | None:
        """P-value of a change for the worse; None without an interval."""
        return self.interval.p if self.interval else None

    @property
    def missing(self) -> tuple[int, int]:
        """Rows without a value: of the baseline, of the candidate."""
        return self.paired.missing if self.paired else (0, 0)

    @property
    def worse(self) -> int:
        """Number of samples that got worse, without those that asking again did not confirm."""
        unconfirmed = len(self.again.flaky) if self.again else 0
        return len(self.paired.moved.worse) - unconfirmed if self.paired else 0

    @property
    def better(self) -> int:
        """Number of samples that got better, without those that asking again did not confirm."""
        unconfirmed = len(self.again.lucky) if self.again else 0
        return len(self.paired.moved.better) - unconfirmed if self.paired else 0
