"""Units: characters, words, morphemes."""

import unicodedata

import pytest

from lm_eval_so.core.text.units import cut, has_hangul, morphemes, sendable, unit_name


@pytest.mark.parametrize(
    ("text", "has"),
    [("서울", True), ("ㅋㅋ", True), ("GPT 4 漢字", False), ("", False), ("3일", True)],
)
def test_has_hangul__in_any_form(text: str, has: bool) -> None:
    assert has_hangul(text) == has
    assert has_hangul(unicodedata.normalize("NFD", text)) == has


def test_cut__spaces_are_no_units() -> None:
    assert "".join(cut(" 할 수\u3000있다\n", "char")) == "할수있다"
    assert cut(" 할 수\u3000있다\n", "space") == ["할", "수", "있다"]


@pytest.mark.parametrize(
    ("tokenizer", "parts"),
    [
        ("mecab-ko", ["환불", "은", "7", "일", "이내", "에", "가능", "합니다"]),
        ("kiwi", ["환불", "은", "7", "일", "이내", "에", "가능", "하", "ᆸ니다"]),
    ],
)
def test_cut__morphemes_of_either_tokenizer(tokenizer: str, parts: list[str]) -> None:
    assert cut("환불은 7일 이내에 가능합니다", "morph", tokenizer=tokenizer) == parts
    found = morphemes("환불은 7일 이내에 가능합니다", tokenizer)
    assert [m.text for m in found if m.is_particle] == ["은", "에"]
    assert cut("", "morph", tokenizer=tokenizer) == []


@pytest.mark.parametrize("tokenizer", ["mecab-ko", "kiwi"])
def test_morphemes__nothing_is_cut_off(tokenizer: str) -> None:
    """MeCab ends at NUL and refuses surrogates; a line end must not split a morpheme's line."""
    found = morphemes("환불\0가능\ud800\n배송\tEOS\u2028교환", tokenizer)
    assert {"환불", "가능", "배송", "EOS", "교환"} <= {m.text for m in found}


def test_sendable__only_what_cannot_be_sent_is_replaced() -> None:
    assert sendable("가\0나\udfff다😀") == "가\ufffd나\ufffd다😀"


def test_unit_name__says_by_what_morphemes_were_found() -> None:
    assert [unit_name("char", "kiwi"), unit_name("morph", "kiwi")] == ["char", "morph:kiwi"]
