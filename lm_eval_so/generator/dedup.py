"""Exact duplicates: a repeated question, with the same answer or another."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from lm_eval_so.core.hashing import canon
from lm_eval_so.core.records.sample import SimulatedUser, TestSample
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.outcomes import Kept, Outcome
from lm_eval_so.generator.sources.base import Reason, Reject, Step, excerpt, place

_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_LONE_MARK = re.compile(r"(?<![0-9])[.:/-]|[.:/-](?![0-9])")
_KEPT_MARKS = frozenset("+#%.:/-")


def text_key(text: str) -> str:
    """Return a key that is equal for texts that read the same.

    Unicode form, width, case, spaces, punctuation and thousands commas do not count; letters,
    digits and `+ # %` do, and `. : / -` between digits: 1.5 is not 15, C++ is not C.
    """
    folded = unicodedata.normalize("NFKC", clean_text(text)).casefold()
    joined = _LONE_MARK.sub("", _THOUSANDS.sub("", folded))
    key = "".join(char for char in joined if _counts(char))
    return unicodedata.normalize("NFC", key) or "".join(folded.split())


def question_key(sample: TestSample) -> bytes:
    """Return a digest of everything sent to the chatbot, 16 bytes."""
    messages = [
        [m.role, text_key(m.content), m.tool_call_id, [[c.name, c.arguments] for c in m.tool_calls]]
        for m in sample.messages
    ]
    given = [text_key(p.text) for p in sample.context if p.role == "given"]
    played = [text_key(user.goal)] if (user := _user(sample)) else []
    return blake2b(canon([messages, given, *played]), digest_size=16).digest()


def _user(sample: TestSample) -> SimulatedUser | None:
    return sample.scenario.simulated_user if sample.scenario else None


def drop_duplicates(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Turn each sample with a repeated question into a `Reject`, and pass on the rest.

    The reason is `dup_exact` for the same reference, `answer_conflict` for another.
    """
    seen: dict[bytes, tuple[bytes, str]] = {}
    for outcome in outcomes:
        if not isinstance(outcome, Kept):
            yield outcome
            continue
        key, answer = question_key(outcome.sample), _answer_key(outcome.sample)
        if key not in seen:
            seen[key] = answer, place(outcome.file.name, outcome.at)
            yield outcome
        else:
            first_answer, first_place = seen[key]
            yield _reject(outcome, first_place, same=first_answer == answer)


def _counts(char: str) -> bool:
    # marks are half of the letters in Hindi or Thai
    return char.isalnum() or char in _KEPT_MARKS or unicodedata.category(char)[0] in "LMN"


def _answer_key(sample: TestSample) -> bytes:
    expected = None if sample.expected is None else text_key(sample.expected)
    return blake2b(canon([sample.behavior, expected]), digest_size=16).digest()


def _reject(kept: Kept, first: str, *, same: bool) -> Reject:
    what = f"same question and answer as {first}" if same else f"another answer stands at {first}"
    return Reject(
        file=kept.file,
        at=kept.at,
        reason=Reason.DUP_EXACT if same else Reason.ANSWER_CONFLICT,
        what=what,
        hint=None if same else "keep one of the two answers, or make the questions differ",
        excerpt=excerpt(kept.sample.question),
        step=Step.DEDUP,
    )
