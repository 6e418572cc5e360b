"""Units of numbers: 원, GB, 인분; forms of the same unit, and readers of the text after a number."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from lm_eval_so.core.text.korean import endings_after, is_syllable
from lm_eval_so.core.text.number_words import words

_OF_WORDS: Final = {
    "KRW": "원 ₩ won krw",
    "USD": "달러 불 $ usd",
    "%": "% 퍼센트 프로",
    "세": "살 세",
    "명": "명 사람",
    "개": "개 가지",
    "개월": "달 개월",
    **{
        unit: unit for unit in words("일 년 월 주 시간 시 분 초 회 번 층 점 배 도 마리 권 잔 병 대")
    },
    **{unit: unit for unit in words("장 박 호 km kg cm mm m g")},
}
"""Forms by unit, after figures and after numbers in words."""
_OF_FIGURES: Final = {
    "USD": "미국달러 미달러 dollar dollars",
    "EUR": "유로 € eur euro euros",
    "JPY": "엔 jpy yen",
    "CNY": "위안 cny rmb yuan",
    "GBP": "£ gbp",
    "파운드": "파운드 pound pounds",
    "¥": "¥",
    "센트": "센트 cent cents",
    "%p": "%p %포인트 퍼센트포인트 퍼센트_포인트",
    "%": "percent pct",
    "세": "years_old year_old years_of_age",
    "명": "인 people persons person",
    "개": "곳 군데",
    "초": "sec secs second seconds",
    "분": "min mins minute minutes",
    "시간": "hr hrs hour hours",
    "일": "영업일 근무일 업무일 평일 day days",
    "주": "week weeks",
    "개월": "month months",
    "년": "yr yrs year years",
    "도": "° °c ℃ degrees",
    "°f": "°f ℉",
    "km": "킬로미터 kilometer kilometers kilometre kilometres ㎞",
    "m": "미터 meter meters metre metres",
    "cm": "센티미터 센티 센치 centimeter centimeters centimetre centimetres ㎝",
    "mm": "밀리미터 millimeter millimeters millimetre millimetres ㎜",
    "kg": "킬로그램 kilogram kilograms ㎏",
    "g": "그램 gram grams",
    "mg": "밀리그램 mg milligram milligrams ㎎",
    "t": "톤 ton tons tonne tonnes",
    "lb": "lb lbs",
    "oz": "온스 oz ounce ounces",
    "l": "리터 l ℓ liter liters litre litres",
    "ml": "밀리리터 ml cc milliliter milliliters millilitre millilitres ㎖",
    "m²": "제곱미터 평방미터 m² m2 ㎡ sqm",
    "m³": "세제곱미터 m³ m3 ㎥",
    "in": "인치 inch inches",
    "ft": "피트 ft feet foot",
    "mi": "마일 mile miles",
    "byte": "바이트 byte bytes",
    "kb": "킬로바이트 kb",
    "mb": "메가바이트 메가 mb",
    "gb": "기가바이트 기가 gb",
    "tb": "테라바이트 테라 tb",
    "킬로": "킬로",
    "칼로리": "칼로리 calories",
    "cal": "cal",
    "kcal": "킬로칼로리 kcal",
    "hz": "헤르츠 hz",
    "w": "와트 watt watts",
    "kw": "킬로와트 kw",
    "v": "볼트 volt volts",
    **{unit: unit for unit in words("km/h mph mbps gbps kwh khz mhz ghz fps rpm px dpi ms ha")},
    **{unit: unit for unit in words("평 인분 분기 분의 주년 배럴")},
}
"""Further forms, behind figures."""
_ATTACHED: Final = {"초": "s", "시간": "h", "시": "am pm", "배": "x", "in": "in", "t": "t"} | {
    "w": "w",
    "v": "v",
}
"""Forms that are units only without a space before them."""
_MEANINGS: Final = {
    "파운드": frozenset({"파운드", "GBP", "lb"}),
    "¥": frozenset({"¥", "JPY", "CNY"}),
    "킬로": frozenset({"킬로", "kg", "km"}),
    "칼로리": frozenset({"칼로리", "cal", "kcal"}),
    "M": frozenset({"M", "m"}),
}
"""Possible units of ambiguous forms."""
LETTERS_OF_POWERS: Final = {"K": 3, "M": 6, "B": 9}
"""Letters that may stand for a power of ten (2.5M) and may not (a 50M pool)."""


def _by_form(*tables: Mapping[str, str]) -> dict[str, str]:
    return {
        form.replace("_", " "): unit
        for table in tables
        for unit, forms in table.items()
        for form in forms.split()
    }


UNITS_OF_WORDS: Final = _by_form(_OF_WORDS)
"""Unit by form."""
_UNITS: Final = _by_form(_OF_WORDS, _OF_FIGURES)
_CLOSE: Final = _by_form(_ATTACHED)
_KNOWN: Final = frozenset([*_UNITS.values(), *_CLOSE.values(), *LETTERS_OF_POWERS])
SIGNS: Final = "₩$€£¥"


def either(forms: Iterable[str]) -> str:
    """Return a pattern of any of some texts, the longest first."""
    return "|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))


_TOLD_BY_MORE: Final = {
    "프로": "프로(?![그모세젝필])",  # 5프로 is 5 %, 5프로젝트 is not
    "분의": "분의(?= ?[0-9])",  # 5분의 1, but 5분의 휴식
    "인": "인(?![데가지분치])",  # 5인 is 5명, 5인데 is a sentence
}
"""Patterns of forms that are not units whatever comes after them."""


def _pattern(units: Mapping[str, str]) -> re.Pattern[str]:
    hangul = {form for form in units if is_syllable(form[0])}
    latin = {form for form in units if form[0].isascii() and form[0].isalpha()}
    other = units.keys() - hangul - latin - set(SIGNS)
    told = (_TOLD_BY_MORE[form] for form in _TOLD_BY_MORE if form in units)
    return re.compile(
        rf"(?:여(?=[ 가-힣]))?(?P<space> ?)(?P<unit>{either(other)}|(?:{either(latin)})(?![a-z0-9²³])"
        rf"|{'|'.join(told)}|{either(hangul - _TOLD_BY_MORE.keys())})"
        rf"|(?P<sign>[{SIGNS}])(?! ?[0-9])"
    )


_AFTER_WORDS: Final = _pattern(UNITS_OF_WORDS)
_COUNTERS: Final = {
    **{
        form: _UNITS[form] for form in words("개 명 사람 살 시간 시 번 마리 권 잔 병 대 장 가지 달")
    },
    **{form: _UNITS[form] for form in words("개월 배 주 곳 군데")},
    **{
        form: form
        for form in words("건 벌 켤레 그루 자루 송이 채 끼 팀 쌍 줄 캔 통 봉지 상자 박스")
    },
    **{form: form for form in words("세트 팩 그릇 조각 종류 단계 차례 칸 인분")},
    "분": "명",  # people; minutes are 삼 분
}
"""Units by form, behind 한, 두, 세."""
COUNTED_BY_3_AND_4: Final = words("달 장 잔")
"""Counters behind 석 and 넉."""
_AFTER_FIGURES: Final = _pattern(_UNITS)
_COUNTER: Final = re.compile(f" ?({either(_COUNTERS)})")
_LETTER: Final = re.compile(r"[kmb](?![a-z0-9²³])")
_NO_SPACE: Final = re.compile(rf"(?:{either(_CLOSE)})(?![a-z0-9])")
_UNKNOWN: Final = re.compile(
    r"(?!(?:st|nd|rd|th)(?![a-z]))[a-zµ]{1,12}+(?![a-z0-9])"
    r"|(?!라[면서]|및|또는|혹은|내지|까지|부터|에서|보다)[가-힣]{1,12}+"
)

_ENDING: Final = re.compile(
    "이?(?:고|죠|지만?|나|네|니까?|라서?|라면|며|면|냐|군|던|든)요?(?![가-힣])|이?었|일[까지]"
)


def unit_of_sign(sign: str) -> str:
    """Return the unit of a sign or code before a number."""
    return _UNITS[sign]


def same_unit(one: str | None, other: str | None) -> bool:
    """Return whether two units may be the same; a missing unit matches any but a letter of a power.

    Args:
        one: A unit, as in `Number`.
        other: Another.
    """
    if one is None or other is None:
        return LETTERS_OF_POWERS.keys().isdisjoint({one, other})
    return one == other or not _meanings(one).isdisjoint(_meanings(other))


def shown_unit(unit: str) -> str:
    """Return a unit for people, if possible without a particle after it."""
    return unit if unit in _KNOWN else min(_meanings(unit), key=len)


def unit_after_words(
    text: str, at: int, *, units: re.Pattern[str] = _AFTER_WORDS, is_certain: bool = False
) -> tuple[str | None, int]:
    """Read a unit, with or without a space before it.

    Args:
        text: The text.
        at: End of the number.
        units: Units by form.
        is_certain: Whether a unit without a space counts with any text after it, as in "3일배송"
            but not in "삼일절".

    Returns:
        The unit, None if there is none, and its end.
    """
    match = units.match(text, at)
    if match is None:
        return None, at
    if match["sign"]:
        return _UNITS[match["sign"]], match.end()
    is_attached = is_certain and not match["space"]
    if not is_attached and not ends_at(text, match.end()):
        return None, at
    return _UNITS[match["unit"]], match.end()


def counter_after(text: str, at: int) -> tuple[str | None, int]:
    """Read what a native number (한, 두, 세) counts; the result is that of `unit_after_words`."""
    match = _COUNTER.match(text, at)
    if match is None or not ends_at(text, match.end()):
        return None, at
    return _COUNTERS[match[1]], match.end()


def unit_after_figures(text: str, at: int, *, cased: str) -> tuple[str | None, int]:
    """Read a known unit, or the unknown unit right behind the figures.

    Args:
        text: The text, in lower case.
        at: End of the number.
        cased: The text with its capitals, of the same length.

    Returns:
        The unit, None if there is none, and its end.
    """
    letter = _LETTER.match(text, at)
    if letter and cased[at].upper() in LETTERS_OF_POWERS and cased[at] not in "mb":
        return cased[at].upper(), letter.end()
    unit, after = unit_after_words(text, at, units=_AFTER_FIGURES, is_certain=True)
    if unit is not None:
        return unit, after
    if close := _NO_SPACE.match(text, at):
        return _CLOSE[close[0]], close.end()
    run = _UNKNOWN.match(text, at)
    if run is None or (is_syllable(run[0][0]) and ends_at(text, at)):
        return None, at
    return run[0], run.end()


def ends_at(text: str, at: int) -> bool:
    """Return whether a word may end here: before no Hangul, or before a suffix of numbers."""
    if not is_syllable(text[at : at + 1] or " "):
        return True
    return _after(text[at - 1]).match(text, at) is not None


@lru_cache(maxsize=4096)
def _meanings(unit: str) -> frozenset[str]:
    """Return the possible units of a word: an unknown unit may have an ending, as 자루로 and 자루고."""
    if unit in _KNOWN:
        return _MEANINGS.get(unit, frozenset({unit}))
    ends = (end for end in range(1, len(unit)) if _is_end(unit, end))
    return frozenset({unit, *(unit[:end] for end in ends)})


def _is_end(run: str, at: int) -> bool:
    return is_syllable(run[at]) and (ends_at(run, at) or _ENDING.match(run, at) is not None)


@lru_cache(maxsize=64)
def _after(char: str) -> re.Pattern[str]:
    """Return the endings that may follow a number or unit that ends in a character."""
    return re.compile(
        "이상|이하|이내|미만|초과|정도|짜리|어치|가량|만큼|만에(?![가-힣])|(?:쯤|간|씩|당|대|권|뿐|이서)(?:[은는이가을를의에도만로])?(?![가-힣])|뿐(?:이[고며지]|인[데가]|입|이에|이다)"
        "|입니|예요|에요|였|이[에예다야고며면라지니었든던요]|인[데가지]"
        f"|(?:{either(endings_after(char))})(?:은|는|도|만|요)?(?![가-힣])|요(?![가-힣])"
    )
