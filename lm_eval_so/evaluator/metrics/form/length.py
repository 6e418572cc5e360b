"""`length`: bounds of the length of an answer."""

from typing import Self

from pydantic import Field, model_validator

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.lengths import LengthUnit, count_units
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Length"]


class Length(Metric):
    """Length of the answer within bounds.

    Definition: 1 if min ≤ count ≤ max of the trimmed answer in NFC, else 0. Units: `graphemes` are
        characters as people see them; `chars` code points; `syllables` those of Hangul; `words`
        separated by spaces (어절); `sentences` end with . ! ? 。 before a space or with the line, code
        blocks left out; `lines` that are not blank; `paragraphs` separated by blank lines; `bytes` of
        UTF-8; `bytes_cp949` of a Korean SMS, where a character that CP949 lacks counts 1.
        `count_spaces: false` does not count spaces and line ends as characters or bytes.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without `min` and `max`.
    Language notes: decomposed Hangul counts as composed; 👨‍👩‍👧 is 1 grapheme and 5 chars.
    Source: own rules; graphemes by Unicode Standard Annex #29.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"params.min|max"})

    class Params(Metric.Params):
        """Bounds, both included, and the unit."""

        min: int | None = Field(default=None, ge=0)
        max: int | None = Field(default=None, ge=0)
        unit: LengthUnit = "graphemes"
        count_spaces: bool = True

        @model_validator(mode="after")
        def _is_possible(self) -> Self:
            if self.min is not None and self.max is not None and self.min > self.max:
                raise ValueError(f"min {self.min} is above max {self.max}")
            return self

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the count is within the bounds."""
        params = self.params_for(sample)
        n = count_units(run.text, params.unit, count_spaces=params.count_spaces)
        is_long = params.min is None or n >= params.min
        is_short = params.max is None or n <= params.max
        figures = {
            "n": n,
            "unit": say_in_each(f"metrics.unit_{params.unit}"),
            "bounds": bounds(params.min, params.max),
        }
        fits = is_long and is_short
        why = None if fits else say_in_each("metrics.length_outside", figures)
        details = {"unit": params.unit, "count": n}
        return self.make_score(sample, value=fits, reason=why, details=details)


def bounds(least: int | None, most: int | None) -> str:
    """Show bounds: "≥ 3", "≤ 5", "3 … 5"."""
    if least is None or most is None:
        return f"≤ {most}" if least is None else f"≥ {least}"
    return f"{least} … {most}"
