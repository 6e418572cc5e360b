"""Numbers in Korean and English texts: 35,000원, 3만 5천원, 삼만오천 원, 열두 시, ₩35,000, -5.

Every place of a text is looked at once or twice, so that one of nothing but digits, or of nothing
but 일이삼, costs no more than another of its length.
"""

import re
from decimal import Context, Decimal
from typing import Final, NamedTuple

from lm_eval_so.core.text.no_numbers import end_of_no_number
from lm_eval_so.core.text.number_units import (
    COUNTED_BY_3_AND_4,
    LETTERS_OF_POWERS,
    SIGNS,
    UNITS_OF_WORDS,
    counter_after,
    either,
    ends_at,
    same_unit,
    shown_unit,
    unit_after_figures,
    unit_after_words,
    unit_of_sign,
)
from lm_eval_so.core.text.number_words import (
    BIG,
    DAYS,
    FIRST_ENGLISH,
    LETTERS,
    ONES,
    SMALL,
    TENS,
    english_value,
    is_number_word,
    native_value,
    sino_value,
)
from lm_eval_so.core.text.profiles import basic

EXACT: Final = Context(prec=120)
"""Context of exact arithmetic with the values."""


class Number(NamedTuple):
    """A number in a text."""

    value: Decimal
    unit: str | None = None
    """KRW, USD, %, 세, 명, 개, 개월, or another as it is written; None if there is none. K, M and B
    may be a power of ten instead."""

    @property
    def readings(self) -> "tuple[Number, ...]":
        """Possible meanings: 2.5M is 2.5 of a unit M, or 2,500,000."""
        power = LETTERS_OF_POWERS.get(self.unit or "")
        return (self,) if power is None else (self, Number(EXACT.scaleb(self.value, power)))

    def fits(self, wanted: "Number", *, abs_tol: float = 0.0, rel_tol: float = 0.0) -> bool:
        """Return whether the number may be the wanted one, in the same unit."""
        return any(
            same_unit(one.unit, other.unit)
            and EXACT.subtract(one.value, other.value).copy_abs()
            <= max(Decimal(str(abs_tol)), EXACT.multiply(Decimal(str(rel_tol)), abs(other.value)))
            for one in self.readings
            for other in wanted.readings
        )

    def __str__(self) -> str:
        value = self.value.normalize(EXACT) if self.value else Decimal(0)
        figures = f"{value:,f}" if abs(value.adjusted()) < _PLAIN else str(value)
        return figures if self.unit is None else f"{figures} {shown_unit(self.unit)}"


_PLAIN: Final = 19
_MOST_FIGURES: Final = 40
_FEWEST_LETTERS: Final = 3
"""Of a number in words that has no unit."""
_MOST_SHORTENED: Final = 3
"""Readings of a word: its last letters may be a unit (일) and a particle (이, 만)."""
_FIGURES: Final = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?(?:e[+-]?[0-9]{1,3}(?![0-9a-z]))?"
)
_PLAIN_FIGURES: Final = re.compile(r"[0-9]++(?:[.,][0-9]++)*+")
_UNIT_FIRSTS: Final = "".join(sorted({unit[0] for unit in [*UNITS_OF_WORDS, " ", "여"]}))
_BELOW: Final = r"영하 ?|(?<![0-9] )마이너스 ?|(?<![a-z])(?<![0-9] )minus "
_CODE: Final = "(?<![a-z])(?:usd|krw|eur|jpy|cny|rmb|gbp)"
_START: Final = re.compile(
    rf"(?P<minus>{_BELOW}|(?<![\w)])-)?(?P<money>[{SIGNS}] ?|{_CODE} )?(?P<figures>{_FIGURES}|(?<![\w.])\.[0-9]++)"
    rf"|(?P<english>{FIRST_ENGLISH})|(?<![가-힣0-9])(?:(?P<days>{either(DAYS)})|(?P<native>(?:{either(TENS)})(?: ?(?:{either(ONES)}))?|{either(ONES)})"
    rf"|(?P<below>(?:영하|마이너스) ?(?=[{LETTERS}]))?(?P<sino>[{LETTERS}]{{2,}}+|[{LETTERS}](?=[{_UNIT_FIRSTS}])))"
)
_NAME: Final = re.compile(
    r"(?<=[A-Z]-)(?<!USD-|KRW-|EUR-|JPY-|CNY-|RMB-|GBP-)[0-9]++(?:[.-][0-9]++)*+"
)
_NO_ENGLISH: Final = re.compile("-[a-z]| (?:hal(?:f|ves)|(?:third|quarter|fifth|tenth)s?)(?![a-z])")
_FIRSTS: Final = "".join(sorted({word[0] for word in [*LETTERS, *ONES, *TENS, *DAYS]}))
_MAYBE: Final = re.compile(
    rf"[-0-9{SIGNS}]|{_CODE} (?=[0-9])|\.(?=[0-9])|영하|마이너스|minus |{FIRST_ENGLISH}|(?<![가-힣0-9])[{_FIRSTS}]"
)
_NEXT: Final = re.compile(rf" ?({_FIGURES})(?![-:.,]?[0-9])")
_PLACE: Final = "억|만(?!큼)|조(?![각건항])"  # 3만큼, 3조각, 3조건, 3조항
_SCALE: Final = re.compile(
    r"(?: (?=[십백천만억조]{1,2} ?(?:원|달러)))?"
    rf"(?:([십천]|백(?!화점))({_PLACE})?|({_PLACE}))"
)
_MORE_SINO: Final = re.compile(rf"(?<=[만억조]) [{LETTERS}]{{2,}}+")
_POWERS: Final = {
    name: power
    for power, names in (
        (2, "hundred"),
        (3, "thousand k"),
        (5, "lakh"),
        (6, "million mn m"),
        (7, "crore"),
        (9, "billion bn b"),
        (12, "trillion tn t"),
    )
    for name in names.split()
}
_POWER: Final = re.compile(
    r"[ -]?(?P<word>hundred|thousand|lakh|million|crore|billion|trillion)s?(?![a-z])"
    r"| ?(?P<short>mn|bn)(?![a-z0-9])"
)
_POWER_OF_MONEY: Final = re.compile(
    r" ?(?P<short>mn|bn|tn)(?![a-z0-9])|(?P<one>[kmbt])(?![a-z0-9])"
)


def find_numbers(text: str) -> list[Number]:
    """Return the numbers of a text, in order.

    Phone numbers (1588-1234), dates (2026-03-02), times (10:30), versions (1.2.3) and figures right after
    a Latin letter (GPT4) do not count; after a capital and a hyphen (COVID-19) only those with a unit do. Nor
    do numbers of more than 40 figures. Units are not converted:
    "1시간 30분" is two numbers. Letters right behind figures are a unit, known or not, except for
    particles (5는) and st, nd, rd, th; behind a space only known units count. 1 million, 2 bn and $2.5m
    are multiplied; 2.5M is ambiguous. Numbers in words: 삼만오천 with a unit, or three letters and more;
    one letter only right before its unit, or 백천만억 and a space ("만 원"); 한 두 세 … 아흔아홉 before a
    counter. Words spelled like a number (만일, 사회, 조회, 공원, 세대) do not count, nor does "이삼 일",
    which means two or three days. 하루 is none, since it mostly means per day; 이틀, 사흘 … are days.

    Args:
        text: The text; forms, widths and cases do not matter.
    """
    cased = basic(text)
    folded = cased.casefold()
    if len(folded) != len(cased):  # a letter as ß: then no capital is known by its place
        cased = folded
    found, position = [], 0
    while maybe := _MAYBE.search(folded, position):
        position = maybe.end()
        match = _START.match(folded, maybe.start())
        if match is None:
            continue
        position = match.end()
        if match["figures"]:
            if end := end_of_no_number(folded, match.start("figures")):
                position = end
                continue
            number, position = _read_figures(folded, match, cased)
            name = _NAME.match(cased, match.start("figures"))
            is_bare = number is not None and number.unit is None and position == match.end()
            if name and is_bare and name.end() >= position:  # 35,000 is a count behind any word
                position = name.end()
                continue
        elif match["days"]:
            is_whole = ends_at(folded, position)
            number = Number(Decimal(DAYS[match["days"]]), "일") if is_whole else None
        elif match["english"]:
            number, position = _read_english(folded, match, cased)
        elif match["native"]:
            number, position = _read_native(folded, match)
        elif match["sino"]:
            number, position = _read_sino(folded, match)
        else:
            continue
        if number is not None:
            found.append(number)
    return found


def amounts(text: str) -> list[str]:
    """Return the figures of a text that have a known unit, with it, as they are written: 3,000원, 14일, 30%."""
    found = []
    for match in _PLAIN_FIGURES.finditer(text):
        unit, end = unit_after_figures(text, match.end(), cased=text)
        if unit is not None:
            found.append(text[match.start() : end])
    return found


def _read_figures(text: str, match: re.Match[str], cased: str) -> tuple[Number | None, int]:
    """Read figures, with 십백천 and 만억조 or million after them, groups that go on, and a unit."""
    position, figures = match.end(), match["figures"]
    if len(figures) > _MOST_FIGURES:
        return None, position
    value = Decimal(figures.replace(",", ""))
    scale = _SCALE.match(text, position)
    if scale and not text[: match.start()][-2:].rstrip().endswith("제"):  # 제3조
        value, position = _read_groups(text, value, scale)
    else:
        value, position = _read_powers(text, value, position, is_money=bool(match["money"]))
    unit, after = unit_after_figures(text, position, cased=cased)
    money = unit_of_sign(match["money"].strip()) if match["money"] else unit
    if money != unit:
        unit, after = money, position
    return Number(EXACT.minus(value) if match["minus"] else value, unit), after


def _read_english(text: str, match: re.Match[str], cased: str) -> tuple[Number | None, int]:
    """Read twenty-five and a unit; "one" counts only with a unit, "two-factor" and "two thirds" do not."""
    value, end = english_value(text, match.start())
    unit, after = unit_after_figures(text, end, cased=cased)
    is_other = _NO_ENGLISH.match(text, end) is not None or (value == 1 and unit is None)
    return None if is_other else Number(Decimal(value), unit), after


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


def _read_powers(
    text: str, value: Decimal, position: int, *, is_money: bool
) -> tuple[Decimal, int]:
    """Multiply by a power in words or letters behind figures: 3 million, 5 hundred thousand, $2.5m."""
    while found := _POWER.match(text, position):
        value = EXACT.scaleb(value, _POWERS[found["word"] or found["short"]])
        position = found.end()
    if is_money and (found := _POWER_OF_MONEY.match(text, position)):
        return EXACT.scaleb(value, _POWERS[found["short"] or found["one"]]), found.end()
    return value, position


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
        unit, after = unit_after_words(text, at)
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
        if value is not None and is_long and ends_at(text, at):
            return Number(Decimal(value)), at
    return None


def _shortened(letters: str, end: int) -> tuple[str, int]:
    shorter = letters[:-1].rstrip()
    return shorter, end - len(letters) + len(shorter)


def _read_native(text: str, match: re.Match[str]) -> tuple[Number | None, int]:
    """Read 한, 두, 열두, 스물다섯 before what they count, and 석 and 넉 before some of it."""
    word, end = match["native"], match.end()
    unit, after = counter_after(text, end)
    written = text[end:after]
    is_fit = word not in {"석", "넉"} or written.strip() in COUNTED_BY_3_AND_4
    if unit is None or not is_fit or not is_number_word(word, written):
        return None, end
    return Number(Decimal(native_value(word)), unit), after
