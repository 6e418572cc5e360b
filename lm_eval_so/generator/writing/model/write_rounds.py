"""Rounds: all open slots are asked at once, their proposals are judged in order, what failed goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Ask, Unusable, ask_for_json
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import LMEvalError
from lm_eval_so.generator.writing.candidate import Candidate, read_candidate, read_scene
from lm_eval_so.generator.writing.model.ask_all import AskAll, Asking, Terms
from lm_eval_so.generator.writing.model.cross_check import (
    VERDICTS,
    Checker,
    Held,
    Verdict,
    Window,
    read_verdicts,
)
from lm_eval_so.generator.writing.model.prompts import (
    Asked,
    Brief,
    check_request,
    language_for,
    repair_prompt,
    write_request,
)
from lm_eval_so.generator.writing.rules import (
    Draft,
    Fault,
    Known,
    copied,
    doc_id,
    examine,
    known_of,
)
from lm_eval_so.generator.writing.scenario import settled
from lm_eval_so.generator.writing.slots import SCENARIO, Slot

__all__ = ["AskAll", "Asking", "Model", "Results", "Rounds", "Terms", "Try", "Written"]

T = TypeVar("T")
_UNREADABLE: Final = {
    "no_json": "bad_json",
    "several": "bad_json",
    "bad_value": "bad_schema",
    "cut": "truncated",
}
_NOT_ASKED: Final = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is asked."""

    ask: Ask
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    name: str = ""
    """Name for answers that tell none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A proposal that was thrown away."""

    slot: str
    """Key of the slot."""
    type: str
    place: str
    """File and heading of its passage."""
    attempt: int
    reason: str
    what: str
    question: str = ""
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A test that was accepted."""

    draft: Draft
    model: str | None
    """The model that wrote it; None for a look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Tests that were written, and what it took."""

    written: tuple[Written, ...]
    tries: tuple[Try, ...]
    asking: Asking
    failure: LMEvalError | None = None
    """The error that ended it early."""


class Rounds:
    """Writes the tests of slots.

    Args:
        writer: The model that proposes.
        checker: The model that checks, and what it is asked; None: nothing is checked.
        terms: Terms of writing.
        asked: Use of the models before; default: none.
    """

    def __init__(
        self,
        writer: Model,
        checker: tuple[Model, Checker] | None,
        terms: Terms,
        asked: AskAll | None = None,
    ) -> None:
        self._writer, self._checker, self._terms = writer, checker, terms
        self._all = asked or AskAll(terms)
        self._known: list[Known] = []
        self._tries: list[Try] = []
        self._written: dict[str, Written] = {}

    async def write(
        self, slots: Sequence[Slot], known: Sequence[Known], earlier: Sequence[Try]
    ) -> Results:
        """Write tests until each slot has one or was tried often enough.

        Args:
            slots: The slots, in the order of the plan.
            known: Questions that stand.
            earlier: Tries of earlier runs, which count.
        """
        self._known = [*known]
        self._tries = [*earlier]
        opened = [slot for slot in slots if self._attempts(slot) < self._terms.attempts]
        while opened and self._all.failure is None:
            await self._round(opened)
            opened = [
                slot
                for slot in opened
                if slot.key not in self._written and self._attempts(slot) < self._terms.attempts
            ]
        return Results(
            written=tuple(self._written[s.key] for s in slots if s.key in self._written),
            tries=tuple(self._tries[len(earlier) :]),
            asking=self._all.asking,
            failure=self._all.failure,
        )

    def _attempts(self, slot: Slot) -> int:
        return sum(each.slot == slot.key for each in self._tries)

    async def _round(self, slots: Sequence[Slot]) -> None:
        requests = [write_request(s, self._brief(s), self._writer.params) for s in slots]
        languages = [language_for(slot.chunk.language) for slot in slots]

        async def propose(number: int) -> Any:
            return await ask_for_json(
                self._writer.ask,
                requests[number],
                read=read_scene if slots[number].type == SCENARIO else read_candidate,
                repair=lambda why: repair_prompt(
                    languages[number], why, requests[number].response_format or {}
                ),
            )

        found = await self._all.ask(len(slots), propose)
        drafts: list[tuple[Draft, str | None]] = []
        for slot, reply in zip(slots, found, strict=True):
            if reply is None:
                continue
            proposal, answers = reply
            seen = [*self._known, *(known_of(draft) for draft, _ in drafts)]
            draft = self._judge(slot, proposal, seen)
            if isinstance(draft, Fault):
                said = proposal.question if isinstance(proposal, Candidate) else ""
                self._throw_away(slot, draft, said)
            else:
                models = [a.response.model for a in answers if a.response and a.response.model]
                drafts.append((draft, models[-1] if models else self._writer.name or None))
        decided = await self.check([draft for draft, _ in drafts])
        for (draft, model), end in zip(drafts, decided, strict=True):
            if isinstance(end, Fault) and end.reason != _NOT_ASKED:
                self._throw_away(draft.slot, end, draft.said.question)
            elif isinstance(end, Draft):
                self._written[draft.slot.key] = Written(draft=end, model=model)
                self._known.append(known_of(end))
        self._terms.tell(len(self._written), len(self._tries))

    def _brief(self, slot: Slot) -> Brief:
        places = {(doc_id(chunk.document), chunk.start, chunk.end) for chunk in slot.chunks}
        asked = [
            known.asked
            for known in self._known
            if any(
                d == e and a < end and start < b
                for d, a, b in known.places
                for e, start, end in places
            )
        ]
        tries = [each for each in self._tries if each.slot == slot.key]
        repeated = [each.question for each in tries if each.reason.startswith("dup_")]
        return Brief(
            style=self._terms.style.get(slot.chunk.language, ()),
            avoid=tuple(dict.fromkeys(run for each in tries for run in each.avoid)),
            asked=tuple(dict.fromkeys([*asked, *repeated])),
            attempt=len(tries),
        )

    def _judge(
        self, slot: Slot, proposal: Candidate | Unusable | Answer, known: Sequence[Known]
    ) -> Draft | Fault:
        """Return a proposal that passed the rules; one in the source's words only if it is the last."""
        if isinstance(proposal, Unusable):
            return Fault(reason=_UNREADABLE[proposal.code], what=proposal.figures.get("key", ""))
        if isinstance(proposal, Answer):
            refused = proposal.status in {RunStatus.REFUSED, RunStatus.FILTERED}
            what = proposal.error.message if proposal.error else proposal.status.value
            return Fault(reason="refusal_text" if refused else "no_answer", what=what)
        draft = examine(slot, proposal, known)
        if isinstance(draft, Draft):
            draft = settled(draft, language_for(slot.chunk.language))
        fault = copied(draft) if isinstance(draft, Draft) else None
        if fault is None or isinstance(draft, Fault):
            return draft
        if self._attempts(slot) + 1 < self._terms.attempts:
            return fault
        return draft.flagged("echoes_source")

    def _throw_away(self, slot: Slot, fault: Fault, question: str) -> None:
        thrown = Try(
            slot=slot.key,
            type=slot.type,
            place=slot.chunk.place,
            attempt=self._attempts(slot),
            reason=fault.reason,
            what=fault.what,
            question=question,
            avoid=fault.avoid,
        )
        self._tries.append(thrown)

    async def check(self, drafts: Sequence[Draft]) -> list[Draft | Fault]:
        """Return each draft with the flags of its check, or its fault; `not_asked` if it was cut off.

        Conversations to play are no questions that documents could answer, and pass.
        """
        if self._checker is None:
            return [draft.flagged("unchecked") for draft in drafts]
        model, checker = self._checker
        held = checker.requests([draft for draft in drafts if draft.said.scene is None])

        async def hold(number: int) -> Any:
            return await _hold(model, held[number])

        replies = await self._all.ask(len(held), hold)
        told: dict[int, list[tuple[Window, Verdict]]] = {id(draft): [] for draft in drafts}
        faults: dict[int, Fault] = {}
        for each, reply in zip(held, replies, strict=True):
            verdicts = reply[0] if reply is not None else None
            for number, draft in enumerate(each.drafts):
                if verdicts is None:
                    faults[id(draft)] = Fault(reason=_NOT_ASKED)
                elif isinstance(verdicts, Unusable | Answer):
                    faults.setdefault(id(draft), Fault(reason="check_failed"))
                else:
                    told[id(draft)].append((each.window, verdicts[number]))
        return [
            draft
            if draft.said.scene is not None
            else faults.get(id(draft)) or checker.decide(draft, told[id(draft)])
            for draft in drafts
        ]


async def _hold(model: Model, held: Held) -> Any:
    language = language_for(held.drafts[0].slot.chunk.language)
    questions = [Asked(question=d.said.question, history=d.said.history) for d in held.drafts]
    request = check_request(
        held.window.passages, questions, VERDICTS, model.params, language=language
    )
    return await ask_for_json(
        model.ask,
        request,
        read=lambda output: read_verdicts(output, len(questions)),
        repair=lambda why: repair_prompt(language, why, VERDICTS),
    )
