"""Tests whose documents changed: a model says what still holds, and rules judge what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lm_eval_so.core.asking.answer.json_answer import ask_for_json
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import (
    RENEWAL_SCHEMA,
    Candidate,
    Renewal,
    read_renewal,
)
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.model.cross_check import Checker
from lm_eval_so.generator.writing.model.models import open_models
from lm_eval_so.generator.writing.model.prompts import (
    OldTest,
    language_for,
    renew_request,
    repair_prompt,
)
from lm_eval_so.generator.writing.model.write_rounds import AskAll, Model, Results, Rounds, Terms
from lm_eval_so.generator.writing.rules import Draft, Fault, reexamine
from lm_eval_so.generator.writing.slots import Slot, SlotsNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """A test to renew."""

    test: OldTest
    type: str
    must_say: tuple[str, ...]
    quoted: str
    """The quotes below the header rows of their tables."""
    places: tuple[tuple[Document, int], ...]
    """Documents and places in which its quotes stand now, or in which there is what they have become."""


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

    tests: Sequence[Outdated]
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
        terms = Terms(
            attempts=section.attempts,
            concurrency=config.run.concurrency,
            grace_s=config.run.drain_s,
            style={},
            stop=resources.stop,
            failed=models.not_in_cache,
        )
        asked = AskAll(terms)
        done = await _renew(models.writer, asked, wanted, section.attempts)
        if models.checker is not None and wanted.new_documents and asked.failure is None:
            checker = models.checker, Checker(wanted.new_documents, section.window)
            done |= await _recheck(Rounds(models.writer, checker, terms, asked), wanted)
    results = Results(written=(), tries=(), asking=asked.asking, failure=asked.failure)
    return Renewals(tests=done, results=results)


async def _renew(
    writer: Model, asked: AskAll, wanted: ToRenew, attempts: int
) -> dict[str, Renewed]:
    now = SlotsNow(wanted.documents)
    slots = {
        old.test.id: now.slot(old.type, old.places, (old.test.asked.question, *old.test.quotes))
        for old in wanted.tests
    }
    done = {name: Renewed(state="gone") for name, slot in slots.items() if slot is None}
    for attempt in range(attempts):
        left = [
            (old, slot)
            for old in wanted.tests
            if (slot := slots[old.test.id]) and _is_open(done.get(old.test.id))
        ]
        if not left or asked.failure is not None:
            break

        async def propose(number: int, left: Any = left, attempt: int = attempt) -> Any:
            old, slot = left[number]
            language = language_for(slot.chunk.language)
            return await ask_for_json(
                writer.ask,
                renew_request(slot, old.test, attempt, writer.params),
                read=read_renewal,
                repair=lambda why: repair_prompt(language, why, RENEWAL_SCHEMA),
            )

        replies = await asked.ask(len(left), propose)
        for (old, slot), reply in zip(left, replies, strict=True):
            if reply is not None:
                names = [a.response.model for a in reply[1] if a.response and a.response.model]
                model = names[-1] if names else writer.name or None
                done[old.test.id] = _judge(old, slot, reply[0], model)
    return done


async def _recheck(rounds: Rounds, wanted: ToRenew) -> dict[str, Renewed]:
    """Return the unanswerable tests that documents which are new answer, by id."""
    now = SlotsNow(wanted.new_documents)
    drafts = [
        Draft(
            slot=now.any_slot("unanswerable"),
            said=Candidate(question=o.asked.question, answer="", history=tuple(o.asked.history)),
        )
        for o in wanted.unanswerable
    ]
    ends = await rounds.check(drafts)
    return {
        old.id: Renewed(state="answerable", reason=end.what)
        for old, end in zip(wanted.unanswerable, ends, strict=True)
        if isinstance(end, Fault) and end.reason == "answerable_after_all"
    }


def _is_open(renewed: Renewed | None) -> bool:
    return renewed is None or renewed.state == "failed"


def _judge(old: Outdated, slot: Slot, said: Any, model: str | None) -> Renewed:
    """Return what a reply makes of a test."""
    if not isinstance(said, Renewal):
        return Renewed(state="failed", reason="no_answer")
    if not said.answer and not said.still_true:
        return Renewed(state="gone", model=model)
    history, question = old.test.asked.history, old.test.asked.question

    def draft(answer: str, must_say: Sequence[str]) -> Draft | Fault:
        proposed = Candidate(
            question=question,
            answer=answer,
            quotes=said.quotes,
            must_say=tuple(must_say),
            history=tuple(history),
        )
        return reexamine(slot, proposed)

    if said.still_true:
        same = draft(old.test.answer, old.must_say)
        if isinstance(same, Draft) and _proves_as_much(old, same):
            return Renewed(state="holds", draft=same, model=model)
    new = draft(said.answer or old.test.answer, said.must_say)
    if isinstance(new, Fault):
        return Renewed(state="failed", reason=new.reason)
    return Renewed(state="new_answer", draft=new, model=model)


def _proves_as_much(old: Outdated, draft: Draft) -> bool:
    """Return whether the new quotes hold what must be said, as far as the old ones did."""
    before, now = key(old.quoted), key(draft.quoted)
    return all(known in now for text in old.must_say if (known := key(text)) in before)
