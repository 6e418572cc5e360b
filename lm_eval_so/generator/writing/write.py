"""Tests written from documents: what is missing is planned, written and judged; what stands stays."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, zip_longest

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SynthesiseSection
from lm_eval_so.core.records.dataset import PlanInfo
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.writing.chunks import Chunk
from lm_eval_so.generator.writing.look_ups import look_ups
from lm_eval_so.generator.writing.model.cross_check import Checker
from lm_eval_so.generator.writing.model.models import open_models
from lm_eval_so.generator.writing.model.write_rounds import Options, Results, Rounds, Try, Written
from lm_eval_so.generator.writing.rules import Draft, Known, examine, known_of
from lm_eval_so.generator.writing.slots import (
    SCENARIO,
    Slot,
    ordered,
    shares,
    slots_of,
    slots_of_changes,
)

__all__ = ["Material", "Options", "Results", "Try", "Work"]
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

    @property
    def missing(self) -> dict[str, int]:
        """Tests by type that do not stand."""
        stand = Counter(self._material.standing.values())
        return {type_: max(0, n - stand[type_]) for type_, n in self.wanted.items()}

    def look_ups(self) -> Results:
        """Write the missing `fact` tests by rule, without a model."""
        known = [*self._material.known]
        written: list[Written] = []
        most = self.missing.get(FACT, 0)
        for slot, said in look_ups(self._material.documents, self._seed) if most else ():
            if len(written) == most:
                break
            if slot.key in self._material.standing:
                continue
            draft = examine(slot, said, known)
            if isinstance(draft, Draft):
                written.append(Written(draft=draft.flagged(KEYLESS), model=None))
                known.append(known_of(draft))
        return Results(written=tuple(written))

    @cached_property
    def slots(self) -> list[Slot]:
        """Slots of the missing tests, in the order of the mix; one tried in vain takes the place of a test."""
        found: list[Slot] = []
        for type_, n in self.missing.items():
            slots = (s for s in self._slots(type_) if s.key not in self._material.standing)
            found += islice(slots, n)
        return found

    def _slots(self, type_: str) -> Iterator[Slot]:
        if type_ == "superseded":
            return slots_of_changes(self._material.documents, self._seed)
        return slots_of(type_, self.chunks, self.section.per_chunk, self._seed)

    def _open(self, tries: Sequence[Try]) -> list[Slot]:
        """Return the slots that were not tried as often as they may be."""
        tried = Counter(each.slot for each in tries)
        return [slot for slot in self.slots if tried[slot.key] < self.section.attempts]

    async def by_models(self, config: Config, resources: Resources, options: Options) -> Results:
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
            checker = Checker(in_force(self._material.documents), self.section.window)
            rounds = Rounds(models, checker, self.section.attempts, options)
            slots = self._open(self._material.tries)
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
        left = Counter(self.missing) - new
        without_model = Counter({NO_CHUNK: left[FACT], NO_MODEL: left.total() - left[FACT]})
        unfilled = self._reasons(outcome) if has_model else +without_model
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
        last = {each.slot: each.reason for each in tries}
        still_open = {slot.key for slot in self._open(tries)}
        found = Counter(
            NOT_ASKED if slot.key in still_open else last[slot.key]
            for slot in self.slots
            if slot.key not in filled
        )
        found[NO_CHUNK] += sum(self.missing.values()) - len(self.slots)
        return +found
