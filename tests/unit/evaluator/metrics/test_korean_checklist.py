"""What Korean answers are worth: one row a case, from the answer to the value."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.metrics.base import metrics

SEOUL_NFD = unicodedata.normalize("NFD", "서울")

ROWS = [
    # name, metric, params, references, answer, value
    ("NFC", "exact_match", {}, ["서울"], SEOUL_NFD, 1),
    ("NFC off", "exact_match", {"profile": "raw"}, ["서울"], SEOUL_NFD, 0),
    ("full width", "exact_match", {}, ["VISA 3000원"], "ＶＩＳＡ　３０００원", 1),
    ("BOM, zero width", "exact_match", {}, ["환불"], "\ufeff환\u200b불", 1),
    ("quotes, dots", "exact_match", {}, ['"3~5일"...'], "“3～5일”…", 1),
    ("jamo kept", "exact_match", {}, ["ㅋㅋ"], "\u110f\u110f", 1),
    ("full stop", "exact_match", {}, ["서울"], "서울.", 0),
    ("full stop, loose", "exact_match", {"profile": "loose"}, ["서울"], "서울.", 1),
    ("spacing", "exact_match", {"profile": "loose"}, ["할 수 있습니다"], "할수있습니다.", 1),
    ("thousands", "exact_match", {"profile": "loose"}, ["1,000원"], "1000원", 1),
    ("copula", "exact_match", {"profile": "answer"}, ["서울"], "서울입니다.", 1),
    ("copula, open", "exact_match", {"profile": "answer"}, ["제주도"], "제주도예요!", 1),
    ("josa", "exact_match", {"profile": "answer"}, ["고양이"], "고양이가", 1),
    ("inner josa", "exact_match", {"profile": "answer"}, ["대한민국의 수도"], "대한민국 수도", 1),
    ("hanja", "exact_match", {"profile": "answer"}, ["대한민국"], "대한민국(大韓民國)입니다.", 1),
    ("not over-stripped", "exact_match", {"profile": "answer"}, ["책"], "책임", 0),
    ("longer name", "exact_match", {"profile": "answer"}, ["이순신"], "이순신 장군", 0),
    ("references", "exact_match", {}, ["3일", "사흘"], "사흘", 1),
    ("compatibility ideograph", "exact_match", {}, ["\u8c48"], "\uf900", 1),
    ("nothing but marks", "exact_match", {"profile": "loose"}, ["?"], "", 0),
    (
        "josa in substring",
        "keyword_coverage",
        {"keywords": ["3일", "영업일"]},
        [],
        "영업 일 기준 3 일입니다",
        1,
    ),
    ("digit guard", "keyword_coverage", {"keywords": ["3일"]}, [], "13일 걸립니다", 0),
    (
        "weights",
        "keyword_coverage",
        {"keywords": [{"text": "3일", "weight": 2}, "무료"]},
        [],
        "3일 걸립니다",
        2 / 3,
    ),
    (
        "forbidden",
        "keyword_coverage",
        {"keywords": ["3일"], "forbidden": ["불가"]},
        [],
        "3일이지만 환불 불가",
        0,
    ),
    ("forbidden alone", "keyword_coverage", {"forbidden": ["불가"]}, [], "가능합니다", 1),
    (
        "synonyms",
        "keyword_coverage",
        {"keywords": [{"any_of": ["무료", "공짜"]}]},
        [],
        "공짜예요",
        1,
    ),
    ("ASCII guard", "keyword_coverage", {"keywords": ["AI"]}, [], "I said so", 0),
    ("all", "keyword_coverage", {"keywords": ["3일", "무료"], "mode": "all"}, [], "3일", 0),
    ("any", "keyword_coverage", {"keywords": ["3일", "무료"], "mode": "any"}, [], "3일", 1),
    ("word, josa", "contains", {"boundary": "word"}, ["사과"], "사과는 과일", 1),
    ("word, one syllable", "contains", {"boundary": "word"}, ["성"], "성은 김입니다", 1),
    ("word, compound", "contains", {"boundary": "word"}, ["사과"], "사과나무", 0),
    ("contains all", "contains", {"mode": "all"}, ["3일", "사흘"], "3일", 0),
    ("contains any", "contains", {}, ["3일", "사흘"], "사흘입니다", 1),
    ("F1, josa kept", "token_f1", {}, ["서울 강남구"], "서울의 강남구", 0.5),
    ("F1, josa stripped", "token_f1", {"josa": "strip"}, ["서울 강남구"], "서울의 강남구", 1),
    ("F1, marks", "token_f1", {}, ["《훈민정음》"], "훈민정음", 1),
    ("F1, best", "token_f1", {}, ["부산", "서울 강남구"], "서울", 2 / 3),
    ("F1, empty", "token_f1", {}, ["서울"], "", 0),
    ("regex", "regex", {"pattern": r"\d+일"}, [], "3일", 1),
    ("regex, NFD", "regex", {"pattern": "서울"}, [], SEOUL_NFD, 1),
    ("regex, fullmatch", "regex", {"pattern": "서울", "mode": "fullmatch"}, [], "서울.", 0),
    ("regex, negate", "regex", {"pattern": "불가", "negate": True}, [], "가능", 1),
    ("regex, flags", "regex", {"pattern": "visa", "flags": "i"}, [], "VISA", 1),
    ("regex, script", "regex", {"pattern": r"\p{Hangul}"}, [], "abc", 0),
    ("regex, profile", "regex", {"pattern": "VISA", "profile": "basic"}, [], "ＶＩＳＡ", 1),
]


@pytest.mark.parametrize(
    ("name", "params", "references", "answer", "value"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_metric__gives_korean_answers_their_value(
    name: str, params: Mapping[str, Any], references: list[str], answer: str, value: float
) -> None:
    metric = metrics.resolve(name)(params=params)
    score = metric.score(a_sample(references), a_run(answer))
    assert score.value == pytest.approx(value, abs=1e-12)


def a_sample(references: list[str]) -> TestSample:
    return TestSample(
        id="k",
        messages=(Message(role="user", content="질문"),),
        expected=references[0] if references else None,
        references=tuple(references[1:]),
    )


def a_run(answer: str) -> RunResult:
    return RunResult(
        sample_id="k",
        sample_hash="0" * 64,
        status=RunStatus.OK,
        response=Response(text=answer),
    )
