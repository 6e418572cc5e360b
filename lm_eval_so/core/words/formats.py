"""Formats of numbers for people: 3 significant digits for scores, a true minus sign, `+` on gains."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.words import say

_MINUS: Final = "\N{MINUS SIGN}"
_SMALLEST_EXPONENT: Final = -6
_LARGEST_EXPONENT: Final = 15
_SMALLEST_P: Final = 0.0005
_VISIBLE: Final = 0.0005
"""Smallest size that 3 digits show."""
_SIZE: Final = re.compile(r"(?<=”) \(([\d,]+) chars, ([0-9a-f]{8})\)")
"""Size and digest behind a long value that is cut short."""
_NOISE: Final = 11
"""Digits behind which a change of a score in [0, 1] is rounding of the arithmetic."""


def count(n: int) -> str:
    """Return a count, as 1,200."""
    return f"{n:,}"


def round_up(n: int) -> int:
    """Round a count up to two significant digits, for use after "about", as 1,466 to 1,500."""
    step: int = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step


def score(value: float) -> str:
    """Return a score or a mean to 3 significant digits, as 0.614, 12.3 or 1,184."""
    if value == 0:
        return "0.000"
    exponent = int(f"{value:.2e}".partition("e")[2])
    if not _SMALLEST_EXPONENT <= exponent < _LARGEST_EXPONENT:
        return _true_minus(f"{value:.2e}")
    return _true_minus(f"{value:,.{max(0, 2 - exponent)}f}")


def signed(value: float) -> str:
    """Return a change of a score, as +0.031."""
    return ("+" if value > 0 else "") + score(value)


def percent(share: float) -> str:
    """Return a share, 0 … 1, as 89.5%."""
    return f"{100 * share:.1f}%"


def p_value(p: float, language: Language) -> str:
    """Return a p-value as a share of runs, as 1.5% or under 0.1%."""
    if p >= _SMALLEST_P:
        return percent(p)
    return "0.1% 미만" if language is Language.KO else "under 0.1%"


def thousandths(delta: float) -> str:
    """Return a change of a score in [0, 1] to 3 digits, as −0.062."""
    text = f"{round(delta, _NOISE):+.3f}"
    return text[1:] if float(text) == 0 else _true_minus(text)


def points(delta: float, language: Language) -> str:
    """Return a change of a share, as −4.6 points or −4.6%p."""
    return bare_points(delta) + point_unit(language)


def bare_points(delta: float) -> str:
    """Return points without their unit, as −4.6."""
    # 0.8625 − 0.9 is a little more than −0.0375, which a mean of differences gives: both are −3.8
    text = f"{round(100 * delta, _NOISE - 2):+.1f}"
    return text[1:] if float(text) == 0 else _true_minus(text)


def point_unit(language: Language) -> str:
    """Return the unit of points: %p in Korean."""
    return "%p" if language is Language.KO else " points"


def usd(amount: float) -> str:
    """Return an amount of US dollars, as USD 0.41."""
    if amount >= 0.01 or amount == 0:
        return f"USD {amount:,.2f}"
    exponent = int(f"{amount:.1e}".partition("e")[2])
    return f"USD {amount:.{1 - exponent}f}"


def factor(ratio: float) -> str:
    """Return a ratio, as ×1.14."""
    return f"×{ratio:.2f}"


def interval(low: float, high: float) -> str:
    """Return an interval of scores, as [0.545, 0.679]."""
    return f"[{score(low)}, {score(high)}]"


def _true_minus(text: str) -> str:
    return text.replace("-", _MINUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigures:
    """Format of the figures of one metric.

    Records hold changes with positive = better. People see the sign of candidate − baseline, beside
    both means: if less is better, "+3.0 points" is worse.
    """

    kind: MetricKind
    """Kind of the values shown; binary for answers that are right or wrong, however often asked."""
    direction: Direction
    is_unit: bool
    """Whether values lie in 0 … 1, so that changes have as many digits as the values."""
    language: Language

    @property
    def is_ratio(self) -> bool:
        """Whether a change is a factor."""
        return self.kind is MetricKind.RATIO

    def value(self, value: float) -> str:
        """Return a mean, as 0.614 or 89.5%."""
        return percent(value) if self._is_share else score(value)

    def change(self, change: float) -> str:
        """Return a change (positive is better), as −4.6 points or −0.046; for a ratio, the factor."""
        if self.is_ratio:
            return factor(change)
        unit = point_unit(self.language) if self._is_share else ""
        return self.bare(change) + unit

    def bare(self, change: float) -> str:
        """Return a change without unit and ×."""
        if self.is_ratio:
            return factor(change).removeprefix("×")
        seen = self._sign * change
        if self._is_share:
            return bare_points(seen)
        return thousandths(seen) if self.is_unit else signed(seen)

    def size(self, change: float) -> str:
        """Return how large a change is, without a sign, as 4.6 points."""
        size = abs(change)
        if self._is_share:
            return bare_points(size).removeprefix("+") + point_unit(self.language)
        return f"{size:.3f}" if self.is_unit and size >= _VISIBLE else score(size)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Return the ends of an interval as shown, the lower first."""
        return (low, high) if self.is_ratio or self._sign > 0 else (high, low)

    @property
    def _is_share(self) -> bool:
        """Whether values are shares of right answers, so that changes are points."""
        return self.kind is MetricKind.BINARY

    @property
    def _sign(self) -> int:
        return 1 if self.direction is Direction.HIGHER else -1


def difference(line: str, language: Language) -> str:
    """Return a line of `Comparison.differences`, with the size of long values in a language."""
    return _SIZE.sub(
        lambda found: say("comparison.long_value", language, {"n": found[1], "digest": found[2]}),
        line,
    )


def reason_key(code: str, figures: Mapping[str, object]) -> str:
    """Return the key of a reason's text; some codes have one text for each way in which they hold."""
    way = figures.get("way")
    return f"{code}_{way}" if way else code


def reason_figures(figures: Mapping[str, object], language: Language) -> dict[str, str]:
    """Return the figures of a reason code as its text of the topic `comparison` takes them."""
    told = {}
    for key, value in figures.items():
        if key == "side" or value == "bound":
            told[key] = say(f"comparison.{key}_{value}", language)
        elif isinstance(value, int):
            told[key] = count(value)
        else:
            told[key] = (
                percent(value) if isinstance(value, float) else difference(str(value), language)
            )
    return told
