"""`datetime_match`: the dates and times of the reference in the answer, in any notation."""

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import JsonValue

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.dates import Date, TimeOfDay, find_dates, find_times
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["DatetimeMatch"]

_MOST_SHOWN = 10


class Moments(NamedTuple):
    """Dates and times of a text."""

    dates: tuple[tuple[Date, ...], ...]
    """Dates, each with its possible readings."""
    times: tuple[TimeOfDay, ...]

    def lacks(self, wanted: "Moments") -> bool:
        """Return whether a date or a time that is wanted is not there."""
        return not (
            all(any(_same_date(own, date) for own in self.dates) for date in wanted.dates)
            and all(any(own.fits(time) for own in self.times) for time in wanted.times)
        )

    @property
    def shown(self) -> list[str]:
        """Return both for people."""
        return [*(" / ".join(map(str, date)) for date in self.dates), *map(str, self.times)][
            :_MOST_SHOWN
        ]


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
        return [Problem(what=what, hint="write one as 2026-03-02 or 18:00, or use exact_match")]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the dates and times are right."""
        wanted, found = _wanted(sample), _moments(run.text)
        if not wanted:
            return self.unscored(sample, "invalid_value", say_in_each("metrics.no_date_wanted"))
        if not (found.dates or found.times):
            why = say_in_each("metrics.no_date")
            return self.make_score(sample, value=False, code="no_date", reason=why)
        is_strict = self.params_for(sample).extra == "forbid"
        if any(not found.lacks(each) and not (is_strict and each.lacks(found)) for each in wanted):
            return self.make_score(sample, value=True)
        expected = [text for each in wanted for text in each.shown]
        figures = {"found": ", ".join(found.shown), "wanted": ", ".join(expected)}
        details: dict[str, JsonValue] = {"found": [*found.shown], "wanted": [*expected]}
        why = say_in_each("metrics.date_differs", figures)
        return self.make_score(sample, value=False, reason=why, details=details)


def _wanted(sample: TestSample) -> list[Moments]:
    found = map(_moments, sample.answers)
    return [each for each in found if each.dates or each.times]


@lru_cache(maxsize=1024)
def _moments(text: str) -> Moments:
    return Moments(tuple(find_dates(text)), tuple(find_times(text)))


def _same_date(one: Sequence[Date], wanted: Sequence[Date]) -> bool:
    return any(date.fits(other) for date in one for other in wanted)
