"""`choice` besides the values of the Korean checklist."""

import time
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_run, a_sample
from pydantic import ValidationError

from lm_eval_so.evaluator.metrics.text.choice import Choice, Choices, find_choice

DATA = Path(__file__).parents[4] / "data"
OPTIONS = ("환불", "부분 환불", "교환", "수리")


@pytest.mark.parametrize(
    ("answer", "places", "by"),
    [
        # what is said outright, the last time
        ("정답: ②", [1], "statement"),
        ("**정답: B**", [1], "statement"),
        ("정답:\nB", [1], "statement"),
        ("정답은 '나'입니다", [1], "statement"),
        ("답 2번", [1], "statement"),
        ("The answer is A because it is.", [0], "statement"),
        ("Answer: (B) partial", [1], "statement"),
        ("1번과 2번 중 답은 2번", [1], "statement"),
        ("답은 1번 같지만, 정답은 3번이다.", [2], "statement"),
        ("B가 정답입니다", [1], "statement"),
        ("1번이 아니라 2번이 정답입니다", [1], "statement"),
        ("정답은 1번이 아니라 2번입니다", [1], "statement"),
        ("정답은 2번이에요. 1번은 오답이고요.", [1], "statement"),
        ("정답: B, A는 틀렸습니다", [1], "statement"),
        ("정답은 A와 B입니다", [0, 1], "statement"),
        ("정답: A, B", [0, 1], "statement"),
        ("A와 C가 정답", [0, 2], "statement"),
        ("Answer: A or B", [0, 1], "statement"),
        # at the start, or alone
        ("A. 환불", [0], "start"),
        ("(C) 교환입니다", [2], "start"),
        ("d) 수리", [3], "start"),
        ("② 부분 환불", [1], "start"),
        ("3번", [2], "start"),
        ("c", [2], "start"),
        ("나.", [1], "start"),
        ("1번, 2번", [0, 1], "start"),
        # the last line
        ("환불과 교환을 비교하면\n\n2번입니다.", [1], "last_line"),
        ("둘을 비교하면\n**B**", [1], "last_line"),
        # JSON
        ('{"reason": "r", "answer": "C"}', [2], "json"),
        ('```json\n{"정답": 2}\n```', [1], "json"),
        ('{"answer": "B. 부분 환불"}', [1], "json"),
        ('{"answer": ["A", "B"]}', [0, 1], "json"),
        ('{"answer": "교환"}', [2], "json"),
        # the text of an option
        ("부분 환불이 맞습니다", [1], "option_text"),
        ("교환은 됩니다", [2], "option_text"),
        ("환불 또는 부분 환불", [0, 1], "option_text"),
        # nothing
        ("A customer can cancel.", [], None),
        ("The answer is a customer", [], None),
        ("정답은 나중에 알려 드립니다", [], None),
        ("답은 다 맞습니다", [], None),
        ("답은 3.5입니다", [], None),
        ("정답: 3일", [], None),
        ("1. 로그인\n2. 클릭", [], None),
        ("답변은 3번 드렸습니다", [], None),
        ("answer e-mails", [], None),
        ("정답: E", [], None),
        ('{"answer": true}', [], None),
        ("", [], None),
    ],
)
def test_find_choice__by_the_first_rule_that_finds_one(
    answer: str, places: list[int], by: str | None
) -> None:
    assert find_choice(answer, Choices(OPTIONS)) == (frozenset(places), by)


def test_choice__of_what_models_write() -> None:
    lines = (DATA / "choices.txt").read_text("utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if not line.startswith("#")]
    wrong = []
    for expected, answer, options, value in rows:
        params = {"options": options.split("/")} if options.strip() else {}
        run = a_run(answer.replace(r"\n", "\n"))
        if Choice(params=params).score(a_sample(expected=expected), run).value != int(value):
            wrong.append((expected, answer, value))
    assert wrong == []
    assert len(rows) > 150


@pytest.mark.parametrize(
    ("options", "answer", "place"),
    [
        (("2", "4", "6", "8"), "2", 0),
        (("2", "4", "6", "8"), "정답은 4입니다", 1),
        (("2", "4", "6", "8"), "2+2=4, so the answer is 4.", 1),
        (("2", "4", "6", "8"), "정답: 8", 3),
        (("2", "4", "6", "8"), "정답은 2번입니다", 1),
        (("2", "4", "6", "8"), "2번", 1),
        (("2", "4", "6", "8"), "②", 1),
        (("2", "4", "6", "8"), "정답: 나", 1),
        (("2", "4", "6", "8"), "(B)", 1),
        (("2", "4", "6", "8"), "정답: 3", None),
        (("2", "4", "6", "8"), '{"answer": 4}', 1),
        (("3", "2", "1"), "1", 2),
        (("3", "2", "1"), "답은 3번", 2),
        (("5", "10", "15"), "10 + 5 = 15. 정답은 15", 2),
        (("5", "10", "15"), "정답: 2", 1),
        (("5", "10", "15"), "정답: 2번", 1),
        (("1", "2", "3"), "정답은 2", 1),
        (("O", "A", "B", "AB"), "정답은 A입니다", 1),
        (("O", "A", "B", "AB"), "AB", 3),
        (("O", "A", "B", "AB"), "정답은 2번", 1),
        (("나", "가"), "정답: 가", 1),
    ],
)
def test_find_choice__option_that_is_spelled_as_a_label(
    options: tuple[str, ...], answer: str, place: int | None
) -> None:
    wanted = frozenset(() if place is None else (place,))
    assert find_choice(answer, Choices(options))[0] == wanted


@pytest.mark.parametrize(
    ("params", "expected", "answer", "value", "code"),
    [
        ({}, "B", "정답: ②", 1, None),
        ({}, "나", "정답: ②", 1, None),
        ({}, "3", "정답: ②", 0, None),
        ({}, "B", "모르겠습니다", 0, "no_choice"),
        ({}, "B", "", 0, "no_choice"),
        ({}, "B", "정답: A, B", 0, "ambiguous"),
        ({"options": OPTIONS}, "부분 환불", "정답: 2", 1, None),
        ({"options": OPTIONS}, "B. 부분 환불", "정답: 2", 1, None),
        ({"options": OPTIONS}, "C", "교환해 드립니다. 교환이 맞습니다", 1, None),
        ({"labels": ["예", "아니요"]}, "예", "정답: 예", 1, None),
        ({"labels": ["예", "아니요"]}, "예", "아니요", 0, None),
        ({"labels": ["ㄱ", "ㄴ"]}, "ㄴ", "정답은 ㄴ입니다.", 1, None),
        ({"options": ["3", "4", "5"]}, "4", "정답: 4", 1, None),
    ],
)
def test_choice__value_and_code(
    params: dict[str, Any], expected: str, answer: str, value: int, code: str | None
) -> None:
    metric, sample = Choice(params=params), a_sample(expected=expected)
    assert metric.check_sample(sample) == []
    score = metric.score(sample, a_run(answer))
    assert (score.value, score.code) == (value, code)


def test_choice__reference_that_names_no_option_is_a_problem() -> None:
    (problem,) = Choice(params={"options": OPTIONS}).check_sample(a_sample(expected="E"))
    assert 'sample s1 has no option "E"' in problem.what
    assert Choice().check_sample(a_sample(expected=None)) == []


@pytest.mark.parametrize(
    "params",
    [
        {"options": ["a", "b", "c", "d", "e", "f"]},
        {"options": ["a", "b"], "labels": ["1"]},
        {"options": ["a", "Ａ"]},
        {"labels": [""]},
    ],
)
def test_choice__refuses_params(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Choice(params=params)


@pytest.mark.parametrize(
    "text",
    [
        "정답",
        "답은 ",
        "A와 ",
        "(",
        "1 ",
        ".",
        "{",
        "정답은 A와 ",
        "\n",
        "1.\n",
        "answer is ",
        "=정답:",
        "B is correct, ",
        "따라서 B가 가장 ",
        "so option ",
        r"\boxed{ B ",
        "정답은 B. 아니, ",
        "정답:",
    ],
)
def test_find_choice__time_grows_with_the_length_alone(text: str) -> None:
    started = time.perf_counter()
    find_choice(text * (100_000 // len(text)), Choices(OPTIONS))
    assert time.perf_counter() - started < 30  # it would take ages, were it not linear
