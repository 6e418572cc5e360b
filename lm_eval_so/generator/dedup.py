"""Repeated questions: left out as exact duplicates, or counted to take a part of a long log."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from heapq import nsmallest
from itertools import chain

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, ignore
from lm_eval_so.core.hashing import canon, u64
from lm_eval_so.core.records.sample import SimulatedUser, TestSample
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.collect import collect_source
from lm_eval_so.generator.mapping.sample_mapping import ANSWER_FROM_LOG
from lm_eval_so.generator.outcomes import Kept, Outcome, Skipped
from lm_eval_so.generator.sources.base import Reason, Reject, Step, excerpt, place

SEEN = "seen"
"""Key of the metadata with the number of times that a question was asked."""
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
    messages: list[list[object]] = [
        [m.role, text_key(m.content), m.tool_call_id, [[c.name, c.arguments] for c in m.tool_calls]]
        for m in sample.messages
    ]
    if sample.scenario is not None:
        messages += [["user", text_key(text)] for text in sample.user_texts]
    given = [text_key(p.text) for p in sample.context if p.role == "given"]
    played = [text_key(user.goal)] if (user := _user(sample)) else []
    return blake2b(canon([messages, given, *played]), digest_size=16).digest()


def _user(sample: TestSample) -> SimulatedUser | None:
    return sample.scenario.simulated_user if sample.scenario else None


def collect_distinct(
    config: Config,
    listener: Listener,
    decide: Callable[[Iterable[Outcome]], Iterator[Outcome]] = iter,
) -> Iterator[Outcome]:
    """Read every source, as `collect` does, without repeated questions; of a long log as much as is wanted.

    Args:
        config: The config.
        listener: Listener of the stage.
        decide: Puts decisions of people in force, before questions are compared.
    """
    seed = config.generator.seed if config.generator else 0

    def source(number: int, most: int | None) -> Iterator[Outcome]:
        if most is None:
            return collect_source(config, number, listener)
        listeners = iter((ignore, listener))  # what is told is told once
        return _take_part(lambda: collect_source(config, number, next(listeners)), most, seed)

    sources = (source(number, each.sample) for number, each in enumerate(config.sources))
    return drop_duplicates(decide(chain.from_iterable(sources)))


def drop_duplicates(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Turn each sample with a repeated question into a `Reject`, and pass on the rest.

    The reason is `dup_exact` for the same reference, `answer_conflict` for another. A repeated question of
    a log is `dup_exact`, whatever was answered: nobody has to choose one of two answers that nobody vouched for.
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
            if first_answer == answer:
                yield _reject(outcome, f"same question and answer as {first_place}")
            elif ANSWER_FROM_LOG in outcome.sample.flags:
                yield _reject(outcome, f"same question as {first_place}")
            else:
                hint = "keep one of the two answers, or make the questions differ"
                yield _reject(outcome, f"another answer stands at {first_place}", hint)


def _take_part(read: Callable[[], Iterator[Outcome]], most: int, seed: int) -> Iterator[Outcome]:
    """Yield the outcomes of a source, of which at most some samples are taken; the others are skipped.

    Half of the different questions, as the user asks them, are those asked most often; the others come by
    chance. The source is read twice, so that of a question no more than two numbers are held.

    Args:
        read: Reads the source.
        most: Most samples.
        seed: Seed of the choice.

    Yields:
        Of each taken question the first sample, with `metadata.seen`: how often it is asked.
    """
    seen = Counter(_number(each.sample, seed) for each in read() if isinstance(each, Kept))
    often = set(nsmallest((most + 1) // 2, seen, key=lambda number: (-seen[number], number)))
    others = nsmallest(most - len(often), (number for number in seen if number not in often))
    left = often.union(others)
    for outcome in read():
        if not isinstance(outcome, Kept):
            yield outcome
        elif (number := _number(outcome.sample, seed)) in left:
            left.remove(number)
            metadata = dict(sorted({**outcome.sample.metadata, SEEN: seen[number]}.items()))
            yield replace(outcome, sample=replace(outcome.sample, metadata=metadata))
        else:
            yield Skipped(file=outcome.file)


def _number(sample: TestSample, seed: int) -> int:
    user = _user(sample)
    texts = sample.user_texts if user is None else (user.goal,)
    return u64(seed, "sample", text_key("\n".join(texts)))


def _counts(char: str) -> bool:
    # marks are half of the letters in Hindi or Thai
    return char.isalnum() or char in _KEPT_MARKS or unicodedata.category(char)[0] in "LMN"


def _answer_key(sample: TestSample) -> bytes:
    expected = None if sample.expected is None else text_key(sample.expected)
    return blake2b(canon([sample.behavior, expected]), digest_size=16).digest()


def _reject(kept: Kept, what: str, hint: str | None = None) -> Reject:
    return Reject(
        file=kept.file,
        at=kept.at,
        reason=Reason.DUP_EXACT if hint is None else Reason.ANSWER_CONFLICT,
        what=what,
        hint=hint,
        excerpt=excerpt("\n".join(kept.sample.user_texts[-1:])),
        step=Step.DEDUP,
    )
