"""Tests whose documents changed: a model says what still holds, and rules judge what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import Renewal, read_renewal
from lm_eval_so.generator.writing.chunks import chunks_of
from lm_eval_so.generator.writing.likeness import Search, key
from lm_eval_so.generator.writing.model.cross_check import Checker
from lm_eval_so.generator.writing.model.models import Models, Question, open_models
from lm_eval_so.generator.writing.model.prompts import OldTest, renew_request
from lm_eval_so.generator.writing.model.write_rounds import Results
from lm_eval_so.generator.writing.rules import Draft, Fault, reexamine
from lm_eval_so.generator.writing.slots import NEAREST, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """Fate of a test."""

    state: Literal["holds", "new_answer", "gone", "answerable", "failed"]
    """holds: other quotes, the same answer; gone: no passage answers it; answerable: a new document does, though none
    should; failed: nothing that was said of it passed the rules."""
    draft: Draft | None = None
    model: str | None = None
    reason: str = ""
    """Reason of the last try that failed; the place of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewals:
    """Tests that were renewed, and what it took."""

    tests: Mapping[str, Renewed]
    """Fate of each, by its id; those that were cut off are missing."""
    results: Results
    """Use of the model, and the error that ended the asking; no test was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToRenew:
    """Tests that documents of today may not fit."""

    tests: Sequence[OldTest]
    documents: Sequence[Document]
    """The documents now."""
    unanswerable: Sequence[OldTest] = ()
    """Tests that no document answered."""
    new_documents: Sequence[Document] = ()
    """Documents that were others when these were written."""


async def renew_tests(
    config: Config, resources: Resources, wanted: ToRenew, *, offline: bool
) -> Renewals:
    """Ask the model that writes about tests whose documents changed, and the one that checks about unanswerable ones.

    An answer that passes no rule is asked for again, as often as `synthesise.attempts` says.

    Args:
        config: The config, with a model that writes.
        resources: Resources of the command.
        wanted: The tests.
        offline: Whether only the cache is asked.

    Raises:
        InputError: With every problem of the models' sections.
        BackendError: If a backend cannot get ready.
    """
    generator = config.generator
    assert generator is not None and generator.synthesise is not None  # noqa: S101, PT018 - `has_model`
    section = generator.synthesise
    async with open_models(config, resources, offline=offline) as models:
        done = await _renew(models, wanted, section.attempts)
        if models.checker is not None and models.failure is None:
            done |= await _recheck(models, wanted, section.window)
    results = Results(asking=models.asking, failure=models.failure)
    return Renewals(tests=done, results=results)


async def _renew(models: Models, wanted: ToRenew, attempts: int) -> dict[str, Renewed]:
    slots = _slots(wanted.tests, wanted.documents)
    done = {old.id: Renewed(state="gone") for old in wanted.tests if old.id not in slots}
    for attempt in range(attempts):
        left = [old for old in wanted.tests if old.id not in done or done[old.id].state == "failed"]
        if not left or models.failure is not None:
            break
        questions = [
            Question(
                request=renew_request(slots[old.id], old, attempt, models.writer.params),
                language=slots[old.id].chunk.language,
                read=read_renewal,
            )
            for old in left
        ]
        replies = await models.ask(models.writer, questions)
        for old, reply in zip(left, replies, strict=True):
            if reply is not None:
                done[old.id] = _judge(old, slots[old.id], reply.said, reply.model)
    return done


async def _recheck(models: Models, wanted: ToRenew, window: int) -> dict[str, Renewed]:
    """Return the unanswerable tests that documents which are new answer, by id."""
    chunks = [chunk for document in wanted.new_documents for chunk in chunks_of(document)]
    slots = [Slot(type="unanswerable", chunks=(chunk,), nth=0) for chunk in chunks[:1]]
    drafts = [Draft(slot=slot, said=old.said) for slot in slots for old in wanted.unanswerable]
    ends = await Checker(wanted.new_documents, window).check(models, drafts)
    return {
        old.id: Renewed(state="answerable", reason=end.what)
        for old, end in zip(wanted.unanswerable, ends, strict=False)
        if isinstance(end, Fault) and end.reason == "answerable_after_all"
    }


def _slots(tests: Sequence[OldTest], documents: Sequence[Document]) -> dict[str, Slot]:
    """Return the passages of each test by its id: those at its places, and the nearest."""
    chunks = [chunk for document in documents for chunk in chunks_of(document)]
    search = Search(chunks, lambda chunk: chunk.with_heading)
    slots: dict[str, Slot] = {}
    for old in tests:
        own = [
            chunk
            for document, start in old.places
            for chunk in chunks
            if chunk.document is document and chunk.start <= start < chunk.end
        ]
        near = search.best(old.said.question, *old.said.quotes, most=NEAREST)
        if found := tuple(dict.fromkeys([*own, *near])):
            slots[old.id] = Slot(type=old.type, chunks=found, nth=0)
    return slots


def _judge(old: OldTest, slot: Slot, said: Any, model: str | None) -> Renewed:
    """Return what a reply makes of a test."""
    if not isinstance(said, Renewal):
        return Renewed(state="failed", reason="no_answer")
    if not said.answer and not said.still_true:
        return Renewed(state="gone", model=model)
    if said.still_true:
        same = reexamine(slot, replace(old.said, quotes=said.quotes))
        if isinstance(same, Draft) and _proves_as_much(old, same):
            return Renewed(state="holds", draft=same, model=model)
    answer = said.answer or old.said.answer
    proposed = replace(old.said, answer=answer, quotes=said.quotes, must_say=said.must_say)
    new = reexamine(slot, proposed)
    if isinstance(new, Fault):
        return Renewed(state="failed", reason=new.reason)
    return Renewed(state="new_answer", draft=new, model=model)


def _proves_as_much(old: OldTest, draft: Draft) -> bool:
    """Return whether the new quotes hold what must be said, as far as the old ones did."""
    before, now = key(old.quoted), key(draft.quoted)
    return all(known in now for text in old.said.must_say if (known := key(text)) in before)
