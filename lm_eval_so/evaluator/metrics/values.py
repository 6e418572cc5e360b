"""Values of metrics: what one must be, so that a report can hold it, and that of all answers."""

from typing import NamedTuple

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.score import LARGEST_SCORE

_WIDTH_TOLERANCE = 1e-9


class CorpusScore(NamedTuple):
    """The score of all answers together, where that is another figure than the mean."""

    value: float
    signature: str
    """How the library that it comes from calls what it did."""


def in_range(
    number: float, span: tuple[float, float] | None, kind: MetricKind
) -> tuple[float, str | None]:
    """Return a finite value within its range, and why it is none, if it lies outside.

    What lies outside by a rounding error is clipped: sacrebleu gives 100.00000000000004 for
    identical texts.
    """
    if span is not None:
        low, high = span
        slack = _WIDTH_TOLERANCE * (high - low)
        if not low - slack <= number <= high + slack:
            return number, f"{number} is outside {low} … {high}"
        number = min(high, max(low, number))
    elif abs(number) > LARGEST_SCORE:
        return number, f"{number} is larger than {LARGEST_SCORE:g}"
    if kind is MetricKind.BINARY and number not in (0.0, 1.0):
        return number, f"{number} is neither 0 nor 1"
    return number, None
