"""What holds of every number, and of every text that numbers are looked for in."""

import unicodedata
from decimal import Decimal

from evaluation import a_run, a_sample
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.text.numbers import Number, find_numbers
from lm_eval_so.evaluator.metrics.form.honorific import Honorific
from lm_eval_so.evaluator.metrics.form.instruction_rules import variants
from lm_eval_so.evaluator.metrics.form.language import LanguageMatch
from lm_eval_so.evaluator.metrics.text.choice import Choices, find_choice
from lm_eval_so.evaluator.metrics.text.numeric import NumericMatch

WHOLE = st.integers(0, 10**16 - 1)
POSITIVE = st.integers(1, 10**16 - 1)
HOSTILE = st.one_of(
    st.text(),
    st.text("0123 .,$€MKBkmbzzmillionhundrd평그루로고인분의"),
    st.text('0123456789,.-:₩$% 일이삼사십백천만억조영원개명번시하열두세e정답A①(){}"\n*는은가다요'),
)
UNITS = st.sampled_from(["원", " 원", "명", "개", "%", " 퍼센트", "점", ""])
PLACES = ((10**12, "조"), (10**8, "억"), (10**4, "만"), (1, ""))


def in_groups(number: int, *, space: str, commas: bool) -> str:
    """Write 120,000,000 as 1억 2,000만."""
    parts = []
    for place, letter in PLACES:
        group = number // place % 10**4
        if group:
            parts.append((f"{group:,}" if commas else str(group)) + letter)
    return space.join(parts) or "0"


def in_words(number: int, *, space: str, ones: bool) -> str:
    """Write 35,000 as 삼만오천; `ones` as 일십, 일백, 일천."""
    parts = []
    for place, letter in PLACES:
        group, said = number // place % 10**4, ""
        for small, small_letter in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
            digit = group // small % 10
            if digit:
                is_silent = digit == 1 and small > 1 and not ones
                said += ("" if is_silent else "영일이삼사오육칠팔구"[digit]) + small_letter
        parts += [said + letter] if said else []
    return space.join(parts)


@given(WHOLE, UNITS, st.booleans())
def test_find_numbers__figures_come_back(number: int, unit: str, commas: bool) -> None:
    text = f"약 {number:,}{unit} 정도" if commas else f"총 {number}{unit}입니다"
    (found,) = find_numbers(text)
    assert found.value == number
    assert (found.unit is None) == (unit == "")


@given(st.decimals(-(10**9), 10**9, places=3))
def test_find_numbers__decimals_come_back(number: Decimal) -> None:
    assert find_numbers(f"값은 {number}") == [Number(number)]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_find_numbers__what_json_writes_comes_back(number: float) -> None:
    text = str(number)
    found = find_numbers(text)
    if len(text) <= 40:
        assert [float(each.value) for each in found] == [number]


@given(WHOLE, st.sampled_from(["", " "]), st.booleans())
def test_find_numbers__groups_come_back(number: int, space: str, commas: bool) -> None:
    text = in_groups(number, space=space, commas=commas)
    assert find_numbers(f"합계 {text}원입니다") == [Number(Decimal(number), "KRW")]
    assert find_numbers(f"합계 {text} 원") == [Number(Decimal(number), "KRW")]


@given(POSITIVE, st.booleans())
def test_find_numbers__words_come_back(number: int, ones: bool) -> None:
    text = in_words(number, space="", ones=ones)
    if text not in {"이", "조"}:  # too often a word of its own
        found = find_numbers(f"합계 {text}번입니다" if text == "사" else f"합계 {text}점입니다")
        expected = [] if text in {"만", "오", "구"} else [Decimal(number)]
        assert [each.value for each in found] == expected


@given(HOSTILE)
def test_find_numbers__never_raises_and_form_does_not_matter(text: str) -> None:
    found = find_numbers(text)
    assert found == find_numbers(unicodedata.normalize("NFD", text))
    assert all(str(number) for number in found)


@given(HOSTILE, HOSTILE)
def test_numeric_match__a_reference_with_a_number_matches_itself(text: str, other: str) -> None:
    metric, sample = NumericMatch(), a_sample(expected=text)
    if not metric.check_sample(sample):
        assert metric.score(sample, a_run(text)).value == 1
        assert metric.score(sample, a_run(other)).value in {0, 1}


WRITTEN = st.sampled_from(
    ["원", "엔", "유로", "위안", "달러", "%", "평", "명", "인분", "그루", "자루", "등급", "단계", "위", "회",
     "개", "곳", "건", "층", "호실", "시간", "분기", "개월", "GB", "MB", "ml", "km/h", "zz", "킬로", "파운드"]
)  # fmt: skip
NOTATIONS = st.sampled_from(
    ["{n}{u}", "{n:,}{u}", "{n}{u}입니다", "약 {n:,}{u} 정도", "**{n}{u}**", "{n}{u}까지", "{n}{u}에서", "{n}{u}이상", "총 {n}{u}도"]
)  # fmt: skip


@given(WHOLE, WRITTEN, NOTATIONS, NOTATIONS)
def test_numeric_match__a_number_with_its_unit_matches_itself(
    number: int, unit: str, one: str, other: str
) -> None:
    expected, said = (text.format(n=number, u=unit) for text in (one, other))
    assert NumericMatch().score(a_sample(expected=expected), a_run(said)).value == 1


@given(WHOLE, WRITTEN, WRITTEN, NOTATIONS, NOTATIONS)
def test_numeric_match__of_two_units_either_order_says_the_same(
    number: int, unit: str, other: str, one: str, two: str
) -> None:
    a, b = one.format(n=number, u=unit), two.format(n=number, u=other)
    there = NumericMatch().score(a_sample(expected=a), a_run(b)).value
    assert NumericMatch().score(a_sample(expected=b), a_run(a)).value == there
    if unit != other and {unit, other} != {"개", "곳"}:
        assert there == 0


@given(HOSTILE, st.lists(st.text("가나다abc1", min_size=1), max_size=5, unique=True))
def test_find_choice__never_raises(text: str, options: list[str]) -> None:
    places, by = find_choice(text, Choices(tuple(options)))
    assert (by is None) == (not places)
    assert all(0 <= place < (len(options) or 5) for place in places)


@given(HOSTILE)
def test_form__never_raises(text: str) -> None:
    run = a_run(text)
    assert 0 <= (Honorific().score(a_sample(), run).value or 0) <= 1
    assert LanguageMatch(params={"language": "ko"}).score(a_sample(), run).value in {0, 1}
    assert all(each.strip() for each in variants(text))
