"""What the data of one metric say, before the gate decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from lm_eval_so.comparator.effect.values import Complete, Differences, Moved, Support
from lm_eval_so.comparator.pairing.groups import Groups
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import Reason, Stability
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.report import JudgeCalibration, MetricSummary

DEFAULT_MARGIN = 0.05
"""Of right-or-wrong metrics."""
DEFAULT_MARGIN_SHARE = 0.03
"""Of bounded metrics, of the width of their range."""
DEFAULT_MAX_INCREASE = 0.10

_UNIT: Support = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What values a metric takes and which end is good."""

    kind: MetricKind
    direction: Direction
    support: Support | None

    @property
    def width(self) -> float | None:
        """Highest minus lowest possible value; None if open."""
        return self.support[1] - self.support[0] if self.support else None

    @property
    def default_margin(self) -> float | None:
        """Largest true drop that is accepted where the config names none."""
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
class Again:
    """Samples that got worse, or better, asked again."""

    times: int
    worse: Mapping[str, int]
    """Of each that got worse, how many further answers were worse again."""
    better: Mapping[str, int] = field(default_factory=dict)
    """Of each that got better, how many further answers were better again."""

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
        """How many of the samples did get worse."""
        return len(self.worse) - len(self.flaky)

    def _unlike(self, counts: Mapping[str, int]) -> frozenset[str]:
        return frozenset(name for name, alike in counts.items() if 2 * alike <= self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One metric, measured on both sides."""

    shape: Shape
    verdict: Verdict | None = None
    """What the data say by themselves; None where the interval decides."""
    code: Code | None = None
    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the code's sentence tells."""
    ids: Sequence[str] = ()
    """The paired samples."""
    complete: Complete | None = None
    """Their values on both sides; None if it did not come to that."""
    changes: Differences | None = None
    """How they changed; None likewise, and of a ratio."""
    moved: Moved = field(default_factory=Moved)
    """Which of the complete pairs changed."""
    groups: Groups | None = None
    """None if all stand alone."""
    n: int = 0
    missing: tuple[int, int] = (0, 0)
    baseline: float | None = None
    candidate: float | None = None
    delta: float | None = None
    low: float | None = None
    """Lower end with missing rows at their worst; of a ratio: of the factor."""
    high: float | None = None
    p: float | None = None
    passes: bool = False
    gained: bool = False
    """Whether it passes with a proven gain."""
    passes_complete: bool = False
    """Whether it would pass without the samples that lack a score."""
    margin: float | None = None
    is_wording: bool = False
    """Whether it tells only how near the wording is, and the gate does not name it."""
    max_increase: float | None = None
    statistic: str = "mean"
    worse: int = 0
    better: int = 0
    needed_n: int | None = None
    provable_margin: float | None = None
    method: str | None = None
    warnings: tuple[Reason, ...] = ()
    judge: JudgeCalibration | None = None
    """Of a judged metric: how its judge did against people."""
    shrunk_by: float | None = None
    """Youden's J of the judge, where `margin` is that many times the configured one."""
    left_out: int = 0
    """Samples that leave the comparison as known flaky or accepted."""
    is_accepted: bool = False
    """Whether its drop is accepted on purpose."""
    again: Again | None = None
    """None if its samples were not asked again."""
    stability: Mapping[str, Stability] = field(default_factory=dict)
    """By side, where there are repeats."""

    @property
    def is_testable(self) -> bool:
        """Return whether there is an interval that decides, and so a p-value for the family."""
        return self.verdict is None
