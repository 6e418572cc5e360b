"""Tests written from documents: what is missing is planned, written and judged; what stands stays."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SynthesiseSection
from lm_eval_so.core.records.dataset import PlanInfo
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.writing.chunks import Chunk
from lm_eval_so.generator.writing.look_ups import look_ups
from lm_eval_so.generator.writing.model.cross_check import Checker
from lm_eval_so.generator.writing.model.models import open_models, told_by
from lm_eval_so.generator.writing.model.write_rounds import (
    Asking,
    Results,
    Rounds,
    Terms,
    Try,
    Written,
)
from lm_eval_so.generator.writing.rules import Draft, Known, examine, known_of
from lm_eval_so.generator.writing.slots import (
    SCENARIO,
    Plan,
    Slot,
    Wanted,
    changed,
    ordered,
    plan,
    shares,
)

__all__ = [
    "FACT",
    "KEYLESS",
    "NOT_ASKED",
    "NO_CHUNK",
    "NO_MODEL",
    "Asking",
    "Material",
    "Options",
    "Results",
    "Try",
    "Work",
    "told_by",
]

FACT = "fact"
KEYLESS = "keyless"
"""Flag of a test that was written without a model."""
NO_MODEL, NOT_ASKED, NO_CHUNK = "no_model", "not_asked", "no_chunk"
"""Reasons of tests that were not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Documents to write tests from, and what stands."""

    documents: Sequence[Document]
    known: Sequence[Known] = ()
    """Questions of the sources and of the tests that stand."""
    standing: Mapping[str, str] = field(default_factory=dict)
    """Type of each test that stands, by the key of its slot."""
    tries: Sequence[Try] = ()
    """Tries in vain of earlier runs that count."""


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


def one_of_each(slots: Sequence[Slot], most: int) -> list[Slot]:
    """Return the first slots, one of each type in turn."""
    by_type: dict[str, list[Slot]] = {}
    for slot in slots:
        by_type.setdefault(slot.type, []).append(slot)
    rows = zip_longest(*by_type.values())
    return [slot for row in rows for slot in row if slot is not None][:most]


class Work:
    """The tests that are missing.

    Args:
        material: Documents, and what stands.
        section: The settings.
        seed: Seed of every choice.
    """

    def __init__(self, material: Material, section: SynthesiseSection, seed: int) -> None:
        self.section = section
        """The settings."""
        self._material, self._seed = material, seed
        self.wanted = shares(section.questions, {str(type_): n for type_, n in section.mix.items()})
        if section.scenarios:
            self.wanted[SCENARIO] = section.scenarios

    @cached_property
    def chunks(self) -> list[Chunk]:
        """Chunks of all documents in the order of planning."""
        return ordered(self._material.documents, self._seed)

    @cached_property
    def _changed(self) -> list[tuple[Chunk, Chunk]]:
        return changed(self._material.documents, self._seed)

    @property
    def missing(self) -> dict[str, int]:
        """Tests by type that do not stand."""
        stand = Counter(self._material.standing.values())
        return {type_: max(0, n - stand[type_]) for type_, n in self.wanted.items()}

    def look_ups(self) -> Results:
        """Write the missing `fact` tests by rule, without a model."""
        known = [*self._material.known]
        written: list[Written] = []
        found = (
            look_ups(in_force(self._material.documents), self._seed)
            if self.missing.get(FACT)
            else ()
        )
        for slot, said in found:
            if len(written) == self.missing[FACT]:
                break
            if slot.key in self._material.standing:
                continue
            draft = examine(slot, said, known)
            if isinstance(draft, Draft):
                written.append(Written(draft=draft.flagged(KEYLESS), model=None))
                known.append(known_of(draft))
        return Results(written=tuple(written), tries=(), asking=Asking())

    def plan(self) -> Plan:
        """Return the slots to fill by a model."""
        tried = Counter(each.slot for each in self._material.tries)
        wanted = Wanted(
            counts=self.missing,
            per_chunk=self.section.per_chunk,
            superseded=self._changed if self.missing.get("superseded") else (),
            standing=self._material.standing.keys(),
            spent={slot for slot, n in tried.items() if n >= self.section.attempts},
        )
        return plan(self.chunks, wanted, self._seed)

    async def by_models(
        self, config: Config, resources: Resources, options: Options = Options()
    ) -> Results:
        """Write the missing tests by a model.

        Args:
            config: The config, with a model that writes.
            resources: Resources of the command.
            options: Options of this run.

        Raises:
            InputError: With every problem of the models' sections.
            BackendError: If a backend cannot get ready.
        """
        async with open_models(config, resources, offline=options.offline) as models:
            checker = None
            if models.checker is not None:
                most = self.section.window
                checker = models.checker, Checker(in_force(self._material.documents), most)
            terms = Terms(
                attempts=self.section.attempts,
                concurrency=config.run.concurrency,
                grace_s=config.run.drain_s,
                style=options.style,
                stop=resources.stop,
                tell=options.tell,
                failed=models.not_in_cache,
            )
            rounds = Rounds(models.writer, checker, terms)
            slots = self.plan().slots
            chosen = slots if options.only is None else one_of_each(slots, options.only)
            return await rounds.write(chosen, self._material.known, self._material.tries)

    def figures(self, outcome: Results, *, has_model: bool) -> PlanInfo:
        """Return what was wanted, what stands now, and why the rest does not.

        Args:
            outcome: Tests that were written now.
            has_model: Whether there is a model that writes.
        """
        new = Counter(each.draft.slot.type for each in outcome.written)
        stand = Counter(self._material.standing.values()) + new
        open_ = {type_: n - new[type_] for type_, n in self.missing.items() if n > new[type_]}
        unfilled: Counter[str] = Counter()
        if has_model:
            unfilled = self._reasons(outcome)
        else:
            for type_, n in open_.items():
                unfilled[NO_CHUNK if type_ == FACT else NO_MODEL] += n
        return PlanInfo(
            wanted={type_: n for type_, n in self.wanted.items() if n},
            written={
                type_: stand[type_]
                for type_ in dict.fromkeys([*self.wanted, *sorted(stand)])
                if stand[type_]
            },
            unfilled=dict(sorted(unfilled.items())),
        )

    def _reasons(self, outcome: Results) -> Counter[str]:
        """Return why tests are missing: for each slot its last try, for the others that there is no passage."""
        filled = {each.draft.slot.key for each in outcome.written}
        tries = [*self._material.tries, *outcome.tries]
        last, tried = {each.slot: each for each in tries}, Counter(each.slot for each in tries)
        planned = self.plan()
        found = Counter(
            last[slot.key].reason if tried[slot.key] >= self.section.attempts else NOT_ASKED
            for slot in (*planned.slots, *planned.tried)
            if slot.key not in filled
        )
        found[NO_CHUNK] += sum(planned.no_chunk.values())
        return +found
