"""Figures that count nothing: phone numbers, dates, times, versions, names as GPT4."""

import re
from typing import Final

from lm_eval_so.core.text.number_units import unit_after_figures
from lm_eval_so.core.text.number_words import words
from lm_eval_so.core.text.profiles import basic

_END: Final = r"(?![0-9])"
_NO_NUMBER: Final = re.compile(
    # 2026-03-02, 010-1234-5678, 110-123-456789
    rf"[0-9]++(?:-[0-9]++){{2,}}+"
    # 10:30, 10:30:15
    rf"|[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?{_END}"
    # 1.2.3, 192.168.0.1, 2026.3.2
    r"|[0-9]++(?:\.[0-9]++){2,}+"
    # 02)123-4567, 010 1234 5678, 01012345678
    rf"|0[0-9]{{1,3}}\)?[ -]?[0-9]{{3,4}}[ -]?[0-9]{{4}}{_END}"
    # (800) 555-0199
    rf"|(?<=\()[0-9]{{3}}\) ?[0-9]{{3,4}}-[0-9]{{4}}{_END}"
    # +82 10-1234-5678, +1 (800) 555-0199
    rf"|(?<=\+)[0-9]{{1,3}}[ -]\(?[0-9]{{1,4}}\)?(?:[ -][0-9]{{3,4}}){{0,2}}[ -][0-9]{{4}}{_END}"
    # GPT4.1
    r"|(?<=[a-z_])[0-9]++(?:\.[0-9]++)*+"
)
_PAIR: Final = re.compile(rf"(?P<first>[0-9]{{3,4}})(?P<joint>[ -])(?P<second>[0-9]{{4}}){_END}")
_NATIONWIDE: Final = words(
    "1522 1533 1544 1551 1555 1566 1577 1588 1599 1600 1601 1611 1622 1630 1644 1660 1661 1666 1668 "
    "1670 1688 1800 1811 1833 1844 1855 1877 1899"
)
"""Beginnings of the numbers of Korean customer services."""
_CALL: Final = re.compile(
    r"(?:전화|문의|고객 ?센터|콜 ?센터|상담|대표 ?번호|연락처|팩스|\b(?:tel|telephone|phone|call|dial|fax|hotline)\b|[☎☏📞])"
    r"[^0-9]{0,12}\Z"
)
_LOOK_BACK: Final = 24
_ABROAD: Final = re.compile(r"\+82[-. ]?(?:\(0\)|0)?")
_JOINTS: Final = re.compile(r"(?<=[0-9])[-. )]{1,2}(?=[0-9])")
_RUN: Final = re.compile("[0-9]++")


def find_codes(text: str) -> list[str]:
    """Return the figures of phone numbers, versions and the like, without what parts them: 15881234.

    Args:
        text: The text, without dates and times.
    """
    known = _ABROAD.sub("0", basic(text).casefold())
    found, position = list[str](), 0
    while match := _RUN.search(known, position):
        end = end_of_no_number(known, match.start())
        position = end or match.end()
        if end:
            found.append(re.sub("[^0-9]", "", known[match.start() : end]))
    return found


def joined_figures(text: str) -> str:
    """Return a text whose figures are joined, so that a code is found however it is parted."""
    return _JOINTS.sub("", _ABROAD.sub("0", basic(text)))


def end_of_no_number(text: str, at: int) -> int | None:
    """Return the end of figures that are no number, None if they are one.

    1588-1234 is a phone number by its beginning, 555-0199 and 1588 1234 by a word such as 문의 or call
    before them; 1600-1800 kcal is none, since it goes up to a unit.

    Args:
        text: The text, in lower case.
        at: Place of the first figure.
    """
    if text[at - 1 : at].isdecimal():
        return None
    if match := _NO_NUMBER.match(text, at):
        return match.end()
    pair = _PAIR.match(text, at)
    if pair is None:
        return None
    is_called = _CALL.search(text[max(0, at - _LOOK_BACK) : at]) is not None
    if not is_called and not (pair["joint"] == "-" and pair["first"] in _NATIONWIDE):
        return None
    unit, _ = unit_after_figures(text, pair.end(), cased=text)
    goes_up = int(pair["first"]) < int(pair["second"])
    return None if goes_up and unit not in {None, "번"} else pair.end()
