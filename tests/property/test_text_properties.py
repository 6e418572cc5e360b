"""What holds of every text."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.text.keywords import keyword_finder
from lm_eval_so.core.text.korean import close_spaces, strip_copula, strip_josa
from lm_eval_so.core.text.profiles import (
    PROFILES,
    answer_variants,
    basic,
    korquad,
    loose,
)

HANGUL = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3))
JAMO = st.text("ㄱㅏ\u1100\u1161\u11a8\u110f ａ１　.,'\"()")
ANY = st.one_of(
    st.text(), HANGUL, JAMO, st.text("0123456789,. 일원가나는이 입니다"), st.text("漢字(가) ")
)


@given(ANY)
def test_basic__composed_and_decomposed_are_one(text: str) -> None:
    forms = {basic(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


@given(ANY)
def test_profiles__composed_and_decomposed_are_one(text: str) -> None:
    for name in ("basic", "loose", "korquad"):
        profile = PROFILES[name]
        assert profile(unicodedata.normalize("NFC", text)) == profile(
            unicodedata.normalize("NFD", text)
        )
    variants = [answer_variants(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")]
    assert variants[0] == variants[1]


@given(HANGUL)
def test_profiles__hangul_is_kept(text: str) -> None:
    assert basic(text) == loose(text) == korquad(text) == text


@given(ANY)
def test_basic__has_single_spaces_inside_only(text: str) -> None:
    found = basic(text)
    assert found == " ".join(found.split())


@given(ANY)
def test_answer_variants__every_text_meets_itself(text: str) -> None:
    assert answer_variants(text) & answer_variants(text)
    assert loose(text) in answer_variants(text) or "(" in basic(text)


@given(ANY)
def test_stripping__gives_a_beginning_and_never_nothing(word: str) -> None:
    for strip in (strip_josa, strip_copula):
        stem = strip(word)
        assert word.startswith(stem)
        assert bool(stem) == bool(word)


@given(ANY, ANY)
def test_keyword_finder__spaces_at_hangul_do_not_matter(text: str, keyword: str) -> None:
    if not close_spaces(basic(keyword).casefold()):
        return
    spaced = " ".join(text)
    only_hangul = all("가" <= char <= "힣" for char in text)
    if only_hangul:
        assert keyword_finder(spaced)(keyword) == keyword_finder(text)(keyword)


@given(HANGUL.filter(bool), HANGUL, HANGUL)
def test_keyword_finder__hangul_is_found_wherever_it_stands(
    keyword: str, before: str, after: str
) -> None:
    assert keyword_finder(before + keyword + after)(keyword)


@given(ANY.filter(lambda text: basic(text) != ""))
def test_keyword_finder__a_text_has_itself_as_a_word(text: str) -> None:
    assert keyword_finder(f"({text})", boundary="word")(text)
