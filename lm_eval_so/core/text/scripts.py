"""Languages of the words of a text, by script: ko, en, ja, zh."""

import re
from typing import Final, Literal

from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.text.sentences import without_fences

ScriptLanguage = Literal["ko", "en", "ja", "zh"]

HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆"
_HANGUL: Final = re.compile("[가-힣ㄱ-ㆎ]")
_KANA: Final = re.compile("[\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\uff66-\uff9f]")
_HAN: Final = re.compile(f"[{HAN}]")
_LATIN: Final = re.compile("[A-Za-z]")
_CODE: Final = re.compile(r"`[^`\n]*`")
_ADDRESS: Final = re.compile(
    r"https?://[!-(*-;=?-Z\\^-z|~]+|www\.[!-(*-;=?-Z\\^-z|~]+"
    r"|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}"
)


def language_share(text: str, language: str | None) -> float | None:
    """Return the share of words in a language, or None if no word has a letter.

    Code, web addresses and e-mail addresses are left out; if nothing else has a letter, fences that
    name no programming language and `code` within lines count. A word with any Hangul
    is Korean (Docker를), with kana Japanese, with 漢字 alone Chinese or Japanese, with A–Z English; with
    other letters none of these.
    """
    found = [_languages(word) for word in _lettered(text)]
    return sum(language in languages for languages in found) / len(found) if found else None


def _lettered(text: str) -> list[str]:
    for kept in (_CODE.sub(" ", without_fences(text)), without_fences(text, keeps_text=True)):
        known = basic(_ADDRESS.sub(" ", kept)).split()
        if found := [word for word in known if any(map(str.isalpha, word))]:
            return found
    return []


def _languages(word: str) -> tuple[ScriptLanguage, ...]:
    if _HANGUL.search(word):
        return ("ko",)
    if _KANA.search(word):
        return ("ja",)
    if _HAN.search(word):
        return ("zh", "ja")
    return ("en",) if _LATIN.search(word) else ()
