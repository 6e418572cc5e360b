"""How the figures of one metric are told."""

from dataclasses import dataclass

from lm_eval_so.comparator.finding import Finding
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.core.words.figures import MetricFigures

UNKNOWN = "–"
_UNIT = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """How figures of one metric are told."""

    metric: str
    finding: Finding
    language: Language
    alpha: float
    cost_per_sample: float | None
    """In US dollars."""

    def say(self, key: str, **figures: str) -> str:
        """Give a text of the topic, filled in."""
        told = {"metric": self.metric, "sure": self.sure, "level": self.level, **figures}
        return say(f"comparison.{key}", self.language, told)

    @property
    def sure(self) -> str:
        """Confidence of one end of an interval."""
        return _short_percent(1 - self.alpha)

    @property
    def level(self) -> str:
        """Confidence of both ends."""
        return _short_percent(1 - 2 * self.alpha)

    @property
    def shown(self) -> MetricFigures:
        """How means and changes are shown."""
        shape = self.finding.shape
        return MetricFigures(
            kind=shape.kind,
            direction=shape.direction,
            is_unit=shape.support == _UNIT,
            language=self.language,
        )

    def value(self, value: float | None) -> str:
        """Give a mean as it is shown."""
        return UNKNOWN if value is None else self.shown.value(value)

    def bounds(self) -> tuple[str, str]:
        """Give both ends of the interval as told, the lower first; the unit stands at the last."""
        return self.ends(self.finding.low or 0.0, self.finding.high or 0.0)

    def ends(self, low: float, high: float) -> tuple[str, str]:
        """Give both ends of an interval of changes, likewise."""
        low, high = self.shown.ends(low, high)
        first = self.shown.change(low) if self.shown.is_ratio else self.shown.bare(low)
        return first, self.shown.change(high)

    @property
    def fall(self) -> str:
        """The word for a change to the worse."""
        return say(f"comparison.fall_{self.finding.shape.direction.value}", self.language)


def _short_percent(share: float) -> str:
    return f"{100 * share:.3g}%"
