"""`datetime_match`: the dates and times of the reference in the answer, in any notation."""

import textwrap
from functools import lru_cache
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.dates import Moments, find_moments
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["DatetimeMatch"]

_MOST_SHOWN = 10


class DatetimeMatch(Metric):
    """Match of dates and times of day with the reference's.

    Definition: 1 if every date and every time of day of a reference is in the answer, any reference
        counts; `extra: forbid` also wants none in the answer that is not in that reference. A date
        fits if month and day are equal, and the year, unless one of both leaves it out; a reference
        without a day (2026년 3월) fits any day of it. 6시 and 6:30 fit the morning and the evening, 06:30,
        18시 and 오후 6시 one of them. No date or time in the answer is 0 (`no_date`).
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference. A sample whose
        references have neither a date nor a time is an error before anything is scored.
    Language notes: reads 2026-03-02, 2026. 3. 2., 2026년 3월 2일, 26년 3월 2일, 3월 2-5일, 3/2(월), March 2, 2026, 2nd of
        March, 03/02/2026 (in either order); 18시, 오후 6시 30분, 여섯 시 반, 오후 2-4시, 18:00, 6 pm, 정오, midnight.
        A year, a month or a weekday alone, 내일 and tomorrow are no dates, 3시간 is no time, 2월 30일 is neither. Time
        zones are not looked at.
    Source: own rules.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"expected"})
    checks_every_sample = True

    class Params(Metric.Params):
        """Treatment of other dates and times."""

        extra: Literal["allow", "forbid"] = "allow"

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find references without a date and a time."""
        problems = super().check_sample(sample)
        if problems or not sample.answers or _wanted(sample):
            return problems
        shown = textwrap.shorten(sample.answers[0], 60, placeholder=" …")
        what = f'{self.id}: sample {sample.id} has no date or time in expected "{shown}"'
        return [
            Problem(
                what=what,
                hint="write one as 2026-03-02 or 18:00, or leave it to exact_match by only: {tags: […]}",
            )
        ]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the dates and times are right."""
        wanted, found = _wanted(sample), _moments(run.text)
        if not wanted:
            return self.unscored(sample, "invalid_value", say_in_each("metrics.no_date_wanted"))
        if not (found.dates or found.times):
            why = say_in_each("metrics.no_date")
            return self.make_score(sample, value=False, code="no_date", reason=why)
        is_strict = self.params_for(sample).extra == "forbid"
        if any(_has(found, each) and (not is_strict or _has(each, found)) for each in wanted):
            return self.make_score(sample, value=True)
        expected = [text for each in wanted for text in _shown(each)]
        figures = {"found": ", ".join(_shown(found)), "wanted": ", ".join(expected)}
        details: dict[str, JsonValue] = {"found": [*_shown(found)], "wanted": [*expected]}
        why = say_in_each("metrics.date_differs", figures)
        return self.make_score(sample, value=False, reason=why, details=details)


def _wanted(sample: TestSample) -> list[Moments]:
    found = map(_moments, sample.answers)
    return [each for each in found if each.dates or each.times]


@lru_cache(maxsize=1024)
def _moments(text: str) -> Moments:
    return find_moments(text)


def _has(found: Moments, wanted: Moments) -> bool:
    """Return whether every date and every time that is wanted is there."""
    return all(map(found.has_date, wanted.dates)) and all(map(found.has_time, wanted.times))


def _shown(moments: Moments) -> list[str]:
    """Return dates and times for people."""
    dates = (" / ".join(map(str, each)) for each in moments.dates)
    return [*dates, *map(str, moments.times)][:_MOST_SHOWN]
