"""English and Korean say the same things with the same figures."""

import re
from pathlib import Path

import pytest

import lm_eval_so
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import texts
from lm_eval_so.generator.sources.base import Reason

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


def test_texts__what_fits_a_number_is_one_noun_or_many_in_english() -> None:
    added = [m[2] for text in texts(Language.EN).values() for m in SLOT.finditer(text) if m[2]]
    assert added
    assert not [each for each in added if each.count("/") != 1 or not each.isascii()]


def test_texts__tell_every_reason_of_a_record_that_is_left_out() -> None:
    told = {code for code in texts(Language.KO) if code.startswith("reasons.")}
    assert told == {f"reasons.{reason}" for reason in Reason}


@pytest.mark.parametrize(
    "word",
    [
        "표본",
        "후보",
        "기준선",
        "판정 모델",
        "견주",
        "입증",
        "증명",
        "최솟값",
        "최댓값",
        "문맥",
        "오락가락",
        "메트릭",
        "리포트",
        "개 가운데",
    ],
)
def test_texts__korean_has_one_word_for_one_thing(word: str) -> None:
    assert not [code for code, text in texts(Language.KO).items() if word in text]


def test_texts__a_reason_is_told_in_every_language() -> None:
    """What a metric says is kept in a report, which may be shown in another language."""
    files = (Path(lm_eval_so.__path__[0]) / "evaluator").rglob("*.py")
    in_one = re.compile(r"\bsay\(\s*f?\"metrics\.")
    assert not [str(file) for file in files if in_one.search(file.read_text("utf-8"))]


def slots(text: str) -> set[str]:
    return {match[1] for match in SLOT.finditer(text)}
