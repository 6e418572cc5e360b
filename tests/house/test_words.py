"""English and Korean say the same things with the same figures."""

import re

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import texts

SLOT = re.compile(r"\{(\w+)(?::([^}]+))?\}")


def test_texts__same_codes_in_both_languages() -> None:
    assert sorted(texts(Language.EN)) == sorted(texts(Language.KO))


def test_texts__same_slots_in_both_languages() -> None:
    english, korean = texts(Language.EN), texts(Language.KO)
    differing = {
        code: (slots(english[code]), slots(korean[code]))
        for code in english
        if slots(english[code]) != slots(korean[code])
    }
    assert not differing


def test_texts__particles_stand_in_korean_only() -> None:
    assert not [
        c for c, text in texts(Language.EN).items() if any(m[2] for m in SLOT.finditer(text))
    ]


def slots(text: str) -> set[str]:
    return {match[1] for match in SLOT.finditer(text)}
