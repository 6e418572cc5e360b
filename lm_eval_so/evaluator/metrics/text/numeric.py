"""`numeric_match`: the number of the reference in the answer, in any notation."""

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from pydantic import Field, JsonValue

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.numbers import Number, find_numbers
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["NumericMatch"]

_MOST_SHOWN = 10


class NumericMatch(Metric):
    """Match of a number in the answer with the reference's.

    Definition: 1 if a picked number v of the answer has |v − e| ≤ max(abs_tol, rel_tol·|e|) and the
        unit of e, or one of them has none; e is the first number of a reference, any reference
        counts. A unit right behind the figures counts even if it is not known (7그루 is not 7자루);
        behind a space only a known one does. `pick`: any, first or last number; `only`: the answer must
        not give two different ones (3만원, that is 30,000원, are one). No number in the answer is 0
        (`no_number`), different ones under `only` are 0 (`ambiguous`).
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference. A sample whose
        references have no number is an error before anything is scored.
    Language notes: reads 35,000원, 3만 5천원, 1억 2,000만 원, 삼만오천 원, 만 원, 열두 시, 석 달, 이틀, 영하 5도,
        마이너스 5도, ₩35,000, 1 million, 2 bn, $2.5m, twenty-five; 2.5M, 2.5K and 2.5B are that number or one
        in a unit of that name, never 2.5; skips phone numbers (1588-1234), dates and times (see
        `datetime_match`), versions, names (GPT4, and with a capital before the hyphen COVID-19), "one" and 하루 (per day); 살 is 세, 사람 and 분 behind 두, 세 are 명,
        퍼센트 is %, days is 일, 유로 is EUR. Units are not converted, "1시간 30분" is two numbers. 만일, 조회, 사회, 한번 and the like are no numbers;
        "이삼 일" and "한두 개" are none either; "삼십일" is 30 days; ordinals in words (두 번째) are none.
    Source: own rules.
    """

    version = 3
    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"expected"})
    checks_every_sample = True

    class Params(Metric.Params):
        """Number that counts, and its tolerance."""

        pick: Literal["any", "first", "last", "only"] = "any"
        abs_tol: float = Field(default=0.0, ge=0, allow_inf_nan=False)
        rel_tol: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find references without a number."""
        problems = super().check_sample(sample)
        if problems or not sample.answers or _wanted(sample):
            return problems
        shown = textwrap.shorten(sample.answers[0], 60, placeholder=" …")
        what = f'{self.id}: sample {sample.id} has no number in expected "{shown}"'
        return [
            Problem(
                what=what,
                hint="give expected as a number, or leave it to exact_match by only: {tags: […]}",
            )
        ]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the number is right."""
        params, wanted = self.params_for(sample), _wanted(sample)
        if not wanted:
            return self.unscored(sample, "invalid_value", say_in_each("metrics.no_number_wanted"))
        found = find_numbers(run.text)
        if not found:
            why = say_in_each("metrics.no_number")
            return self.make_score(sample, value=False, code="no_number", reason=why)
        picked = {"first": found[:1], "last": found[-1:]}.get(params.pick, found)
        is_ambiguous = params.pick == "only" and not _is_one(found)
        off = {"abs_tol": params.abs_tol, "rel_tol": params.rel_tol}
        if not is_ambiguous and any(v.fits(e, **off) for v in picked for e in wanted):
            return self.make_score(sample, value=True)
        values, expected = _shown(found), _shown(wanted)
        code = "ambiguous" if is_ambiguous else None
        key = "numbers_ambiguous" if is_ambiguous else "number_differs"
        figures = {"found": ", ".join(values), "wanted": ", ".join(expected)}
        details: dict[str, JsonValue] = {"found": [*values], "wanted": [*expected]}
        why = say_in_each(f"metrics.{key}", figures)
        return self.make_score(sample, value=False, code=code, reason=why, details=details)


def _wanted(sample: TestSample) -> list[Number]:
    return [number for text in sample.answers if (number := _first_number(text))]


@lru_cache(maxsize=4096)
def _first_number(text: str) -> Number | None:
    return next(iter(find_numbers(text)), None)


def _is_one(numbers: Sequence[Number]) -> bool:
    """Return whether all numbers are equal; a missing unit fits any."""
    first = next((number for number in numbers if number.unit is not None), numbers[0])
    return all(number.fits(first) for number in numbers)


def _shown(numbers: Sequence[Number]) -> list[str]:
    return [str(number) for number in numbers[:_MOST_SHOWN]]
