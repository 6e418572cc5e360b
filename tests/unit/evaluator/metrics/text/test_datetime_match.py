"""Dates and times of day, and the metric that compares them."""

import time

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.text.dates import GAP, find_moments
from lm_eval_so.evaluator.metrics.text.datetime_match import DatetimeMatch

DATES = """
2026-03-02 = 2026-03-02
2026. 3. 2. = 2026-03-02
2026/3/2 = 2026-03-02
2026년 3월 2일 = 2026-03-02
26년 3월 2일 = 2026-03-02
March 2, 2026 = 2026-03-02
2 March 2026 = 2026-03-02
Mar. 2nd = 03-02
2nd of March = 03-02
3월 2일 = 03-02
3/2(월) = 03-02
3월 2~5일 = 03-02, 03-05
3월 30일~4월 2일 = 03-30, 04-02
March 2-5, 2026 = 2026-03-02, 2026-03-05
03/02/2026 = 2026-03-02 or 2026-02-03
13/02/2026 = 2026-02-13
2026년 3월 = 2026-03
March 2026 = 2026-03
2026-03-02T18:00:00Z = 2026-03-02
2월 29일 = 02-29
2025년 2월 29일 =
2월 30일 =
13월 2일 =
월요일, Monday, 내일, tomorrow =
2026년, 3월, 3개월 2일 =
3월 2일간 =
may 2 people, marched 2 =
3.5 1.2.3 010-1234-5678 1588-1234 =
"""
TIMES = """
18시 = 18:00
오후 6시 = 18:00
오후 6:30 = 18:30
6 pm = 18:00
6:00 P.M. = 18:00
18:00:15 = 18:00
6시 = 6:00
06:30 = 06:30
여섯 시 반 = 6:30
오후 열두 시 = 12:00
밤 12시, 자정, midnight, 12 am = 00:00, 00:00, 00:00, 00:00
정오, noon, 12 pm, 낮 12시 = 12:00, 12:00, 12:00, 12:00
밤 11시, 새벽 2시, 저녁 7시 = 23:00, 02:00, 19:00
오전 9시~오후 6시 = 09:00, 18:00
오후 2~4시 = 14:00, 16:00
10-18시 = 10:00, 18:00
9am-6pm, 2-4 pm = 09:00, 18:00, 14:00, 16:00
10시부터 19시까지 = 10:00, 19:00
17시경, 6시쯤, 5시정각 = 17:00, 6:00, 5:00
3시간, 24시간, 3시즌, 두 시장, 한 시점 =
1시간 30분, 3:2, 16:9, 25:00, 10분 =
"""
SAID = """
2026-03-02 | 2026년 3월 2일입니다 | 1
2026년 3월 2일 | March 2, 2026 | 1
March 2, 2026 | 3월 2일까지입니다 | 1
3월 2일 | 2026-03-02 | 1
2026-03-02 | 2025년 3월 2일 | 0
2026-03-02 | 2026년 3월 3일 | 0
2026-03-02 | 2026년 2월 3일 | 0
2026-03-02 | 2026년 3월입니다 | 0
2026년 3월 | 3월 2일 | 0
2026년 3월 | 2026년 3월 2일 | 1
2026-03-02 | 월요일입니다 | 0
18시 | 오후 6시까지 | 1
18:00 | 6 pm | 1
오후 6시 | 6시에 닫습니다 | 1
오후 6시 | 오전 6시 | 0
18시 | 06:00 | 0
18시 | 18시간 | 0
18시 | 18:30 | 0
자정 | 24시 | 1
9시~18시 | 오전 9시부터 오후 6시까지 | 1
9시~18시 | 오전 9시부터 오후 8시까지 | 0
9시~18시 | 9시에 엽니다 | 0
2026-03-02 18:00 | 3월 2일 오후 6시 | 1
2026-03-02 18:00 | 3월 2일 오후 7시 | 0
2026-03-02 | 3월 2일이나 3월 3일 | 1
"""


def rows_of(text: str, by: str) -> list[list[str]]:
    return [[part.strip() for part in line.split(by)] for line in text.strip().splitlines()]


def test_find_dates__in_any_notation() -> None:
    rows = rows_of(DATES, " =")
    found = [
        [text, ", ".join(" or ".join(map(str, date)) for date in find_moments(text).dates)]
        for text, _ in rows
    ]
    assert found == rows


def test_find_times__in_any_notation() -> None:
    rows = rows_of(TIMES, " =")
    assert [[text, ", ".join(map(str, find_moments(text).times))] for text, _ in rows] == rows


def test_find_moments__leaves_the_rest() -> None:
    text = "3월 2일(월) 18시까지, 2월 30일과 3시간은 뺀다"
    assert find_moments(text).rest == f"{GAP}(월) {GAP}까지, 2월 30일과 3시간은 뺀다"
    assert find_moments("2026-03-02T18:00, 6 pm").rest == f"{GAP}T{GAP}, {GAP}"


def test_datetime_match__of_what_people_write() -> None:
    rows = rows_of(SAID, " | ")
    metric = DatetimeMatch()
    found = [
        [one, other, f"{metric.score(a_sample(expected=one), a_run(other)).value:g}"]
        for one, other, _ in rows
    ]
    assert found == rows


def test_datetime_match__codes_problems_and_other_dates() -> None:
    metric, sample = DatetimeMatch(), a_sample(expected="3월 2일")
    assert metric.score(sample, a_run("월요일입니다")).code == "no_date"
    wrong = metric.score(sample, a_run("3월 3일 6시"))
    assert wrong.details == {"found": ["03-03", "6:00"], "wanted": ["03-02"]}
    assert wrong.reason == "wanted 03-02; found 03-03, 6:00"
    strict = DatetimeMatch(params={"extra": "forbid"})
    assert strict.score(sample, a_run("3월 2일이나 3월 3일")).value == 0
    assert strict.score(sample, a_run("3월 2일, 즉 March 2")).value == 1
    (problem,) = metric.check_sample(a_sample(expected="월요일"))
    assert 'has no date or time in expected "월요일"' in problem.what
    assert metric.check_sample(a_sample(expected=None)) == []


@pytest.mark.parametrize(
    "text", ["1", "3월 ", "March 2-", "오후 ", "1:", "2026-", "12/", "6 pm ", "오후 2~"]
)
def test_find__time_grows_with_the_length_alone(text: str) -> None:
    started = time.process_time()
    hostile = text * (50_000 // len(text))
    find_moments(hostile)
    assert time.process_time() - started < 3
