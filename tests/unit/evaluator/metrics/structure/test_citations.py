"""Citations: marks, sentences, and the passages that they name."""

import time
from typing import Any

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.records.run import Response
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.no_numbers import find_codes, joined_figures
from lm_eval_so.evaluator.metrics.structure.citation_marks import cited_sentences
from lm_eval_so.evaluator.metrics.structure.citations import Citations

REFUND = "환불 규정. 환불은 신청 후 영업일 기준 3일 안에 됩니다. 배송비는 빼고 돌려 드립니다."
DELIVERY = "Delivery: orders over 30,000 won ship free and arrive within 2 days. See https://shop.example/delivery."
IDS = ("docs/환불규정.md", "https://www.shop.example/help/delivery/")


def score_of(
    answer: str, *, texts: Any = (REFUND, DELIVERY), ids: Any = IDS, **params: Any
) -> Score:
    run = a_run(None, response=Response(text=answer, context=texts, context_ids=ids))
    return Citations(params=params).score(a_sample(), run)


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("환불은 3일입니다. [1] 무료입니다.[2]", ["환불은 3일입니다. <1>", "무료입니다. <2>"]),
        ("A[1][2]. B 【문서 2】. C [1, 3].", ["A. <1 2>", "B. <2>", "C. <1 3>"]),
        ("A (출처: 환불 규정). B (source: refunds.md; fees)", ["A. <환불 규정>", "B <refunds.md fees>"]),
        ("A (참고: [2]). B [출처: 규정]", ["A. <2>", "B <규정>"]),
        ("A https://a.example/x. B.", ["A <https://a.example/x>", "B. <>"]),
        ("See [the policy](https://a.example/x).", ["See the policy. <https://a.example/x>"]),
        ("A [1](https://a.example/x)", ["A <https://a.example/x>"]),
        ("A.\nB [2].\n\n출처: 규정, 안내", ["A. <규정 안내>", "B. <2>"]),
        ("A.\n[1]\nB.", ["A. <1>", "B. <>"]),
        ("- A [1]\n- B\n\n[1] 환불 규정\n[2]: 안내", ["A <1>", "B <>"]),
        ("`x[1]` A.\n```\nB [2].\n```", ["A. <>"]),
        ("A [2024]. [참고] B", ["A [2024]. <>", "[참고] B <>"]),
        ("[1]", []),
    ],
)  # fmt: skip
def test_cited_sentences(answer: str, sentences: list[str]) -> None:
    found, _ = cited_sentences(answer)
    assert [
        f"{text} <{' '.join(mark.text for mark in marks)}>" for text, marks in found
    ] == sentences


SUPPORTED = [
    ("환불은 영업일 기준 3일 안에 됩니다 [1].", 1),
    ("환불은 영업일 기준 5일 안에 됩니다 [1].", 0),
    ("환불은 영업일 기준 3일 안에 됩니다 [2].", 0),
    ("환불은 영업일 기준 3일 안에 됩니다 [1][2].", 1),
    ("환불은 영업일 기준 3일 안에 됩니다 [3].", 0),
    ("환불은 영업일 기준 3일 안에 됩니다 [1][3].", 0),
    ("환불은 영업일 기준 3일 안에 됩니다 (출처: 환불 규정).", 1),
    ("환불은 영업일 기준 3일 안에 됩니다 (출처: 환불규정.md).", 1),
    ("환불은 영업일 기준 3일 안에 됩니다 (출처: 교환 규정).", 0),
    ("Orders over 30,000 won ship free [2].", 1),
    ("Orders over 3만원 arrive within 2 days, free (https://shop.example/help/delivery).", 1),
    ("Orders over 30,000 won ship free: [here](https://shop.example/delivery#top)", 1),
    ("Orders over 30,000 won ship free: https://shop.example/other", 0),
    ("Orders over 50,000 won ship free [2].", 0),
    ("Returns are picked up by our driver at no charge [2].", 0),
    ("두 가지입니다. 환불은 3일 안에 됩니다 [1]. Orders ship by rail for 9,000 won [2].", 0.5),
    ("환불은 3일 안에 됩니다.\n\n출처: 환불 규정", 1),
]  # fmt: skip


EVENT = "봄 행사는 2026년 3월 2일 18:00에 끝납니다. 문의는 1588-1234, 앱 2.4.1 이상. The fair opens at 9 am on May 5."
OF_THE_EVENT = [
    ("행사는 3월 2일(월) 오후 6시까지입니다 [1].", 1),
    ("행사는 2026-03-02 18시에 끝납니다 [1].", 1),
    ("마감은 3월 2일 18시까지 [1].", 1),
    ("행사는 2026-03-03에 끝납니다 [1].", 0),
    ("행사는 3월 2일 19:00에 끝납니다 [1].", 0),
    ("행사는 2월 3일에 끝납니다 [1].", 0),
    ("행사는 2026년에 끝납니다 [1].", 1),
    ("행사는 3월에 끝납니다 [1].", 1),
    ("행사는 2025년에 끝납니다 [1].", 0),
    ("행사는 4월에 끝납니다 [1].", 0),
    ("행사 문의는 1588-1234 [1].", 1),
    ("행사 문의는 1588-1235입니다 [1].", 0),
    ("봄 행사는 앱 2.4.1 이상 [1].", 1),
    ("봄 행사는 앱 2.4.2 이상 [1].", 0),
    ("The fair opens on 5 May at 09:00 [1].", 1),
    ("The fair opens on 6 May at 09:00 [1].", 0),
]  # fmt: skip


def test_citations__dates_times_and_phone_numbers_in_any_notation() -> None:
    found = [(answer, score_of(answer, texts=(EVENT,)).value) for answer, _ in OF_THE_EVENT]
    assert found == OF_THE_EVENT


def test_find_codes__however_they_are_parted() -> None:
    text = "☎ 02)123-4567, +82 10-1234-5678, (800) 555-0199, 3,000원 10개 v1.2.3"
    codes = ["021234567", "01012345678", "8005550199", "123"]
    assert find_codes(text) == codes
    assert all(
        code in joined_figures("02-123-4567 010 1234 5678 800.555.0199 1.2.3") for code in codes
    )


def test_citations__supported_by_words_and_numbers() -> None:
    assert [(answer, score_of(answer).value) for answer, _ in SUPPORTED] == SUPPORTED


@pytest.mark.parametrize(
    ("answer", "params", "value", "vacuous"),
    [
        ("A [1]. B [2]. C [3].", {"measure": "exists"}, 2 / 3, False),
        ("A [0]. B [1].", {"measure": "exists", "first": 0}, 1, False),
        ("A [1]. B [2]. C.", {"measure": "coverage"}, 2 / 3, False),
        ("A. B.", {"measure": "coverage"}, 0, False),
        ("A. B.", {}, 1, True),
        ("A. B.", {"measure": "exists"}, 1, True),
        ("", {"measure": "coverage"}, 1, True),
        ("환불은 3일 안에 배송비 없이 처리 완료 [1]", {"min_support": 0.9}, 0, False),
    ],
)
def test_citations__measures(answer: str, params: Any, value: float, vacuous: bool) -> None:
    score = score_of(answer, **params)
    assert (score.value, score.vacuous) == (pytest.approx(value), vacuous)


def test_citations__says_what_is_wrong() -> None:
    assert score_of("환불은 3일 안에 됩니다 [7].").reason == 'no such passage: "7"'
    wrong = score_of("환불은 9일 안에 됩니다 [1]. 네.")
    assert wrong.reason == 'not in the words of the cited passage: "환불은 9일 안에 됩니다."'
    assert wrong.reason_in["ko"].startswith("인용한 문서에서 확인되지 않는 문장")
    assert score_of("네. A [1].", measure="coverage").reason == "1 sentence has no citation"
    assert wrong.details == {
        "sentences": 2,
        "cited": 1,
        "marks": 1,
        "missing": [],
        "unsupported": ["환불은 9일 안에 됩니다."],
    }
    assert score_of("A [1].", texts=()).code == "not_reported"


@pytest.mark.parametrize(
    "text",
    ["[", "[1", "[1]", "(출처: ", "A.\n[1]\n", "[a](", "https://a.b/(", "A. [1] ", "출처: a,"],
)
def test_citations__of_hostile_answers_end_soon(text: str) -> None:
    started = time.process_time()
    score_of(text * (20_000 // len(text)))
    assert time.process_time() - started < 3
