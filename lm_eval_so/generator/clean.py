"""Cleaning of texts, and the language rule; pure functions."""

import re

from pydantic import JsonValue

from lm_eval_so.core.text import nfc

_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_BLANKS = re.compile("[\u00a0\u2007\u202f]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters, but tab and line breaks
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
# A run of blanks or joiners is tried once, at its beginning: else a long one takes quadratic time.
# Joiners spell emoji, Persian and Indic words; beside these characters they are rubbish.
_NEVER_JOINED = "[\\s\u0000-\u052f\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff]"
_JOINER = re.compile(
    f"(?:(?<={_NEVER_JOINED})|^)[\u200c\u200d]+"
    f"|(?<![\u200c\u200d])[\u200c\u200d]++(?={_NEVER_JOINED}|$)"
)
_LINE_ENDS = re.compile(r"(?<![ \t])[ \t]++(?=\n|\Z)")

_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb\uffa1-\uffdc]")
_KANA = re.compile(
    "[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d]"
)
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")


def clean_text(text: str) -> str:
    """Return a text cleaned for a dataset.

    Line breaks become LF; invisible and control characters go; no-break spaces become spaces; the
    ends of lines and of the text are trimmed; the rest is NFC. Inner double spaces stay.
    """
    text = _BREAKS.sub("\n", text)
    text = _JOINER.sub("", _INVISIBLE.sub("", text))
    text = _LINE_ENDS.sub("", _BLANKS.sub(" ", text))
    return nfc(text.strip())


def clean_value(value: JsonValue) -> JsonValue:
    """Clean every text in a JSON value, the keys too."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_value(item) for key, item in value.items()}
    return value


def language_of(text: str) -> str:
    """Return the language of a text by its scripts.

    Returns:
        ko from 30 % Hangul among the letters, ja from 10 % kana, zh if all are Han, en from 70 %
        Latin; "mixed" for other letters, "und" if there are none.
    """
    letters = sum(map(str.isalpha, text))
    if not letters:
        return "und"

    def share(script: re.Pattern[str]) -> float:
        return len(script.findall(text)) / letters

    if share(_HANGUL) >= 0.3:
        return "ko"
    if share(_KANA) >= 0.1:
        return "ja"
    if share(_HAN) >= 1:
        return "zh"
    return "en" if share(_LATIN) >= 0.7 else "mixed"
