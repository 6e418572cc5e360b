"""Dates and times of day in Korean and English texts: 2026년 3월 2일, March 2, 2026, 오후 6시, 6 pm.

A date has at least two of year, month and day; a year, a month, a weekday or "tomorrow" alone is none. A
time has an hour. Time zones are not looked at.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from typing import Final, NamedTuple

from lm_eval_so.core.text.number_words import ONES, native_value
from lm_eval_so.core.text.profiles import basic


class Date(NamedTuple):
    """A date; a missing part is None, but not two of them."""

    year: int | None
    month: int
    day: int | None

    def fits(self, wanted: "Date") -> bool:
        """Return whether a date says what is wanted: all of its parts, of which the year may be left out."""
        return (
            self.month == wanted.month
            and wanted.day in {None, self.day}
            and (self.year == wanted.year or None in {self.year, wanted.year})
            and (wanted.day is not None or self.year is not None)
        )

    def __str__(self) -> str:
        year = "" if self.year is None else f"{self.year}-"
        return f"{year}{self.month:02}" + ("" if self.day is None else f"-{self.day:02}")


class TimeOfDay(NamedTuple):
    """A time of day."""

    minutes: int
    """Minutes since midnight."""
    is_either: bool = False
    """Whether it may also be twelve hours later: 6시, 6:30."""

    def fits(self, wanted: "TimeOfDay") -> bool:
        """Return whether both may be the same; 24:00 is 0:00."""
        return not self.readings.isdisjoint(wanted.readings)

    @property
    def readings(self) -> frozenset[int]:
        """Possible minutes since midnight."""
        later = {(self.minutes + _HALF_DAY) % _DAY} if self.is_either else set[int]()
        return frozenset({self.minutes % _DAY} | later)

    def __str__(self) -> str:
        hours, minutes = divmod(self.minutes, 60)
        return f"{hours}:{minutes:02}" if self.is_either else f"{hours:02}:{minutes:02}"


_HALF_DAY: Final = 12 * 60
_DAY: Final = 24 * 60
_LATEST_YEAR_OF_THIS_CENTURY: Final = 69
"""Of a year of two figures, as in POSIX."""
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sept sep", "october oct", "november nov", "december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_HOURS: Final = {
    word: hour
    for hour, word in enumerate(
        [*dict.fromkeys(w for w in ONES if w not in {"하나", "석", "넉"})], 1
    )
} | {word: native_value(word) for word in ("열", "열한", "열두")}
_MONTH: Final = "|".join(
    name if name not in {"may", "mar", "march"} else f"(?-i:{name.capitalize()}|{name.upper()})"
    for name in sorted(_MONTHS, key=len, reverse=True)
)
_DAY_OF_MONTH: Final = r"[0-3]?[0-9](?:st|nd|rd|th)?(?![0-9:.,]?[0-9])(?! ?%)"
_WEEKDAY: Final = r" ?\((?:[월화수목금토일](?:요일)?|mon|tue|wed|thu|fri|sat|sun)"
_YEAR_AFTER: Final = r"(?:,? |,)(?P<{0}>(?:1[0-9]|2[01])[0-9]{{2}})(?![0-9]|:[0-9])"
_DATES: Final = re.compile(
    # 2026-03-02, 2026/3/2, 2026. 3. 2., 2026-03-02T18:00
    r"(?<![0-9.])(?P<y1>(?:1[0-9]|2[01])[0-9]{2})(?P<sep>[-/]|\. ?)(?P<m1>[01]?[0-9])(?P=sep)(?P<d1>[0-3]?[0-9])(?![0-9])"
    # 2026년 3월 2일, 3월 2일, 3월 2~5일, 2026년 3월
    r"|(?:(?<![0-9])(?P<y2>[0-9]{4}|'?[0-9]{2})년 ?)?(?<![0-9])(?P<m2>[01]?[0-9])월(?: ?(?P<d2>[0-3]?[0-9])(?P<to2> ?일? ?(?:[~-]|부터|에서) ?(?P<e2>[0-3]?[0-9]))? ?일(?![가-힣]*간))?"
    # March 2, 2026; Mar 2nd; March 2-5; March 2026
    rf"|\b(?P<m3>{_MONTH})\.? (?P<d3>{_DAY_OF_MONTH})(?: ?(?:-|to) ?(?P<e3>{_DAY_OF_MONTH}))?(?:{_YEAR_AFTER.format('y3')})?"
    rf"|\b(?P<m4>{_MONTH})\.?,? (?P<y4>(?:1[0-9]|2[01])[0-9]{{2}})(?![0-9])"
    # 2 March 2026, 2nd of March
    rf"|(?<![0-9.,:])(?P<d5>{_DAY_OF_MONTH}) (?:of )?(?P<m5>{_MONTH})\b\.?(?:{_YEAR_AFTER.format('y5')})?"
    # 03/02/2026 in either order; 3/2(월)
    r"|(?<![0-9/])(?P<a6>[0-3]?[0-9])/(?P<b6>[0-3]?[0-9])/(?P<y6>(?:19|20)[0-9]{2})(?![0-9/])"
    rf"|(?<![0-9/.])(?P<m7>[01]?[0-9])[/.](?P<d7>[0-3]?[0-9])(?={_WEEKDAY})",
    re.IGNORECASE,
)
_HALF: Final = "오전|오후|새벽|아침|낮|저녁|밤"
_AFTERNOON: Final = frozenset({"오후", "저녁", "밤", "낮", "pm"})
_NATIVE_HOUR: Final = "|".join(sorted(_HOURS, key=len, reverse=True))
_AFTER_HOUR: Final = (
    r"[^가-힣]|\Z|[에이로경쯤께반전후까부마만도의입였는가를와정예요~]|사이|시작|출발|도착|오픈|종료"
)
"""Beginnings of what follows 시 of a time; 3시간 and 3시즌 are none."""
_TIMES: Final = re.compile(
    # 오후 6시 30분, 오후 2~4시, 18시, 여섯 시 반
    rf"(?:(?P<half1>{_HALF}) ?)?(?<![0-9:.])(?:(?P<from1>[0-2]?[0-9])시? ?[~-] ?)?(?:(?P<half2>{_HALF}) ?)?"
    rf"(?:(?P<h1>[0-2]?[0-9])|(?<![가-힣])(?P<word>{_NATIVE_HOUR})) ?시(?={_AFTER_HOUR})"
    r"(?: ?(?:(?P<min1>[0-5]?[0-9])분(?!간)|(?P<past>반)(?![가-힣]{2})))?"
    # 18:00, 6:30 pm, 오후 6:30, 10:30:15
    rf"|(?:(?P<half3>{_HALF}) ?)?(?<![0-9:.])(?P<h2>[0-2]?[0-9]):(?P<min2>[0-5][0-9])(?::[0-5][0-9](?:\.[0-9]+)?)?(?![0-9:])(?: ?(?P<m2>[ap])\.?m\b\.?)?"
    # 6 pm, 2-4 pm
    r"|(?<![0-9:.,])(?:(?P<from3>[01]?[0-9]) ?(?:-|to) ?)?(?P<h3>[01]?[0-9]) ?(?P<m3>[ap])\.?m\b\.?"
    r"|(?P<noon>정오|\bnoon\b)|(?P<midnight>자정|\bmidnight\b)",
    re.IGNORECASE,
)


class Moments(NamedTuple):
    """Dates and times of day of a text, in order."""

    dates: tuple[tuple[Date, ...], ...]
    """Dates, each with its possible readings: 03/02/2026 has two."""
    times: tuple[TimeOfDay, ...]
    rest: str
    """The text after the profile `basic`, with `GAP` in place of each of them."""

    def has_date(self, wanted: tuple[Date, ...]) -> bool:
        """Return whether a date is there, in one of its readings."""
        return any(own.fits(date) for each in self.dates for own in each for date in wanted)

    def has_time(self, wanted: TimeOfDay) -> bool:
        """Return whether a time is there, or may be."""
        return any(own.fits(wanted) for own in self.times)


GAP: Final = "\ufffc"
"""Stands where a date or a time was."""


def find_moments(text: str) -> Moments:
    """Return the dates and times of day of a text, and the text without them.

    Durations (3시간) are no times. Without 오전, 오후, am or pm, an hour up to 12 may be either, unless
    it has a zero before it: 06:30.
    """
    known = basic(text)
    dates: list[tuple[Date, ...]] = []

    def without_date(match: re.Match[str]) -> str:
        found = list(_dates_of(match))
        dates.extend(found)
        return GAP if found else match[0]

    def without_time(match: re.Match[str]) -> str:
        return GAP if any(True for _ in _times_of(match)) else match[0]

    rest = _TIMES.sub(without_time, _DATES.sub(without_date, known))
    times = (time for match in _TIMES.finditer(known) for time in _times_of(match))
    return Moments(tuple(dates), tuple(times), rest)


def _dates_of(match: re.Match[str]) -> Iterator[tuple[Date, ...]]:
    part = match.groupdict()
    if part["y1"]:
        yield from _real([(part["y1"], part["m1"], part["d1"])])
    elif part["m2"]:
        if part["d2"] or part["y2"]:
            yield from _real([(part["y2"], part["m2"], part["d2"])])
        if part["e2"]:
            yield from _real([(part["y2"], part["m2"], part["e2"])])
    elif part["m3"]:
        yield from _real([(part["y3"], part["m3"], part["d3"])])
        if part["e3"]:
            yield from _real([(part["y3"], part["m3"], part["e3"])])
    elif part["m4"]:
        yield from _real([(part["y4"], part["m4"], None)])
    elif part["m5"]:
        yield from _real([(part["y5"], part["m5"], part["d5"])])
    elif part["y6"]:
        a, b, year = part["a6"], part["b6"], part["y6"]
        yield from _real([(year, a, b), (year, b, a)])
    else:
        yield from _real([(None, part["m7"], part["d7"])])


def _real(readings: list[tuple[str | None, str, str | None]]) -> Iterator[tuple[Date, ...]]:
    """Yield those readings that are in the calendar, together; nothing if there is none."""
    found: list[Date] = []
    for year_text, month_text, day_text in readings:
        month = _MONTHS.get(month_text.casefold()) or int(month_text)
        year = None if year_text is None else _year(year_text.lstrip("'"))
        day = None if day_text is None else int(re.sub("[a-z]", "", day_text.casefold()))
        if not 1 <= month <= 12 or year == 0:
            continue
        if day is None or 1 <= day <= monthrange(2000 if year is None else year, month)[1]:
            found.append(Date(year, month, day))
    if found:
        yield tuple(dict.fromkeys(found))


def _year(text: str) -> int:
    if len(text) > 2:
        return int(text)
    return int(text) + (2000 if int(text) <= _LATEST_YEAR_OF_THIS_CENTURY else 1900)


def _times_of(match: re.Match[str]) -> Iterator[TimeOfDay]:
    part = match.groupdict()
    if part["noon"] or part["midnight"]:
        yield TimeOfDay(_HALF_DAY if part["noon"] else 0)
        return
    half = part["half2"] or part["half1"] or part["half3"]
    half = half or next((f"{part[name]}m" for name in ("m2", "m3") if part[name]), None)
    minutes = int(part["min1"] or part["min2"] or (30 if part["past"] else 0))
    if first := part["from1"] or part["from3"]:
        before = part["half1"] if part["from1"] and part["half2"] else half
        yield from _time(first, 0, before)
    hour = part["h1"] or part["h2"] or part["h3"] or str(_HOURS[part["word"]])
    yield from _time(hour, minutes, half)


def _time(hour_text: str, minutes: int, half: str | None) -> Iterator[TimeOfDay]:
    hour = int(hour_text)
    if hour > 24 or (hour == 24 and minutes):
        return
    if half is None:
        is_either = 1 <= hour <= 12 and not hour_text.startswith("0")
        yield TimeOfDay(60 * hour + minutes, is_either)
        return
    is_night = half == "밤" and (hour == 12 or hour < 6)
    if hour <= 12:
        is_later = half.casefold() in _AFTERNOON and not is_night
        hour = hour % 12 + (12 if is_later else 0)
    yield TimeOfDay(60 * hour + minutes)
