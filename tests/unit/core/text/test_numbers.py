"""Numbers in texts."""

import time
import unicodedata
from decimal import Decimal

import pytest

from lm_eval_so.core.text.numbers import Number, find_numbers


def shown(text: str) -> list[str]:
    return [str(number) for number in find_numbers(text)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3만원입니다", ["30,000 KRW"]),
        ("35,000원", ["35,000 KRW"]),
        ("1억 2,000만 원", ["120,000,000 KRW"]),
        ("1억2천5백만3천원", ["125,003,000 KRW"]),
        ("1백20만 원", ["1,200,000 KRW"]),
        ("3.5만 명", ["35,000 명"]),
        ("3만 5000원", ["35,000 KRW"]),
        ("3천 500원", ["3,500 KRW"]),
        ("3만 5만원", ["30,000", "50,000 KRW"]),
        ("2천 3000원", ["2,000", "3,000 KRW"]),
        ("1억 20000만", ["100,000,000", "200,000,000"]),
        ("3만 2024-03-05", ["30,000"]),
        ("3만 10:30", ["30,000"]),
        ("3천여 명", ["3,000 명"]),
        ("10만포인트", ["100,000 포인트"]),
        ("3 만원, 5 천원", ["30,000 KRW", "5,000 KRW"]),
        ("₩35,000 $12.50 -$3 5$", ["35,000 KRW", "12.5 USD", "-3 USD", "5 USD"]),
        ("₩ 1만원", ["10,000 KRW"]),
        ("35000 won, 5 USD", ["35,000 KRW", "5 USD"]),
        ("１２３원", ["123 KRW"]),
        ("1,234,567 1,00 3,4,5번", ["1,234,567", "1", "0", "3", "4", "5 번"]),
        ("3.14 0.5 5.", ["3.14", "0.5", "5"]),
        ("1e-05, 1.5e+16, 2e5a", ["0.00001", "15,000,000,000,000,000", "2"]),
        ("영하 5도, 영하5도, 영하 십오도", ["-5 도", "-5 도", "-15 도"]),
        ("체감영하 5도", ["-5 도"]),
        ("-5 a-5 (3)-5 3-5일 –7", ["-5", "5", "3", "5", "3", "5 일", "-7"]),
        ("COVID-19 vaccines take 3 doses, COVID–19는 2019년에", ["3", "2,019 년"]),
        ("ISO-9001-2015, GPT-4.1, F-16 20대, KF-94 마스크 20장", ["20 대", "20 장"]),
        ("top-10 under-18 Windows-11", ["10", "18", "11"]),  # may be what was asked for
        ("A-5원 A-5만 TOTAL-35,000, USD-500", ["5 KRW", "50,000", "35,000", "500"]),
        ("기온 -5, 10-20%, 3-1, 2024-05-01, QT-2024-05-01", ["-5", "10", "20 %", "3", "1"]),
        ("30% 30 퍼센트 30프로 5프로젝트", ["30 %", "30 %", "30 %", "5 프로젝트"]),
        ("3살 3세 5명 5사람 2개 2가지 3달 3개월", ["3 세", "3 세", "5 명", "5 명", "2 개", "2 개", "3 개월", "3 개월"]),
        ("1시간 30분", ["1 시간", "30 분"]),
        ("5km 5 kg 5gb 5m 5zz 5 zz", ["5 km", "5 kg", "5 gb", "5 m", "5 zz", "5"]),
        ("3일배송", ["3 일"]),
        ("5 개인 2 배송 1 주문 3 일반 3 개가", ["5", "2", "1", "3", "3 개"]),
        ("2 시간표", ["2"]),
        ("€5 £5 ¥5 5€", ["5 EUR", "5 GBP", "5 ¥", "5 EUR"]),
        ("1 million, 2-billion, 3 bn, 5 hundred thousand, 1 millionaire", ["1,000,000", "2,000,000,000", "3,000,000,000", "500,000", "1"]),
        ("2.5M 2.5m 1.5k 7B 7b $2.5m ₩3bn $1.5K", ["2.5 M", "2.5 m", "1.5 K", "7 B", "7 b", "2,500,000 USD", "3,000,000,000 KRW", "1,500 USD"]),
        ("5만 million, 3만원 2 million won", ["50,000", "30,000 KRW", "2,000,000 KRW"]),
        ("straße 2M", ["2 m"]),
        ("1st 2nd 3rd 4th", ["1", "2", "3", "4"]),
        ("5km/h 10 mph 3x4", ["5 km/h", "10 mph", "3"]),
        ("10인분 5인 5인데 5인치", ["10 인분", "5 명", "5", "5 in"]),
        ("3또는 4, 5및 6, 7라면", ["3", "4", "5", "6", "7"]),
    ],
)  # fmt: skip
def test_find_numbers__figures(text: str, numbers: list[str]) -> None:
    assert shown(text) == numbers
    assert shown(unicodedata.normalize("NFD", text)) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("삼만오천원이에요", ["35,000 KRW"]),
        ("삼만 오천 원", ["35,000 KRW"]),
        ("십이억 삼천사백오십육만 칠천팔백구십팔 원", ["1,234,567,898 KRW"]),
        ("만 원만 주세요", ["10,000 KRW"]),
        ("천원, 백 명, 억 원", ["1,000 KRW", "100 명", "100,000,000 KRW"]),
        ("만 사람 오만 사람 십사 사람", ["10,000 명", "50,000 명", "14 명"]),
        ("삼일이 걸려요, 오분, 칠층", ["3 일", "5 분", "7 층"]),
        ("삼십일이 지나, 오일만에, 십만 일", ["30 일", "5 일", "100,000 일"]),
        ("일 원, 오 분", []),
        ("십일월 오월", ["11 월", "5 월"]),
        ("삼십일 걸립니다", ["30 일"]),
        ("이십일일", ["21 일"]),
        ("이공이사년", ["2,024 년"]),
        ("삼만오천이다, 삼만오천이 필요, 삼만오천만", ["35,000"] * 3),
        ("백이십이입니다", ["122"]),
        ("이천 이만", []),
        ("삼만원짜리 삼만원대 삼만원부터는 삼만원이고 삼만원쯤", ["30,000 KRW"] * 5),
        ("삼만원정책", []),
        ("오만 가지", ["50,000 개"]),
        ("이삼 일, 삼사 명, 오륙 개", []),
        ("십십 원 백천 원 만만 원 일이만 원", []),
        ("영하 오도 오도", ["-5 도"]),
        ("수만 원 몇백 명 약삼만원", []),
        ("만 세 살, 만 19세", ["3 세", "19 세"]),
        ("삼만원 이상", ["30,000 KRW"]),
    ],
)
def test_find_numbers__sino_korean_words(text: str, numbers: list[str]) -> None:
    assert shown(text) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("열두 시에 만나요", ["12 시"]),
        ("스물두 명, 스무 살, 열아홉 살, 아흔아홉 개", ["22 명", "20 세", "19 세", "99 개"]),
        ("열 두 시", ["12 시"]),
        ("한 개 두 개 세 개 네 개", ["1 개", "2 개", "3 개", "4 개"]),
        ("하나 둘 셋", []),
        ("한 달, 두달, 세 가지입니다", ["1 개월", "2 개월", "3 개"]),
        ("두 번째, 한두 개, 가능한 명단, 세 명단", []),
        ("세 시간표", []),
    ],
)
def test_find_numbers__native_words(text: str, numbers: list[str]) -> None:
    assert shown(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "만약 구조가 천만에요",
        "만일 주문 조회가 안 되면 사회 공개 공원 사원 구분 영원",
        "일일이 천천히 이만 줄입니다 일석이조 백만장자 삼일절 이사회",
        "한번 해 보세요 열대 세대 이천시",
        "010-1234-5678 02-123-4567",
        "2026-03-02 10:30 10:30:15 2026.3.2 192.168.0.1 v1.2.3",
        "GPT4 GPT4.1 x86_64 mp3 GPT-4 B-52 A-1, B-2",
        "9" * 41,
        "",
    ],
)
def test_find_numbers__what_only_looks_like_one(text: str) -> None:
    assert shown(text) == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3만큼 크다", ["3"]),
        ("3조각, 3조건", ["3 조각", "3 조건"]),
        ("제3조 2항, 제 3조", ["3 조", "2 항", "3 조"]),
        ("3백화점", ["3 백화점"]),
        ("3조원", ["3,000,000,000,000 KRW"]),
    ],
)
def test_find_numbers__letters_that_are_no_places(text: str, numbers: list[str]) -> None:
    assert shown(text) == numbers


def test_find_numbers__is_exact_up_to_40_figures() -> None:
    figures = "1234567890" * 4
    assert find_numbers(f"-{figures}") == [Number(Decimal(f"-{figures}"))]
    assert find_numbers(f"{figures}만") == [Number(Decimal(f"{figures}0000"))]


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "일",
        "1,",
        "1.",
        "일 ",
        "만 이천",
        "1만 ",
        "영하 ",
        "1-",
        "열 ",
        "$ ",
        "제3조",
        "만 이만 일만 ",
        "1가",
        "1가나다",
        "1k",
        "1 million ",
        "문의 1588-1234 ",
        "one hundred and ",
        "+1 (",
        "1zz",
        "1ß",
        "A-1",
        "A-1-",
    ],
)
def test_find_numbers__time_grows_with_the_length_alone(text: str) -> None:
    def seconds(n: int) -> float:
        hostile = text * (n // len(text))
        started = time.process_time()
        find_numbers(hostile)
        return time.process_time() - started

    seconds(1000)
    # the quickest of several: on a busy machine one alone may take many times as long
    short, long = (min(seconds(n) for _ in range(4)) for n in (4_000, 40_000))
    assert long < 60 * max(short, 0.005)
