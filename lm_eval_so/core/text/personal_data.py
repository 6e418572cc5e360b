"""Personal data and secret keys in a text: found by their shape, and masked.

Shapes are Korean where countries differ. Digits of any script and width count, and invisible
characters do not split a number.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

Kind = Literal[
    "api_key", "email", "rrn", "card", "passport", "license", "phone", "landline", "account"
]
"""Kind of personal data: `rrn` is the 주민등록번호 or 외국인등록번호, `phone` a mobile number."""

USUAL_KINDS: Final[tuple[Kind, ...]] = (
    "api_key",
    "email",
    "rrn",
    "card",
    "passport",
    "license",
    "phone",
)
"""Kinds with a distinctive shape; landlines and accounts look like many other numbers."""


_MOST_PASSES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Personal data found in a text."""

    kind: Kind
    start: int
    end: int
    """Place in the text, end exclusive."""
    plain: str
    """The data with plain digits and without separators, in lower case: equal data, equal text."""
    masked: str
    """The data as it may be shown."""
    confidence: Literal["usual", "high"] = "usual"
    """high: the check digit fits too; numbers issued since October 2020 have none."""


def find_personal_data(text: str, kinds: Collection[Kind] = USUAL_KINDS) -> tuple[Finding, ...]:
    """Find personal data, in the order of the text; where two kinds overlap the first kind counts.

    Args:
        text: The text.
        kinds: Kinds to look for.
    """
    if not _MAY_HOLD.search(text):
        return ()
    folded, places = _fold(text)
    taken = bytearray(len(folded))
    found: list[Finding] = []
    for kind, shape in _SHAPES.items():
        for match in shape.finditer(folded) if kind in kinds else ():
            start, end = match.span()
            if any(taken[start:end]) or not _HOLDS.get(kind, _always)(match[0]):
                continue
            taken[start:end] = b"\1" * (end - start)
            found.append(_finding(kind, match, places))
    return tuple(sorted(found, key=lambda finding: finding.start))


def mask_personal_data(text: str, kinds: Collection[Kind] = USUAL_KINDS) -> str:
    """Return a text with its personal data masked: 010-1234-5678 becomes 010-****-5678.

    Args:
        text: The text.
        kinds: Kinds to mask.
    """
    for _ in range(_MOST_PASSES):  # what is masked may lay bare what it ran into
        pieces, position = [], 0
        for finding in find_personal_data(text, kinds):
            pieces += [text[position : finding.start], finding.masked]
            position = finding.end
        masked = "".join([*pieces, text[position:]])
        if masked == text:
            break
        text = masked
    return text


def squeezed(text: str) -> str:
    """Return a text as `Finding.plain` is written, to look for one in it."""
    return _SEPARATORS.sub("", _fold(text)[0]).lower()


_MAY_HOLD: Final = re.compile(r"\d|[@＠]|PRIVATE|sk-|xox|gh[a-z]_|AKIA|AIza|eyJ|\[redacted:")
_UNSEEN: Final = frozenset(
    "\ufeff\u00ad\u034f\u061c\u115f\u1160\u3164\uffa0"
    + "".join(
        chr(code)
        for first, last in (
            *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F)),
            *((0xFE00, 0xFE0F), (0xE0000, 0xE0FFF)),
        )
        for code in range(first, last + 1)
    )
)
"""Characters that nobody sees (Unicode, Default_Ignorable_Code_Point), and marks of direction."""
_FOLDS: Final = {
    **dict.fromkeys("‐‑‒–—−﹣－ー", "-"),
    **dict.fromkeys("·ㆍ∙・･", "."),
    "\u00a0": " ",
    "\u3000": " ",
    "．": ".",
    "＠": "@",
    "＋": "+",
    "（": "(",
    "）": ")",
}
_SEPARATORS: Final = re.compile(r"[\s.()\-]+")


def _fold(text: str) -> tuple[str, list[int] | None]:
    """Return a text with plain digits, and where each of its characters stood.

    None: at its place.
    """
    if text.isascii():
        return text, None
    chars, places = [], []
    for place, char in enumerate(text):
        if char in _UNSEEN:
            continue
        plain = _FOLDS.get(char, char)
        if not plain.isascii():
            if plain.isdecimal():
                plain = str(unicodedata.decimal(plain))
            elif "\uff21" <= plain <= "\uff5a":
                plain = chr(ord(plain) - 0xFEE0)
        chars.append(plain)
        places.append(place)
    places.append(len(text))
    return "".join(chars), places


# Each begins where nothing like it stands before and repeats within bounds or possessively, so that
# a text takes time in proportion to its length.
_NOT_IN_NUMBER: Final = r"(?<![0-9])(?<![0-9][-.])"
_NO_DIGIT: Final = r"(?![0-9])(?!-[0-9])"
_LOCAL: Final = r"A-Za-z0-9._%+\-"
_DOMAIN: Final = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_SHAPES: Final[Mapping[Kind, re.Pattern[str]]] = {
    "api_key": re.compile(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?:\s|\\n)*+[A-Za-z0-9+/=]{16,}+)*+"
        r"(?:(?:\s|\\n)*+[A-Za-z0-9+/=]{0,15}+(?:\s|\\n)*+-----END [A-Z ]{0,30}KEY-----)?"
        r"|(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,}+|gh[pousr]_[A-Za-z0-9]{36,}+"
        r"|github_pat_[A-Za-z0-9_]{22,}+|AKIA[A-Z0-9]{16}(?![A-Z0-9])|AIza[A-Za-z0-9_-]{35,}+"
        r"|xox[a-z]-[A-Za-z0-9-]{10,}+)"
        r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}+\.eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+"
        r"|\[redacted:[^\]\s]{1,100}\]"  # what the run took out of the answer
    ),
    # where one address runs into the next, both are one finding
    "email": re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]++@{_DOMAIN}(?:[{_LOCAL}]*+@{_DOMAIN})*"),
    "rrn": re.compile(r"(?<![0-9])[0-9]{6} ?- ?[1-8][0-9]{6}(?![0-9])"),
    "card": re.compile(
        rf"{_NOT_IN_NUMBER}(?:[0-9]{{4}}([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{1,7}}"
        rf"|[0-9]{{4}}([ -])[0-9]{{6}}\2[0-9]{{4,5}}|[0-9]{{13,19}}){_NO_DIGIT}"
    ),
    "passport": re.compile(
        r"(?<![A-Za-z0-9])[MSRODGmsrodg](?:[0-9]{8}|[0-9]{3}[A-Za-z][0-9]{4})(?![A-Za-z0-9])"
    ),
    "license": re.compile(
        rf"{_NOT_IN_NUMBER}(?:1[1-9]|2[0-8])-[0-9]{{2}}-[0-9]{{6}}-[0-9]{{2}}{_NO_DIGIT}"
    ),
    "phone": re.compile(
        r"(?<![0-9])(?:\+?82[ .)-]{0,2}\(?0?|\(?0)1(?:0\)?[ .-]{0,3}[0-9]{4}"
        r"|[16789]\)?[ .-]{0,3}[0-9]{3,4})[ .-]{0,3}[0-9]{4}(?![0-9])"
    ),
    "landline": re.compile(
        rf"{_NOT_IN_NUMBER}(?:\+?82[ .)-]{{0,2}}\(?0?|\(?0)"
        r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[0-9]?)"
        rf"\)?[ .-]?[0-9]{{3,4}}[ .-]?[0-9]{{4}}{_NO_DIGIT}"
    ),
    "account": re.compile(
        rf"{_NOT_IN_NUMBER}[0-9]{{2,6}}-[0-9]{{2,6}}-[0-9]{{2,8}}(?:-[0-9]{{1,3}})?{_NO_DIGIT}"
    ),
}


_FEWEST_OF_ACCOUNT: Final = 10


def _always(_: str) -> bool:
    return True


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _is_registration(text: str) -> bool:
    """Return whether a number begins with a real date, with the century by its seventh digit."""
    digits = _digits(text)
    century = 1900 if digits[6] in "1256" else 2000
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    return True


def _has_check_digit(digits: str) -> bool:
    """Return whether the last digit is the check digit of the old rule, for citizens or foreigners."""
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False))
    base = 13 if digits[6] in "5678" else 11
    return (base - total % 11) % 10 == int(digits[12])


def _is_card(text: str) -> bool:
    """Return whether a number has the length of its issuer and the Luhn check digit.

    Source: ISO/IEC 7812-1, annex B.
    """
    digits = _digits(text)
    return _has_issuer(digits) and _luhn(digits) % 10 == 0


def _has_issuer(digits: str) -> bool:
    match len(digits):
        case 13:
            return digits[0] == "4"  # others are barcodes and times in milliseconds
        case 14:
            return digits[0] == "3"
        case 15:
            return digits[:2] in {"34", "35", "37"}
        case 16:
            return digits[0] in "34569" or 2221 <= int(digits[:4]) <= 2720
        case _:
            return digits[0] in "456"


def _is_account(text: str) -> bool:
    """Return whether a number has enough digits for an account, more than a date."""
    return len(_digits(text)) >= _FEWEST_OF_ACCOUNT


def _luhn(digits: str) -> int:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(map(int, digits[-1::-2])) + sum(doubled)


_HOLDS: Final[Mapping[Kind, Callable[[str], bool]]] = {
    "rrn": _is_registration,
    "card": _is_card,
    "account": _is_account,
}


def _finding(kind: Kind, match: re.Match[str], places: list[int] | None) -> Finding:
    start, end = match.span()
    if places is not None:
        start, end = places[start], places[end - 1] + 1
    digits = _digits(match[0])
    is_sure = kind == "card" or (kind == "rrn" and _has_check_digit(digits))
    return Finding(
        kind=kind,
        start=start,
        end=end,
        plain=_SEPARATORS.sub("", match[0]).lower(),
        masked=_mask(kind, match[0]),
        confidence="high" if is_sure else "usual",
    )


def _mask(kind: Kind, found: str) -> str:
    match kind:
        case "api_key":
            return found if found.startswith("[redacted:") else f"{found[:4]}****"
        case "email":
            return f"{found[:1]}***@{found.rpartition('@')[2]}"
        case "passport":
            return f"{found[0]}********"
        case _:
            shown = _SHOWN[kind](_digits(found))
            kept = iter(shown)
            return "".join(next(kept) if char.isdecimal() else char for char in found)


def _shown(first: int, last: int) -> Callable[[str], Iterator[str]]:
    """Show the first and last digits of a number, the others as stars."""

    def show(digits: str) -> Iterator[str]:
        for place, digit in enumerate(digits):
            yield digit if place < first or place >= len(digits) - last else "*"

    return show


_SHOWN: Final[Mapping[str, Callable[[str], Iterator[str]]]] = {
    "rrn": _shown(6, 0),
    "card": _shown(4, 4),
    "license": _shown(2, 0),
    "phone": _shown(3, 4),
    "landline": _shown(2, 4),
    "account": _shown(2, 2),
}
