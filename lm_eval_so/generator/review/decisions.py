"""Decisions of people about tests, kept in `review.jsonl`, and applied whenever the dataset is made."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.codec import dump_line, loads, to_json
from lm_eval_so.core.records.enums import Behavior, Language
from lm_eval_so.core.records.review import Decision
from lm_eval_so.core.records.sample import Review, SourceRef, TestSample
from lm_eval_so.core.words import say
from lm_eval_so.errors import InputError, Problem, RecordError, Where
from lm_eval_so.generator.outcomes import STAGE, Dropped, Kept, Outcome
from lm_eval_so.generator.sources.base import Reason, place

REVIEW_FILE: Final = "review.jsonl"
REVIEW: Final = "review"
"""Stage of a line of rejected.jsonl about a test that people rejected."""
_COVERAGE: Final = "keyword_coverage"

Key = tuple[str, str]
"""Id and `rev` of the test that somebody saw."""
Decided = tuple[Decision, TestSample | None]
"""A decision with the test that it leads to; None if it is a rejection."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions that count, one a test; an edited test may have a further one."""

    by_test: Mapping[Key, Decision] = field(default_factory=dict)

    @property
    def rejected(self) -> tuple[TestSample, ...]:
        """The tests that people rejected."""
        return tuple(
            each.sample
            for each in self.by_test.values()
            if each.decision == "reject" and each.sample
        )

    def decided(self, sample: TestSample, met: set[Key] | None = None) -> TestSample | None:
        """Return a test as people want it; None if they rejected it.

        Args:
            sample: The test.
            met: Set that takes the tests on the way which somebody decided about.
        """
        for _ in self.by_test:  # no chain of edits is longer
            decision = self.by_test.get(key_of(sample))
            if decision is None:
                break
            if met is not None:
                met.add(key_of(sample))
            if decision.decision == "reject":
                return None
            made = apply(sample, decision)
            if key_of(made) == key_of(sample):
                return made
            sample = made
        return sample

    def all_decided(self, samples: Iterable[TestSample]) -> Iterator[TestSample]:
        """Yield the tests as people want them, without those that they rejected."""
        return (made for each in samples if (made := self.decided(each)) is not None)

    def outcomes(
        self, outcomes: Iterable[Outcome], listener: Listener, language: Language
    ) -> Iterator[Outcome]:
        """Yield the outcomes of records, their tests as people want them.

        Args:
            outcomes: Outcomes of the sources.
            listener: Listener of the stage, warned of decisions about rows that are there no more.
            language: Language of the warning.
        """
        met: set[Key] = set()
        for each in outcomes:
            made = self.decided(each.sample, met) if isinstance(each, Kept) else None
            if not isinstance(each, Kept):
                yield each
            else:
                yield replace(each, sample=made) if made else Dropped(file=each.file)
        for key, decision in sorted(self.by_test.items()):
            sample = decision.sample
            if sample and (source := _source_of(sample)) and key not in met:
                figures = {"id": decision.id, "question": sample.question}
                figures["place"] = place(source.file, source.at)
                text = say("review.about_nothing", language, figures)
                listener(Warned(stage=STAGE, text=text))

    def with_more(self, decided: Collection[Decided]) -> "Decisions":
        """Return them with newer ones; older ones about the tests that these lead to count no more."""
        made = {key_of(sample) for _, sample in decided if sample}
        kept = {key: each for key, each in self.by_test.items() if key not in made}
        return Decisions(kept | {(each.id, each.rev): each for each, _ in decided})

    def write(self, folder: Path) -> None:
        """Write `review.jsonl`, if there are decisions: sorted, so that two branches seldom change the same line."""
        lines = [f"{_line(each)}\n" for _, each in sorted(self.by_test.items())]
        if lines:
            (folder / REVIEW_FILE).write_text("".join(lines), encoding="utf-8", newline="\n")

    def reject_lines(self, before: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield lines of rejected.jsonl: earlier ones that still count, and those of tests that people rejected since."""
        rejected = {
            key: _reject_line(each, each.sample)
            for key, each in sorted(self.by_test.items())
            if each.decision == "reject" and each.sample
        }
        for line in before:
            key = str(line.get("id")), str(line.get("rev"))
            if line.get("stage") != REVIEW:
                yield line
            elif (known := rejected.pop(key, None)) is not None:
                yield known
        yield from rejected.values()


def key_of(sample: TestSample) -> Key:
    """Return id and `rev` of a test."""
    return sample.id, sample.rev or revision(sample)


def read_decisions(folder: Path) -> Decisions:
    """Read the decisions that are kept in a dataset's folder; none where there is no file.

    Raises:
        RecordError: With the problems of every line.
    """
    file = folder / REVIEW_FILE
    found: dict[Key, Decision] = {}
    problems: list[Problem] = []
    for number, line in read_lines(file) if file.exists() else ():
        try:
            each = loads(line, Decision, where=Where(file=str(file), line=number))
            found[each.id, each.rev] = each
        except InputError as error:
            problems += error.problems
    if problems:
        raise RecordError.of(problems)
    return Decisions(found)


def apply(sample: TestSample, decision: Decision) -> TestSample:
    """Return a test that was accepted or edited, with its state of review, and id and `rev` of its texts."""
    before = sample.review or Review(status="unreviewed")
    if decision.decision == "accept":
        review = replace(before, status="accepted", note=decision.note)
        return replace(sample, review=review)
    made = (
        replace(decision.sample, provenance=sample.provenance)
        if decision.sample
        else _edited(sample, decision)
    )
    made = replace(made, id=content_id(made), rev=revision(made))
    origin = sample.id if made.id != sample.id else before.edited_from
    return replace(made, review=Review(status="edited", note=decision.note, edited_from=origin))


def _edited(sample: TestSample, decision: Decision) -> TestSample:
    messages = [*sample.messages]
    if decision.question is not None:
        last = max(n for n, message in enumerate(messages) if message.role == "user")
        messages[last] = replace(messages[last], content=decision.question)
    expected, behavior = sample.expected, sample.behavior
    if decision.expected is not None:
        expected = decision.expected or None
        if expected is not None and behavior is Behavior.ABSTAIN:
            behavior = Behavior.ANSWER  # there is an answer after all
    metrics = {name: dict(each) for name, each in sample.metrics.items()}
    if decision.must_say is not None:
        keywords: list[JsonValue] = [*decision.must_say]
        own = {**metrics.pop(_COVERAGE, {}), "keywords": keywords}
        if kept := {name: value for name, value in own.items() if value != []}:
            metrics[_COVERAGE] = kept
    return replace(
        sample, messages=tuple(messages), expected=expected, behavior=behavior, metrics=metrics
    )


def phrases_of(sample: TestSample, name: str = "keywords") -> tuple[str, ...]:
    """Return the phrases that a right answer contains, or those that are `forbidden`, as far as they are texts."""
    found = sample.metrics.get(_COVERAGE, {}).get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def is_imported(sample: TestSample) -> bool:
    """Return whether a test comes from a source, as a row or a conversation."""
    return sample.provenance is not None and sample.provenance.method == "import"


def _source_of(sample: TestSample) -> SourceRef | None:
    return sample.provenance.source if sample.provenance and is_imported(sample) else None


def _line(decision: Decision) -> str:
    values = to_json(decision)
    if decision.sample is not None:
        values["sample"] = to_json(decision.sample)
    return dump_line({name: value for name, value in values.items() if value is not None})


def _reject_line(decision: Decision, sample: TestSample) -> dict[str, Any]:
    origin, source = sample.provenance, _source_of(sample)
    line = {
        "stage": REVIEW,
        "reason": Reason.REVIEW_REJECT.value,
        "id": decision.id,
        "rev": decision.rev,
        "slot": origin.slot if origin else None,
        "type": sample.metadata.get("type"),
        "file": source.file if source else None,
        "at": dict(source.at) if source else None,
        "what": ": ".join(filter(None, [decision.reason, decision.note])),
        "question": sample.question,
    }
    return {name: value for name, value in line.items() if value not in (None, "", {})}
