"""Cases that lost their answer, in words."""

import re

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.lost import Lost, LostCase
from lm_eval_so.core.words import say, texts
from lm_eval_so.core.words.numbers import count

_MOST_NAMES = 5
_CONTENT_ID = re.compile(r"s[0-9a-f]{16}")
"""What `generate` makes; it tells nobody which case is meant."""


def lost_headline(lost: Lost, language: Language) -> str:
    """Say how many cases lost their answer."""
    key = "lost_one" if lost.n == 1 else "lost_many"
    return say(f"comparison.{key}", language, {"n": count(lost.n)})


def lost_reasons(lost: Lost, language: Language) -> str:
    """Say what kept the answers from coming, as HTTP 500: 2, timeout: 1."""
    named = texts(language)
    whys = {why: named.get(f"report.status_{why}", why) for why in lost.by}
    return ", ".join(f"{whys[why]}: {count(n)}" for why, n in lost.by.items())


def lost_names(lost: Lost) -> tuple[str, ...]:
    """Return the names of the first cases: the user's own ids, or else how the question begins."""
    return tuple(map(_name, lost.cases[:_MOST_NAMES]))


def _name(case: LostCase) -> str:
    if case.ref:
        return case.ref
    is_content = _CONTENT_ID.fullmatch(case.sample_id) is not None
    asked = " ".join((case.input or "").split())
    return asked if is_content and asked else case.sample_id
