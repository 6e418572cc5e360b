"""The way of a review back into a dataset: every decision is held against the test that it is about."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE, load_dataset
from lm_eval_so.core.files import read_lines, write_all
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.enums import Behavior, Language
from lm_eval_so.core.records.review import Decision
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.personal_data import find_personal_data
from lm_eval_so.errors import DatasetError, NothingToDo, Problem, Where
from lm_eval_so.generator.dataset.hand_edits import is_as_made
from lm_eval_so.generator.dataset.reviewed import as_decided, publish_reviewed
from lm_eval_so.generator.dataset.stored import as_edited, is_written
from lm_eval_so.generator.dataset.to_review import page_of, review_texts, write_review
from lm_eval_so.generator.dataset_tools.verify import main_language
from lm_eval_so.generator.dedup import question_key
from lm_eval_so.generator.review.decisions import (
    REVIEW_FILE,
    Decided,
    Decisions,
    Key,
    apply,
    key_of,
    must_say_of,
    read_decisions,
)
from lm_eval_so.generator.review.decision_file import (
    TEXTS,
    Given,
    decision_table,
    read_decision_file,
)
from lm_eval_so.generator.sources.base import listed
from lm_eval_so.generator.twins.make_twins import is_twin
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.rules import wrong_size
from lm_eval_so.generator.writing.write import NOT_ASKED

_TABLE = "review.csv"
_WRITE_EDIT = "write edit (수정) if the change is meant, else take it back"
_FILL = "write it, or reject the test"
_SIZE = "a question has 4 letters to 300 characters, an answer at most 600 characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Decisions that were taken over."""

    accepted: int
    edited: int
    rejected: int
    open: int
    """Tests that the next `generate` writes."""
    problems: tuple[Problem, ...]
    """Decisions that were left out."""
    files: tuple[Path, ...]
    language: Language
    """Language of what is told about it."""

    @property
    def n(self) -> int:
        """Number of decisions."""
        return self.accepted + self.edited + self.rejected


def take_review(
    folder: Path, file: Path, *, partial: bool = False, language: Language | None = None
) -> Taken:
    """Take the decisions of a file over into a dataset: all, or none if one of them does not fit.

    A decision fits if its test has the `rev` that was reviewed. One that was taken over before counts once.

    Args:
        folder: Folder of the dataset.
        file: File of decisions, as the review page or a spreadsheet saves it.
        partial: Whether the decisions that fit are taken over, whatever the others are.
        language: Language of the page on which the rest is reviewed; None: that of most tests.

    Raises:
        DatasetError: With the problem and line of each decision that does not fit; or the dataset is not
            one of `generate`, or was edited by hand.
        InputError: If a file cannot be read or written.
    """
    if not all((folder / name).exists() for name in (METADATA_FILE, SAMPLES_FILE)):
        hint = "name the folder of a dataset that generate made"
        raise DatasetError(f"{folder} has no {METADATA_FILE} or no {SAMPLES_FILE}", hint=hint)
    if not is_as_made(folder):
        hint = "run generate first: it says what to do about the edits"
        where = Where(file=str(folder / SAMPLES_FILE))
        raise DatasetError("the tests were edited by hand", where=where, hint=hint)
    samples, kept = [*_samples(folder / SAMPLES_FILE)], read_decisions(folder)
    given, problems = read_decision_file(file)
    held = _Held(samples, kept)
    for each in given:
        try:
            held.take(each)
        except _MisfitError as error:
            problems.append(Problem(what=error.what, where=each.where, hint=error.hint))
    problems.sort(key=lambda each: (each.where.line or 0) if each.where else 0)
    if problems and not partial:
        raise DatasetError.of(problems)
    decisions = kept.with_more(held.new)
    left = as_decided(samples, decisions)
    info, files = publish_reviewed(folder, left, decisions)
    language = language or main_language(left)
    pages = write_review(folder, language, shown_as=folder.as_posix())
    return Taken(
        accepted=held.counts["accept"],
        edited=held.counts["edit"],
        rejected=held.counts["reject"],
        open=info.plan.unfilled.get(NOT_ASKED, 0) if info.plan else 0,
        problems=tuple(problems),
        files=(*files, *pages),
        language=language,
    )


def export_review(
    folder: Path, language: Language | None, *, table: bool, everything: bool = False
) -> tuple[Path, ...]:
    """Write the tests to review into a dataset's folder, and return the files.

    Args:
        folder: Folder of the dataset.
        language: Language of the page; None: that of most tests.
        table: Whether it is a table for a spreadsheet instead of the page.
        everything: Whether tests that were reviewed or are a team's own are among them.

    Raises:
        NothingToDo: If there is no test to review.
        InputError: If the dataset cannot be read, or the folder not written to.
    """
    language = language or main_language(load_dataset(folder))
    shown_as = folder.as_posix()
    page = page_of(folder, language, shown_as=shown_as, everything=everything)
    if not page.items:
        raise NothingToDo("every test was reviewed", hint="--all takes them all")
    if table:
        return write_all({folder / _TABLE: decision_table(page.items)})
    texts = review_texts(folder, language, shown_as=shown_as, everything=everything)
    return write_all({folder / name: text for name, text in texts.items()})


def _samples(file: Path) -> Iterator[TestSample]:
    for number, line in read_lines(file):
        sample = loads(line, TestSample, where=Where(file=str(file), line=number))
        yield as_edited(sample) if is_written(sample) else sample


class _MisfitError(Exception):
    """A decision that does not fit.

    Args:
        what: The mistake.
        hint: What to do.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class _Held:
    """Decisions that fit their tests.

    Args:
        samples: The tests of the dataset.
        kept: Decisions that were taken over before.
    """

    def __init__(self, samples: Sequence[TestSample], kept: Decisions) -> None:
        self._kept = kept
        self._by_id = {each.id: each for each in samples}
        self._asked = {question_key(each): each.id for each in samples if not is_twin(each)}
        self._lines: dict[Key, Given] = {}
        self.new: list[Decided] = []
        self.counts: Counter[str] = Counter()

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
                raise _MisfitError(
                    f"{sample.id}: a text was changed, and nothing decided", _WRITE_EDIT
                )
            return
        if (first := self._lines.get(seen)) is not None:
            if replace(first.decision, note=None) == replace(decision, note=None):
                return
            line = first.where.line
            raise _MisfitError(
                f"{decision.id} was decided in line {line} already", "keep one of the two"
            )
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
            return _MisfitError(
                what, f"that decision stands in {REVIEW_FILE}; review the test as it is now"
            )
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
            raise _MisfitError(
                f"{sample.id} is accepted, and {listed([*edits])} changed", _WRITE_EDIT
            )
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
                raise _MisfitError(
                    f"{sample.id} asks now what {other} asks", "reject one of the two"
                )
        whole = made if edits and not is_written(sample) else None
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
        raise _MisfitError(
            f"{name}: the {'question' if question == '' else 'answer'} is empty", _FILL
        )
    if (fault := wrong_size(question, answer or "")) is not None:
        raise _MisfitError(f"{name}: {fault.reason}: {fault.what}", _SIZE)
    text = "\n".join(
        [question or "", answer or "", *(must_say_of(made) if "must_say" in edits else ())]
    )
    if found := find_personal_data(text):
        raise _MisfitError(
            f"{name}: the edited text has personal data ({found[0].kind})", "leave it out"
        )
    if made.expected is not None and is_written(sample):
        missing = [each for each in must_say_of(made) if key(each) not in key(made.expected)]
        before = [
            each for each in must_say_of(sample) if key(each) not in key(sample.expected or "")
        ]
        if lost := [each for each in missing if each not in before]:
            what = f"{name}: the answer does not say {listed(lost)}, which every right answer must"
            raise _MisfitError(what, "edit must_say or the answer, so that they agree")
