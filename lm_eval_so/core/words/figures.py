"""The figures of a comparison as people read them, the same in every sentence and table."""

from collections.abc import Mapping
from dataclasses import dataclass

from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import (
    bare_points,
    count,
    factor,
    percent,
    point_unit,
    points,
    score,
    signed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigures:
    """Format of the figures of one metric.

    Records hold changes with positive = better. People see the sign of candidate − baseline, beside
    both means: if less is better, "+3.0 points" is worse.
    """

    kind: MetricKind
    direction: Direction
    is_unit: bool
    """Whether values lie in 0 … 1, so that changes are points."""
    language: Language

    @property
    def is_ratio(self) -> bool:
        """Whether a change is a factor."""
        return self.kind is MetricKind.RATIO

    def value(self, value: float) -> str:
        """Return a mean, as 0.614 or 89.5%."""
        return percent(value) if self.kind is MetricKind.BINARY else score(value)

    def change(self, change: float) -> str:
        """Return a change (positive is better), as −4.6 points; for a ratio, the factor."""
        if self.is_ratio:
            return factor(change)
        seen = self._sign * change
        return points(seen, self.language) if self.is_unit else signed(seen)

    def bare(self, change: float) -> str:
        """Return a change without unit and ×."""
        if self.is_ratio:
            return factor(change).removeprefix("×")
        seen = self._sign * change
        return bare_points(seen) if self.is_unit else signed(seen)

    def size(self, change: float) -> str:
        """Return how large a change is, without a sign, as 4.6 points."""
        if self.is_unit:
            return bare_points(abs(change)).removeprefix("+") + point_unit(self.language)
        return score(abs(change))

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Return the ends of an interval as shown, the lower first."""
        return (low, high) if self.is_ratio or self._sign > 0 else (high, low)

    @property
    def _sign(self) -> int:
        return 1 if self.direction is Direction.HIGHER else -1


def reason_figures(figures: Mapping[str, object], language: Language) -> dict[str, str]:
    """Return the figures of a reason code as its text of the topic `comparison` takes them."""
    told = {}
    for key, value in figures.items():
        if key == "side" or value == "bound":
            told[key] = say(f"comparison.{key}_{value}", language)
        elif isinstance(value, int):
            told[key] = count(value)
        else:
            told[key] = percent(value) if isinstance(value, float) else str(value)
    return told
