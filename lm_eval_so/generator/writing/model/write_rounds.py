"""Rounds: all open slots are asked at once, their proposals are judged in order, what failed goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import LMEvalError
from lm_eval_so.generator.writing.candidate import (
    Candidate,
    read_candidate,
    read_scene,
)
from lm_eval_so.generator.writing.model.cross_check import Checker
from lm_eval_so.generator.writing.model.models import Asking, Models, Question
from lm_eval_so.generator.writing.model.prompts import (
    Brief,
    language_for,
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

_UNREADABLE: Final = {
    "no_json": "bad_json",
    "several": "bad_json",
    "bad_value": "bad_schema",
    "cut": "truncated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of writing by a model."""

    style: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Questions of real users by language."""
    offline: bool = False
    """Whether only the cache is asked."""
    only: int | None = None
    """Number of tests to try out; None: all that are missing."""
    tell: Callable[[int, int], None] = lambda *_: None
    """Takes the numbers of tests written, and of proposals thrown away."""


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

    written: tuple[Written, ...] = ()
    tries: tuple[Try, ...] = ()
    asking: Asking = field(default_factory=Asking)
    failure: LMEvalError | None = None
    """The error that ended it early."""


class Rounds:
    """Writes the tests of slots.

    Args:
        models: The models.
        checker: Questions to the model that checks, if there is one.
        attempts: Most tries of a slot.
        options: Style of the questions, and a listener.
    """

    def __init__(self, models: Models, checker: Checker, attempts: int, options: Options) -> None:
        self._models, self._checker = models, checker
        self._attempts, self._options = attempts, options
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
        self._known, self._tries = [*known], [*earlier]
        while self._models.failure is None and (left := [s for s in slots if self._is_open(s)]):
            await self._round(left)
        return Results(
            written=tuple(self._written[s.key] for s in slots if s.key in self._written),
            tries=tuple(self._tries[len(earlier) :]),
            asking=self._models.asking,
            failure=self._models.failure,
        )

    def _is_open(self, slot: Slot) -> bool:
        return slot.key not in self._written and self._tried(slot) < self._attempts

    def _tried(self, slot: Slot) -> int:
        return sum(each.slot == slot.key for each in self._tries)

    async def _round(self, slots: Sequence[Slot]) -> None:
        writer = self._models.writer
        questions = [
            Question(
                request=write_request(slot, self._brief(slot), writer.params),
                language=slot.chunk.language,
                read=read_scene if slot.type == SCENARIO else read_candidate,
            )
            for slot in slots
        ]
        drafts: list[tuple[Draft, str | None]] = []
        replies = await self._models.ask(writer, questions)
        for slot, reply in zip(slots, replies, strict=True):
            if reply is None:
                continue
            seen = [*self._known, *(known_of(draft) for draft, _ in drafts)]
            draft = self._judge(slot, reply.said, seen)
            if isinstance(draft, Fault):
                asked = reply.said.question if isinstance(reply.said, Candidate) else ""
                self._throw_away(slot, draft, asked)
            else:
                drafts.append((draft, reply.model))
        decided = await self._checker.check(self._models, [draft for draft, _ in drafts])
        for (draft, model), end in zip(drafts, decided, strict=True):
            if isinstance(end, Fault):
                self._throw_away(draft.slot, end, draft.said.question)
            elif end is not None:
                self._written[draft.slot.key] = Written(draft=end, model=model)
                self._known.append(known_of(end))
        self._options.tell(len(self._written), len(self._tries))

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
            style=self._options.style.get(slot.chunk.language, ()),
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
        if isinstance(draft, Fault) or (fault := copied(draft)) is None:
            return draft
        is_last = self._tried(slot) + 1 >= self._attempts
        return draft.flagged("echoes_source") if is_last else fault

    def _throw_away(self, slot: Slot, fault: Fault, question: str) -> None:
        thrown = Try(
            slot=slot.key,
            type=slot.type,
            place=slot.chunk.place,
            attempt=self._tried(slot),
            reason=fault.reason,
            what=fault.what,
            question=question,
            avoid=fault.avoid,
        )
        self._tries.append(thrown)
