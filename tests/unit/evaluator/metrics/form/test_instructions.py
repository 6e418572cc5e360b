"""`instructions`: each check, kept and broken."""

import time
from typing import Any, get_args

import pytest
from evaluation import a_run, a_sample
from pydantic import ValidationError

from lm_eval_so.core.records.enums import Language
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.form.instruction_rules import RULES
from lm_eval_so.evaluator.metrics.form.instructions import Check, Instructions

CASES = [
    # check, an answer that keeps it, an answer that breaks it
    ({"type": "length", "unit": "words", "max": 3}, "세 어절 답변", "네 어절로 된 답변"),
    ({"type": "length", "min": 2}, "네네", "네"),
    ({"type": "sentences", "min": 2, "max": 2}, "네. 됩니다.", "네. 됩니다. 끝."),
    ({"type": "paragraphs", "min": 2}, "하나\n\n둘", "하나\n둘"),
    ({"type": "paragraphs", "min": 2, "max": 2}, "하나\n***\n둘", "하나\n---\n둘\n\n셋"),
    ({"type": "bullets", "min": 2}, "- 하나\n• 둘", "- 하나\n-둘"),
    ({"type": "bullets"}, "* 하나", "**하나**"),
    ({"type": "numbered", "min": 2, "max": 2}, "1. 하나\n② 둘", "1. 하나\n2.5 둘"),
    ({"type": "headings", "max": 1}, "# 하나", "# 하나\n## 둘"),
    ({"type": "headings"}, "###### 하나", "#하나"),
    ({"type": "highlights", "min": 2}, "*하나* **둘 셋**", "* 하나\n* 둘"),
    ({"type": "highlights"}, "이것은 *중요*합니다", "2 * 3 * 4"),
    ({"type": "title"}, "<<환불 안내>>\n본문", "<< >>\n본문"),
    ({"type": "title"}, "《환불 안내》\n본문", "환불 안내"),
    ({"type": "title"}, "# 환불 안내\n본문", "본문\n# 환불 안내"),
    ({"type": "json"}, '{"답": 1}', '답: {"답": 1}'),
    ({"type": "json"}, '```json\n{"답": 1}\n```', '```json\n{"답": }\n```'),
    ({"type": "starts_with", "text": "안녕하세요"}, " 안녕하세요, 고객님", "네, 안녕하세요"),
    ({"type": "ends_with", "text": "Thank You!"}, "네. thank  you！\n", "thank you! :)"),
    ({"type": "ends_with", "text": "감사합니다"}, "“네. 감사합니다”", "“감사합니다” 네"),
    ({"type": "ends_with", "text": '감사합니다"'}, '"감사합니다"', "감사합니다"),
    ({"type": "include", "texts": ["환불", "3 일"]}, "환불은 3일", "환불은 13일"),
    ({"type": "include", "texts": ["환불", "교환"], "mode": "any"}, "교환", "취소"),
    ({"type": "include", "texts": ["사과"], "boundary": "word"}, "사과는", "사과나무"),
    ({"type": "exclude", "texts": ["불가", "거절"]}, "가능", "불가합니다"),
    ({"type": "exclude", "texts": ["불가", "거절"], "mode": "any"}, "불가", "불가, 거절"),
    ({"type": "count_of", "text": "환불", "min": 2, "max": 2}, "환 불 환불", "환불 환불 환불"),
    ({"type": "count_of", "text": "Refund"}, "refund", "환불"),
    ({"type": "count_of", "text": "a", "max": 1}, "A", "aa"),
    ({"type": "no_comma"}, "하나 둘 1000", "1,000"),
    ({"type": "no_comma"}, "하나·둘", "하나，둘"),
    ({"type": "no_comma"}, "하나/둘", "하나、둘"),
    ({"type": "no_char", "chars": "!?"}, "네.", "네！"),
    ({"type": "placeholders", "min": 2}, "[이름]님, [주소]로", "[이름]님 [링크](a)"),
    ({"type": "postscript"}, "본문\n\nP.S. 덧붙임", "본문 P.S."),
    ({"type": "postscript"}, "본문\n추신: 덧붙임", "본문, 추신 없이"),
    ({"type": "postscript", "marker": "덧말"}, "본문\n**덧말** 끝", "P.S. 끝"),
    ({"type": "quoted"}, "“네, 됩니다.”", '"네", 됩니다.'),
    ({"type": "nth_paragraph_starts", "n": 2, "text": "둘째"}, "첫\n\n- 둘째는", "둘째\n\n첫"),
    ({"type": "nth_paragraph_starts", "n": 3, "text": "셋"}, "하나\n\n둘\n\n셋", "하나\n\n셋"),
    ({"type": "repeat_prompt"}, "환불은 며칠 걸리나요?\n3일입니다.", "환불은 며칠 걸리나요?"),
    ({"type": "repeat_prompt", "text": "요청"}, "요청: 네", "네"),
    ({"type": "two_answers"}, "하나\n******\n둘", "하나\n******\n하나"),
    ({"type": "two_answers", "separator": "###"}, "하나###둘", "하나###둘###셋"),
    ({"type": "language", "language": "ko"}, "네, API입니다 ", "Yes, 네"),
    ({"type": "honorific"}, "네, 됩니다. 배송 안내", "됩니다. 도착해."),
    ({"type": "honorific", "level": "casual", "min_share": 0.5}, "됩니다. 도착해.", "됩니다."),
    ({"type": "no_hanja"}, "대한민국", "대한민국(大韓民國)"),
    ({"type": "no_emoji"}, "ㅋㅋ ★ →", "네 😊"),
    ({"type": "hangul_only"}, "삼일 3~5, ㅋㅋ!", "3일 OK"),
]


@pytest.mark.parametrize(
    ("check", "kept", "broken"),
    CASES,
    ids=[f"{number} {check['type']}" for number, (check, *_) in enumerate(CASES)],
)
def test_instructions__each_check(check: dict[str, Any], kept: str, broken: str) -> None:
    metric = Instructions(params={"checks": [check]})
    assert metric.score(a_sample(), a_run(kept)).value == 1
    score = metric.score(a_sample(), a_run(broken))
    assert (score.value, score.details["broken"]) == (0, [check["type"]])


def test_instructions__every_type_has_a_rule_and_a_case() -> None:
    union = get_args(get_args(Check)[0])
    types = [name for model in union for name in get_args(model.model_fields["type"].annotation)]
    assert len(types) == 27
    assert sorted(types) == sorted(RULES) == sorted({str(check["type"]) for check, *_ in CASES})


MIXED = [{"type": "no_comma"}, {"type": "sentences", "max": 1}, {"type": "bullets", "min": 3}]


@pytest.mark.parametrize(("mode", "value"), [("share", 2 / 3), ("all", 0)])
def test_instructions__share_or_all(mode: str, value: float) -> None:
    env = MetricEnv(language=Language.KO)
    score = Instructions(params={"checks": MIXED, "mode": mode}, env=env).score(
        a_sample(), a_run("됩니다.")
    )
    assert score.value == pytest.approx(value)
    assert score.reason == "지키지 않은 지시: bullets (min: 3)"
    assert score.details == {"kept": 2, "broken": ["bullets"]}


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ({"type": "starts_with", "text": "네"}, "답변입니다:\n네, 됩니다."),
        ({"type": "ends_with", "text": "됩니다."}, "네, 됩니다.\n더 궁금하신가요?"),
        ({"type": "json"}, 'JSON입니다:\n{"a": 1}\n끝'),
        ({"type": "starts_with", "text": "네"}, "**네**, 됩니다."),
    ],
)
def test_instructions__loose_looks_past_greetings_and_stars(
    check: dict[str, Any], answer: str
) -> None:
    for loose in (False, True):
        metric = Instructions(params={"checks": [check], "loose": loose})
        assert metric.score(a_sample(), a_run(answer)).value == loose


def test_instructions__an_empty_answer_keeps_none() -> None:
    for loose in (False, True):
        metric = Instructions(params={"checks": [{"type": "no_comma"}], "loose": loose})
        assert metric.score(a_sample(), a_run(" \n")).value == 0


@pytest.mark.parametrize(
    "check",
    [
        {"type": "bulets"},
        {"min": 1},
        {"type": "bullets", "least": 1},
        {"type": "bullets", "min": 3, "max": 2},
        {"type": "starts_with"},
        {"type": "include", "texts": []},
        {"type": "language", "language": "fr"},
        {"type": "nth_paragraph_starts", "n": 0, "text": "a"},
    ],
)
def test_instructions__refuses_checks(check: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Instructions(params={"checks": [check]})


HOSTILE = ["*", "[", "<", "《", "```\n", "a\n\n", "* ", "- ", "(", "\n", '"', "** ", "*a", "____ "]


@pytest.mark.parametrize("text", HOSTILE)
def test_instructions__hostile_answers_end_soon(text: str) -> None:
    checks = [check for check, *_ in CASES]
    started = time.perf_counter()
    metric = Instructions(params={"checks": checks, "loose": True})
    for answer in (text * (20_000 // len(text)), f"<<{text}" + "a " * 10_000, text + "a" * 20_000):
        assert metric.score(a_sample(), a_run(answer)).value is not None
    assert time.perf_counter() - started < 30  # it would take ages, were it not linear
