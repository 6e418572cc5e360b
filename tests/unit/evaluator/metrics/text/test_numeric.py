"""`numeric_match` besides the values of the Korean checklist."""

import json
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run
from pydantic import ValidationError

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import DatasetError
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.text.numeric import NumericMatch


@pytest.mark.parametrize(
    ("params", "expected", "answer", "value", "code"),
    [
        ({}, "3만원", "배송비는 30,000원입니다", 1, None),
        ({}, "3만원", "배송비는 30,000 정도", 1, None),
        ({}, "3만원", "3만 명", 0, None),
        ({}, "3만원", "무료입니다", 0, "no_number"),
        ({}, "3만원", "", 0, "no_number"),
        ({"pick": "first"}, "3000원", "3만원 이상이면 무료, 아니면 3,000원", 0, None),
        ({"pick": "first"}, "3만원", "3만원 이상이면 무료, 아니면 3,000원", 1, None),
        ({"pick": "last"}, "3만원", "3만원 이상이면 무료, 아니면 3,000원", 0, None),
        ({"pick": "only"}, "3만원", "3만원, 즉 30,000원입니다", 1, None),
        ({"pick": "only"}, "3만원", "3만원, 즉 30,000입니다", 1, None),
        ({"pick": "only"}, "3만원", "3만원 또는 5만원", 0, "ambiguous"),
        ({"pick": "only"}, "3일", "3일이고 3개입니다", 0, "ambiguous"),
        ({"abs_tol": 0.5}, "37도", "37.5도", 1, None),
        ({"abs_tol": 0.4}, "37도", "37.5도", 0, None),
        ({"rel_tol": 0}, "9007199254740993", "9007199254740992", 0, None),
        ({"rel_tol": 0}, "0.3", "0.30", 1, None),
        ({}, "1e-05", "0.00001", 1, None),
        ({}, "정답은 3일 또는 5일", "5일", 0, None),
    ],
)
def test_numeric_match__picks_and_tolerances(
    params: dict[str, Any], expected: str, answer: str, value: int, code: str | None
) -> None:
    score = NumericMatch(params=params).score(a_sample(expected=expected), a_run(answer))
    assert (score.value, score.code) == (value, code)
    assert (score.reason is None) == (value == 1)


OTHERS = [
    ("1200엔", "1200원"),
    ("5유로", "5원"),
    ("5 유로", "5 원"),
    ("10 GB", "10 MB"),
    ("10GB", "10MB"),
    ("100ml", "100g"),
    ("5평", "5명"),
    ("10인분", "10분"),
    ("3분기", "3분"),
    ("5분의 1", "5분"),
    ("7그루", "7자루"),
    ("7그루입니다", "7자루로 나눕니다"),
    ("7zz", "7yy"),
    ("5%", "5%p"),
    ("5퍼센트", "5퍼센트포인트"),
    ("2배", "2배럴"),
    ("£5", "5원"),
    ("¥1,200", "₩1,200"),
    ("5cm", "5인치"),
    ("5kg", "5파운드"),
    ("3 days", "3 hours"),
    ("1", "1 million users"),
    ("1", "1-billion-dollar fund"),
    ("2", "2 hundred thousand"),
    ("2", "$2.0m"),
    ("1", "1M users"),
    ("5", "5K"),
    ("7", "7B"),
    ("10억 원", "1,000,000,001원"),
]


@pytest.mark.parametrize(("one", "other"), [*OTHERS, *((b, a) for a, b in OTHERS)])
def test_numeric_match__another_number(one: str, other: str) -> None:
    assert NumericMatch().score(a_sample(expected=one), a_run(other)).value == 0


ALIKE = [
    ("1200엔", "1,200 JPY입니다"),
    ("1200엔", "¥1200"),
    ("5유로", "€5"),
    ("5유로입니다", "5 유로"),
    ("5", "5유로"),
    ("10 GB", "10기가바이트"),
    ("100ml", "100밀리리터"),
    ("5평", "5 평입니다"),
    ("5", "5평"),
    ("10인분", "10인분이고요"),
    ("5분", "5분의 휴식"),
    ("7그루", "7그루고"),
    ("7그루입니다", "7그루는"),
    ("7자루로", "7자루입니다"),
    ("7자루", "7"),
    ("5명", "5인"),
    ("5", "5인데요"),
    ("5%", "5라고 합니다"),
    ("5%", "5라면 됩니다"),
    ("5%p", "5퍼센트 포인트 올랐습니다"),
    ("5%p", "5%포인트"),
    ("5%", "5 %라고 합니다"),
    ("3영업일", "영업일 기준 3일"),
    ("3일", "3 business days"),
    ("3일", "3 days"),
    ("35세", "35 years old"),
    ("5파운드", "£5"),
    ("5파운드", "5 lb"),
    ("5킬로", "5kg"),
    ("84㎡", "84m²"),
    ("25℃", "25도"),
    ("3번", "3rd"),
    ("1000000", "1 million users"),
    ("100만 명", "1 million people"),
    ("200000", "2 hundred thousand"),
    ("2,500,000달러", "$2.5m"),
    ("3000000000", "₩3bn"),
    ("2.5M", "2.5 million"),
    ("2.5M", "2.5M 명"),
    ("50m", "50M"),
    ("1500", "1.5k"),
    ("7B", "7,000,000,000"),
    ("10억 원", "1,000,000,000원"),
    ("0.1", "0.10"),
]


def test_numeric_match__the_same_number() -> None:
    both = [*ALIKE, *((b, a) for a, b in ALIKE)]
    metric = NumericMatch()
    values = {pair: metric.score(a_sample(expected=pair[0]), a_run(pair[1])).value for pair in both}
    assert values == dict.fromkeys(both, 1)


SAID = """
3일 | 배송은 3일 걸립니다. 문의 1588-1234 | last | 1
3일 | 배송은 3일 걸립니다. 고객센터 1544-0000 | only | 1
3일 | 3일 걸립니다. 문의는 1588-1234번으로 | only | 1
3일 | 3일 걸립니다. 상담 1588 1234 | only | 1
3일 | 3일 걸립니다. 02-123-4567 | only | 1
3일 | 3일 걸립니다. 02)123-4567 | only | 1
3일 | 3일 걸립니다. 010 1234 5678 | only | 1
3일 | 3일 걸립니다. 01012345678 | only | 1
3일 | 3일 걸립니다. +82-10-1234-5678 | only | 1
3일 | 3일 걸립니다. 계좌 110-123-456789 | only | 1
3일 | 3일 걸립니다 (1588-1234) | only | 1
$5 | EUR 5 | any | 0
$5 | USD 5.00 | any | 1
30,000원 | KRW 30,000 | any | 1
2.5M달러 | USD 2.5m | any | 1
3 days | 3 days. Call 1-800-555-0199. | only | 1
3 days | 3 days. Call (800) 555-0199. | only | 1
3 days | 3 days. Call 555-0199. | only | 1
3 days | 3 days. Reach us at +1 800 555 0199. | only | 1
1588 | 문의는 1588-1234 | any | 0
1500원 | 1500-2000원입니다 | any | 1
1600kcal | 1600-1800kcal입니다 | any | 1
200건 | 하루 문의 200-1500건 | any | 1
1592년 | 임진왜란(1592-1598년) | any | 1
10000000 | +10000000원 | any | 1
3개월 | 석 달입니다 | any | 1
4개월 | 넉 달입니다 | any | 1
4개월 | 석 달입니다 | any | 0
3장 | 석 장 | any | 1
2배 | 두 배로 늘었습니다 | any | 1
2배 | 네 배입니다 | any | 0
3명 | 세 분이 오셨습니다 | any | 1
3분 | 세 분이 오셨습니다 | any | 0
3건 | 세 건입니다 | any | 1
3곳 | 세 군데입니다 | any | 1
3벌 | 세 벌뿐이에요 | any | 1
3벌 | 세 켤레입니다 | any | 0
2개 | 두 개뿐입니다 | any | 1
2개 | 세 개뿐입니다 | any | 0
3명 | 세 명이서 | any | 1
2일 | 이틀 정도 걸립니다 | any | 1
3일 | 이틀이면 됩니다 | any | 0
15일 | 보름달이 뜹니다 | any | 0
2회 | 하루 2회 | only | 1
4명 | 네 분야입니다 | any | 0
4건 | 네 건강하세요 | any | 0
4주 | 네 주문하세요 | any | 0
4주 | 네 주소를 알려 주세요 | any | 0
3배 | 세배를 드립니다 | any | 0
-5도 | 마이너스 5도입니다 | only | 1
5도 | 마이너스 5도입니다 | any | 0
-10 | 마이너스 십도 | any | 1
100000 | 마이너스 통장 10만원 | any | 1
-5 | minus 5 degrees | any | 1
5 | 10 minus 5 is 5 | last | 1
0.5 | .5 points | any | 1
3 days | It takes three business days. | any | 1
25 | twenty-five people | any | 1
250,000 | two hundred and fifty thousand | any | 1
2,500,000 | two million five hundred thousand | any | 1
1 day | one day | any | 1
1 | One of our agents will call | any | 0
1 | No one | any | 0
2 | two-factor authentication | any | 0
2 | two thirds | any | 0
20 | the twenty-first century | any | 0
60 | sixteen | any | 0
5 | five, six or seven | only | 0
"""


def test_numeric_match__of_what_people_write() -> None:
    rows = [row.split(" | ") for row in SAID.strip().splitlines()]
    found = [
        (
            *row[:3],
            f"{NumericMatch(params={'pick': row[2]}).score(a_sample(expected=row[0]), a_run(row[1])).value:g}",
        )
        for row in rows
    ]
    assert [list(row) for row in found] == rows


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("2.5M, 즉 2,500,000", 1),
        ("2.5M, 그리고 2.5", 0),
        ("7그루, 7그루입니다", 1),
        ("7그루, 7자루", 0),
    ],
)
def test_numeric_match__only__one_number_in_other_words(answer: str, value: int) -> None:
    metric = NumericMatch(params={"pick": "only"})
    sample = a_sample(expected=answer.partition(",")[0])
    assert metric.score(sample, a_run(answer)).value == value


def test_numeric_match__a_unit_that_is_not_known_is_told_without_its_ending() -> None:
    score = NumericMatch().score(a_sample(expected="7그루"), a_run("7자루입니다"))
    assert score.details == {"found": ["7 자루"], "wanted": ["7 그루"]}


def test_numeric_match__any_reference_will_do() -> None:
    sample = a_sample(expected="사흘", references=("3일", "72시간"))
    assert NumericMatch().score(sample, a_run("72시간 안에")).value == 1
    assert NumericMatch().check_sample(sample) == []


def test_numeric_match__says_what_it_found() -> None:
    metric = NumericMatch(env=MetricEnv(language=Language.KO))
    score = metric.score(a_sample(expected="3만원"), a_run("5만원, 일곱 개"))
    assert score.reason == "기대한 값은 30,000 KRW, 답변의 값은 50,000 KRW, 7 개입니다"
    assert score.details == {"found": ["50,000 KRW", "7 개"], "wanted": ["30,000 KRW"]}


def test_numeric_match__a_number_by_hand_is_a_reference(tmp_path: Any) -> None:
    write_dataset(tmp_path, [{"id": "a", "input": "얼마?", "expected": 35000}])
    (sample,) = load_dataset(tmp_path / "test.jsonl")
    assert NumericMatch().score(sample, a_run("삼만오천 원")).value == 1


def test_numeric_match__reference_without_a_number_is_named_before_anything_is_scored(
    tmp_path: Any,
) -> None:
    rows = [
        {"id": "price-3", "input": "배송비는?", "expected": "무료", "tags": ["price"]},
        {"id": "price-4", "input": "배송비는?", "expected": "3000원", "tags": ["price"]},
        {"id": "hello", "input": "안녕?", "expected": "안녕하세요"},
        {"id": "none", "input": "안녕?"},
    ]
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda *_: a_run("3000원"))
    metric = {"name": "numeric_match", "only": {"tags": ["price"]}}
    with pytest.raises(DatasetError) as caught:
        report_of(a_config(tmp_path, [metric]), run)
    assert [problem.what for problem in caught.value.problems] == [
        'numeric_match: sample price-3 has no number in expected "무료"'
    ]
    assert "exact_match" in (caught.value.problems[0].hint or "")


def test_numeric_match__report_tells_how_often_there_was_no_number(tmp_path: Any) -> None:
    dataset = write_dataset(tmp_path, [{"id": "a", "input": "얼마?", "expected": "3000원"}])
    run = write_run(tmp_path, dataset, lambda *_: a_run("무료"))
    report = report_of(a_config(tmp_path, ["numeric_match"]), run)
    assert report.metrics["numeric_match"].scored_by == {"no_number": 1}


@pytest.mark.parametrize("params", [{"abs_tol": -1}, {"rel_tol": float("inf")}, {"pick": "best"}])
def test_numeric_match__refuses_params(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NumericMatch(params=params)
    assert json.dumps(NumericMatch().definition())
