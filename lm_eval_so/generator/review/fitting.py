"""Decisions held against the tests that they are about: each fits, or the reason is told."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.review import Decision
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.personal_data import find_personal_data
from lm_eval_so.errors import Problem
from lm_eval_so.generator.dedup import question_key
from lm_eval_so.generator.review.decision_file import TEXTS, Given
from lm_eval_so.generator.review.decisions import (
    Decided,
    Decisions,
    Key,
    apply,
    is_imported,
    key_of,
    phrases_of,
)
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.rules import wrong_size

_WRITE_EDIT = "write edit (수정) if the change is meant, else take it back"
_FILL = "write it, or reject the test"
_SIZE = "a question has 4 letters to 300 characters, an answer at most 600 characters"


def fit(
    given: Iterable[Given | Problem], samples: Sequence[TestSample], kept: Decisions
) -> tuple["Fitting", list[Problem]]:
    """Return the decisions that fit, and a problem for each of the others, in the order of their lines."""
    fitting, problems = Fitting(samples, kept), []
    for each in given:
        if isinstance(each, Problem):
            problems.append(each)
            continue
        try:
            fitting.take(each)
        except _MisfitError as error:
            problems.append(Problem(what=error.what, where=each.where, hint=error.hint))
    return fitting, problems


class _MisfitError(Exception):
    """A decision that does not fit."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class Fitting:
    """Decisions that fit their tests."""

    def __init__(self, samples: Sequence[TestSample], kept: Decisions) -> None:
        self._kept = kept
        self._by_id = {each.id: each for each in samples}
        self._asked = {question_key(each): each.id for each in samples if each.relation is None}
        self._lines: dict[Key, Given] = {}
        self.new: list[Decided] = []
        """Decisions that were not taken over before."""
        self.counts: Counter[str] = Counter()
        """Number of all of them, by kind."""

    def take(self, given: Given) -> None:
        """Take one decision over.

        Raises:
            _MisfitError: If it does not fit.
        """
        decision = given.decision
        seen = decision.id, decision.rev
        sample = self._by_id.get(decision.id)
        is_there = sample is not None and key_of(sample) == seen
        if not given.is_decided:
            if sample is not None and is_there and given.edits(sample):
                what = f"{sample.id}: a text was changed, and nothing decided"
                raise _MisfitError(what, _WRITE_EDIT)
            return
        if (first := self._lines.get(seen)) is not None:
            if replace(first.decision, note=None) == replace(decision, note=None):
                return
            what = f"{decision.id} was decided in line {first.where.line} already"
            raise _MisfitError(what, "keep one of the two")
        if sample is not None and is_there:
            self._add(given, sample)
        elif not _is_same(self._kept.by_test.get(seen), given):
            raise self._late(decision, sample)
        self._lines[seen] = given
        self.counts[decision.decision] += 1

    def _late(self, decision: Decision, sample: TestSample | None) -> _MisfitError:
        """Return the error of a decision about a test that is not there as it was reviewed."""
        known = self._kept.by_test.get((decision.id, decision.rev))
        if known is not None:
            what = f"{decision.id} was decided before, and otherwise: {known.decision}"
            hint = "that decision stands in review.jsonl; review the test as it is now"
            return _MisfitError(what, hint)
        if sample is not None:
            what = f"{decision.id} was changed since: its rev is {sample.rev}, not {decision.rev}"
            return _MisfitError(what, "review it as it is now")
        hint = "is this the review of another dataset, or was the test removed since?"
        return _MisfitError(f"there is no test {decision.id}", hint)

    def _add(self, given: Given, sample: TestSample) -> None:
        decision, edits = given.decision, given.edits(sample)
        texts: dict[str, Any] = dict.fromkeys(TEXTS)
        if decision.decision == "reject":
            self.new.append((replace(decision, **texts, sample=sample), None))
            return
        if decision.decision == "accept" and edits:
            what = f"{sample.id} is accepted, and {', '.join(edits)} changed"
            raise _MisfitError(what, _WRITE_EDIT)
        if decision.decision == "edit" and not edits:
            what = f"{sample.id} is edited, and no text of it differs"
            raise _MisfitError(what, f"change {', '.join(TEXTS)}, or write accept")
        if lost := given.lost(sample, edits):
            what = f"{sample.id} is edited, and the encoding of the file has no {lost[0]}"
            raise _MisfitError(what, "save the table as CSV UTF-8")
        if "question" in edits and not sample.question:
            raise _MisfitError(f"{sample.id} asks no question of its own", "edit it in its source")
        made = apply(sample, replace(decision, **(texts | edits)))
        _refuse_faults(sample, made, edits)
        if "question" in edits:
            other = self._asked.setdefault(question_key(made), sample.id)
            if other != sample.id:
                what = f"{sample.id} asks now what {other} asks"
                raise _MisfitError(what, "reject one of the two")
        whole = made if edits and is_imported(sample) else None
        self.new.append((replace(decision, **(texts | edits), sample=whole), made))


def _is_same(known: Decision | None, given: Given) -> bool:
    """Return whether a decision was taken over before; a table also has the texts that nobody changed."""
    if known is None or known.decision != given.decision.decision:
        return False
    pairs = [(getattr(known, name), getattr(given.decision, name)) for name in TEXTS]
    return known.decision != "edit" or all(
        given.is_same(new, old) for old, new in pairs if old is not None and new is not None
    )


def _refuse_faults(sample: TestSample, made: TestSample, edits: Collection[str]) -> None:
    """Refuse texts that no test may have: too short or long, with personal data, or at odds with each other.

    Raises:
        _MisfitError: If one of the edited texts is so.
    """
    name = sample.id
    question = made.question if "question" in edits else None
    answer = (made.expected or "") if "expected" in edits else None
    if question == "" or (answer == "" and made.behavior is Behavior.ANSWER):
        what = f"{name}: the {'question' if question == '' else 'answer'} is empty"
        raise _MisfitError(what, _FILL)
    if (fault := wrong_size(question, answer or "")) is not None:
        raise _MisfitError(f"{name}: {fault.reason}: {fault.what}", _SIZE)
    said = [*(m.content for m in sample.messages), *sample.answers]
    stood = [*said, *(passage.text for passage in sample.context)]
    known = {each.plain for each in find_personal_data("\n".join(stood))}
    texts = [question or "", answer or "", *(phrases_of(made) if "must_say" in edits else ())]
    personal = find_personal_data("\n".join(texts))
    if found := [each for each in personal if each.plain not in known]:
        what = f"{name}: the edited text has personal data ({found[0].kind})"
        raise _MisfitError(what, "leave it out")
    if made.expected is not None and not is_imported(sample):
        before = _unsaid(sample)
        if lost := [each for each in _unsaid(made) if each not in before]:
            what = f"{name}: the answer does not say {', '.join(lost)}, "
            what += "which every right answer must"
            raise _MisfitError(what, "edit must_say or the answer, so that they agree")


def _unsaid(sample: TestSample) -> list[str]:
    """Return what every right answer must say, and the expected one does not."""
    said = key(sample.expected or "")
    return [each for each in phrases_of(sample) if key(each) not in said]
