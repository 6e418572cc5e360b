"""Numbers in Korean and English texts: 35,000원, 3만 5천원, 삼만오천 원, 열두 시, ₩35,000, -5.

Every place of a text is looked at once or twice, so that one of nothing but digits, or of nothing
but 일이삼, costs no more than another of its length.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from lm_eval_so.core.text.korean import endings_after, is_syllable
from lm_eval_so.core.text.number_words import (
    BIG,
    LETTERS,
    ONES,
    SMALL,
    TENS,
    is_number_word,
    native_value,
    sino_value,
    words,
)
from lm_eval_so.core.text.profiles import basic

EXACT: Final = Context(prec=120)
"""For arithmetic with the values: no figure of theirs is lost."""


class Number(NamedTuple):
    """A number that stands in a text."""

    value: Decimal
    unit: str | None = None
    """KRW, USD, %, 세, 명, 개, 개월, or another as it is written; None if there is none."""

    def __str__(self) -> str:
        value = self.value.normalize(EXACT) if self.value else Decimal(0)
        figures = f"{value:,f}" if abs(value.adjusted()) < _PLAIN else str(value)
        return figures if self.unit is None else f"{figures} {self.unit}"


_PLAIN: Final = 19
_MOST_FIGURES: Final = 40
_FEWEST_LETTERS: Final = 3
"""Of a number in words that has no unit."""
_MOST_SHORTENED: Final = 3
"""Readings of a word: its last letters may be a unit (일) and a particle (이, 만)."""
_AS_WRITTEN: Final = words(
    "일 년 월 주 시간 시 분 초 회 번 층 점 배 도 마리 권 잔 병 대 장 박 호 km kg cm mm m g"
)
_UNITS: Final = {form: form for form in _AS_WRITTEN} | {
    form: unit
    for unit, forms in {
        "KRW": "원 ₩ won krw",
        "USD": "달러 불 $ usd",
        "%": "% 퍼센트 프로",
        "세": "살 세",
        "명": "명 사람",
        "개": "개 가지",
        "개월": "달 개월",
    }.items()
    for form in forms.split()
}
_COUNTED: Final = words("개 명 사람 살 시간 시 번 마리 권 잔 병 대 장 가지 달 개월")


def _either(forms: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))


_FIGURES: Final = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?(?:e[+-]?[0-9]{1,3}(?![0-9a-z]))?"
)
_UNIT_FIRSTS: Final = "".join(sorted({unit[0] for unit in [*_UNITS, " ", "여"]}))
_START: Final = re.compile(
    # Phone numbers, dates, times and what has two dots or more are no numbers.
    r"(?<![0-9])(?:[0-9]{2,4}-[0-9]{3,4}-[0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|[0-9]++(?:\.[0-9]++){2,})(?![0-9])"
    r"|(?<=[a-z_])[0-9]++(?:\.[0-9]++)*"
    rf"|(?P<minus>영하 ?|(?<![\w)])-)?(?P<money>[₩$] ?)?(?P<figures>{_FIGURES})"
    rf"|(?<![가-힣0-9])(?:(?P<native>(?:{_either(TENS)})(?: ?(?:{_either(ONES)}))?|{_either(ONES)})"
    rf"|(?P<below>영하 ?(?=[{LETTERS}]))?(?P<sino>[{LETTERS}]{{2,}}+|[{LETTERS}](?=[{_UNIT_FIRSTS}])))"
)
_FIRSTS: Final = "".join(sorted({word[0] for word in [*LETTERS, *ONES, *TENS]}))
_MAYBE: Final = re.compile(rf"[-0-9₩$]|영하|(?<![가-힣0-9])[{_FIRSTS}]")
_NEXT: Final = re.compile(rf" ?({_FIGURES})(?![-:.,]?[0-9])")
_PLACE: Final = "억|만(?!큼)|조(?![각건항])"  # 3만큼, 3조각, 3조건, 3조항
_SCALE: Final = re.compile(
    r"(?: (?=[십백천만억조]{1,2} ?(?:원|달러)))?"
    rf"(?:([십천]|백(?!화점))({_PLACE})?|({_PLACE}))"
)
_MORE_SINO: Final = re.compile(rf"(?<=[만억조]) [{LETTERS}]{{2,}}+")
_UNIT: Final = re.compile(
    r"(?:여(?=[ 가-힣]))?(?P<space> ?)(?P<unit>%|(?:won|krw|usd|km|kg|cm|mm|m|g)(?![a-z0-9])"
    rf"|프로(?![그모세젝필])|{_either(u for u in _UNITS if is_syllable(u[0]) and u != '프로')})"
    r"|(?P<sign>[₩$])(?! ?[0-9])"
)


def find_numbers(text: str) -> list[Number]:
    """Give the numbers of a text in their order.

    Phone numbers, dates (2026-03-02), times (10:30), versions (1.2.3) and figures right after a
    Latin letter (GPT4) are none, nor is what has more than 40 figures. Units are not converted:
    "1시간 30분" is two numbers. In words: 삼만오천 with a unit, or three letters and more; one letter
    only right before its unit, or 백천만억 and a space ("만 원"); 한 두 세 … 아흔아홉 before a counter.
    Words that are only spelled like a number (만일, 사회, 조회, 공원, 세대) are none, and "이삼 일" is
    none, since it says two or three days.

    Args:
        text: The text; forms, widths and cases do not matter.
    """
    folded = basic(text).casefold()
    found, position = [], 0
    while maybe := _MAYBE.search(folded, position):
        position = maybe.end()
        match = _START.match(folded, maybe.start())
        if match is None:
            continue
        position = match.end()
        if match["figures"]:
            number, position = _read_figures(folded, match)
        elif match["native"]:
            number, position = _read_native(folded, match)
        elif match["sino"]:
            number, position = _read_sino(folded, match)
        else:
            continue
        if number is not None:
            found.append(number)
    return found


def _read_figures(text: str, match: re.Match[str]) -> tuple[Number | None, int]:
    """Read figures, with 십백천 and 만억조 after them, groups that go on, and a unit."""
    position, figures = match.end(), match["figures"]
    if len(figures) > _MOST_FIGURES:
        return None, position
    value = Decimal(figures.replace(",", ""))
    scale = _SCALE.match(text, position)
    if scale and not text[: match.start()][-2:].rstrip().endswith("제"):  # 제3조
        value, position = _read_groups(text, value, scale)
    unit, after = _read_unit(text, position, is_certain=True)
    money = _UNITS[match["money"].strip()] if match["money"] else unit
    if money != unit:
        unit, after = money, position
    return Number(EXACT.minus(value) if match["minus"] else value, unit), after


def _read_groups(text: str, value: Decimal, scale: re.Match[str] | None) -> tuple[Decimal, int]:
    """Add groups as long as each is smaller than the place of the one before: 1억 2천5백만."""
    total = section = Decimal(0)
    below_big = below_small = Decimal("Infinity")
    position = before = scale.end() if scale else 0
    while True:
        small, big = _places(scale)
        part = EXACT.multiply(value, small)
        whole = EXACT.multiply(EXACT.add(section, part), big)
        if part >= below_small or whole >= below_big:
            return EXACT.add(total, section), before
        if big > 1:
            total, section = EXACT.add(total, whole), Decimal(0)
            below_big, below_small = big, Decimal("Infinity")
        else:
            section, below_small = whole, small
        more = _NEXT.match(text, position) if scale else None
        if more is None or len(more[1]) > _MOST_FIGURES:
            return EXACT.add(total, section), position
        before, value = position, Decimal(more[1].replace(",", ""))
        scale = _SCALE.match(text, more.end())
        position = scale.end() if scale else more.end()


def _places(scale: re.Match[str] | None) -> tuple[Decimal, Decimal]:
    if scale is None:
        return Decimal(1), Decimal(1)
    return Decimal(SMALL.get(scale[1], 1)), Decimal(BIG.get(scale[2] or scale[3], 1))


def _read_sino(text: str, match: re.Match[str]) -> tuple[Number | None, int]:
    """Read Sino-Korean words; 만, 억 and 조 may have a space after them."""
    run, end = match["sino"], match.end()
    longer, reach = run, end
    while (more := _MORE_SINO.match(text, reach)) and sino_value(longer + more[0]) is not None:
        longer, reach = longer + more[0], more.end()
    readings = [(longer, reach)] if longer == run else [(longer, reach), (run, end)]
    is_below = bool(match["below"])
    for letters, at in readings:
        found = _with_unit(text, letters, at, is_sure=is_below) or _without_unit(text, letters, at)
        if found:
            number, after = found
            return Number(-number.value, number.unit) if is_below else number, after
    return None, end


def _with_unit(text: str, letters: str, end: int, *, is_sure: bool) -> tuple[Number, int] | None:
    form, at = letters, end
    for _ in range(_MOST_SHORTENED):  # 삼십일 is 30 days, and so is 삼십일이
        unit, after = _read_unit(text, at)
        value = None if unit is None else sino_value(form)
        if value is not None and (is_sure or is_number_word(form, text[at:after])):
            return Number(Decimal(value), unit), after
        if len(form) == 1:
            break
        form, at = _shortened(form, at)
    return None


def _without_unit(text: str, letters: str, end: int) -> tuple[Number, int] | None:
    if len(letters) < _FEWEST_LETTERS:
        return None
    forms = [(letters, end)]
    if letters[-1] in "이만":  # a particle rather than a figure, if it can be one
        forms.insert(0, _shortened(letters, end))
    for form, at in forms:
        value = sino_value(form)
        is_long = len(form) - form.count(" ") >= _FEWEST_LETTERS and not {*SMALL, *BIG}.isdisjoint(
            form
        )
        if value is not None and is_long and _ends_at(text, at):
            return Number(Decimal(value)), at
    return None


def _shortened(letters: str, end: int) -> tuple[str, int]:
    shorter = letters[:-1].rstrip()
    return shorter, end - len(letters) + len(shorter)


def _read_native(text: str, match: re.Match[str]) -> tuple[Number | None, int]:
    """Read 하나, 두, 열두, 스물다섯 before what they count."""
    word, end = match["native"], match.end()
    unit, after = _read_unit(text, end)
    written = text[end:after]
    if unit is None or written.strip() not in _COUNTED or not is_number_word(word, written):
        return None, end
    return Number(Decimal(native_value(word)), unit), after


def _read_unit(text: str, at: int, *, is_certain: bool = False) -> tuple[str | None, int]:
    """Read a unit, with or without a space before it.

    Args:
        text: The text.
        at: Where the number ends.
        is_certain: Whether what is written without a space is a unit whatever comes after it: it
            is in "3일배송", and is not in "삼일절".
    """
    match = _UNIT.match(text, at)
    if match is None:
        return None, at
    if match["sign"]:
        return _UNITS[match["sign"]], match.end()
    is_attached = is_certain and not match["space"]
    if not is_attached and not _ends_at(text, match.end()):
        return None, at
    return _UNITS[match["unit"]], match.end()


def _ends_at(text: str, at: int) -> bool:
    """Whether a word may end here: no Hangul after it, or what is put behind numbers."""
    if not is_syllable(text[at : at + 1] or " "):
        return True
    return _after(text[at - 1]).match(text, at) is not None


@lru_cache(maxsize=64)
def _after(char: str) -> re.Pattern[str]:
    """Give what may follow a number or unit that ends in a character."""
    return re.compile(
        "이상|이하|이내|미만|초과|정도|짜리|어치|가량|만큼|만에(?![가-힣])|(?:쯤|간|씩|당|대|권)(?:[은는이가을를의에도만로])?(?![가-힣])"
        "|입니|예요|에요|였|이[에예다야고며면라지니었든던요]|인[데가지]"
        f"|(?:{_either(endings_after(char))})(?:은|는|도|만|요)?(?![가-힣])|요(?![가-힣])"
    )
