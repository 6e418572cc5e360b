"""How the figures of one metric are told."""

from dataclasses import dataclass

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.core.records.costs import CostSummary
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.core.words.figures import MetricFigures


def price_of_sample(cost: CostSummary, samples: int) -> float | None:
    """Return what a sample costs in US dollars: the chatbot, simulated users and judges together.

    Answers from the cache count with what they cost when they were asked.

    Args:
        cost: What a report cost.
        samples: Samples in it.

    Returns:
        None if the price of one of the parts is not known at all.
    """
    saved = cost.bot_saved_usd or 0.0
    paid = None if cost.bot_usd is None and not saved else (cost.bot_usd or 0.0) + saved
    parts = [
        _for_all_rows(paid, cost.bot_priced, cost.bot_rows),
        _for_all_rows(cost.simulator_usd, cost.simulator_priced, cost.simulator_rows),
        _for_all_rows(cost.judges_usd, cost.judges_priced, cost.judges_rows),
    ]
    known = [part for part in parts if part is not None]
    return sum(known) / samples if samples and len(known) == len(parts) else None


def _for_all_rows(usd: float | None, priced: int, rows: int) -> float | None:
    """Return what all rows cost if those without a known price cost as much as the others."""
    if not rows:
        return usd or 0.0
    return usd / priced * rows if usd is not None and priced else None


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
        """Return a text of the topic, filled in."""
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
        """Return a mean as it is shown."""
        return UNKNOWN if value is None else self.shown.value(value)

    def bounds(self) -> tuple[str, str]:
        """Return both ends of the interval as told, the lower first.

        The unit stands at the last.
        """
        return self.ends(self.finding.low or 0.0, self.finding.high or 0.0)

    def ends(self, low: float, high: float) -> tuple[str, str]:
        """Return both ends of an interval of changes, likewise."""
        low, high = self.shown.ends(low, high)
        first = self.shown.change(low) if self.shown.is_ratio else self.shown.bare(low)
        return first, self.shown.change(high)

    @property
    def fall(self) -> str:
        """The word for a change to the worse."""
        return say(f"comparison.fall_{self.finding.shape.direction.value}", self.language)


def _short_percent(share: float) -> str:
    return f"{100 * share:.3g}%"
