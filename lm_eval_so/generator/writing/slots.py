"""The plan: how many tests of each type, and from which chunks, whatever was read or answered first."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lm_eval_so.core.hashing import digest, u64
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.writing.chunks import Chunk, chunks_of
from lm_eval_so.generator.writing.conflicts import superseded_passages
from lm_eval_so.generator.writing.likeness import Search

SCENARIO = "scenario"
"""Type of a test that is a conversation to play."""
_NEAREST = 3
"""Chunks that a question over several passages, or a test to renew, may use besides its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One test to write."""

    type: str
    chunks: tuple[Chunk, ...]
    """The chunk that it is about; for `multi_hop` its nearest ones of other sections, too, for `superseded` the one
    that no longer holds."""
    nth: int
    """Number of the slot among those of its type and chunk, from 0."""

    @property
    def chunk(self) -> Chunk:
        """The chunk that the test is about."""
        return self.chunks[0]

    @property
    def key(self) -> str:
        """Digest of type, texts and number: the same as long as these are."""
        return slot_key(self.type, [chunk.sha256 for chunk in self.chunks], self.nth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The slots that are open, and those that the documents do not have."""

    slots: tuple[Slot, ...]
    no_chunk: Mapping[str, int]
    """Tests by type for which there are too few chunks."""
    tried: tuple[Slot, ...]
    """Slots that were tried in vain before, as often as they may be."""


def slot_key(type_: str, hashes: Sequence[str], nth: int) -> str:
    """Return the key of a slot, 16 hexadecimal digits."""
    return digest([type_, list(hashes), nth])[:16]


def shares(questions: int, mix: Mapping[str, int]) -> dict[str, int]:
    """Return the tests of each type: whole numbers in proportion to the mix, by largest remainder.

    Args:
        questions: Number of all tests.
        mix: Share of each type; of equal remainders the first in the mix counts.
    """
    whole = sum(mix.values())
    exact = {type_: questions * share for type_, share in mix.items()}
    found = {type_: part // whole for type_, part in exact.items()}
    rest = sorted(exact, key=lambda type_: -(exact[type_] % whole))[
        : questions - sum(found.values())
    ]
    return {type_: n + (type_ in rest) for type_, n in found.items()}


def ordered(documents: Sequence[Document], seed: int) -> list[Chunk]:
    """Return the chunks of documents in force in the order of planning: one of each document in turn.

    The order depends on seed and contents alone, so that a document more moves no other.
    """
    by_document = sorted(in_force(documents), key=lambda d: (u64(seed, "doc", d.sha256), d.file))
    lists = [
        sorted(chunks_of(document), key=lambda c: (u64(seed, "chunk", c.sha256), c.start))
        for document in by_document
    ]
    return [chunk for row in zip_longest(*lists) for chunk in row if chunk is not None]


def changed(documents: Sequence[Document], seed: int) -> list[tuple[Chunk, Chunk]]:
    """Return the places where documents supersede others, (newer, older), in the order of planning."""
    return sorted(
        superseded_passages(documents),
        key=lambda pair: u64(seed, "superseded", *(chunk.sha256 for chunk in pair)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Tests to plan."""

    counts: Mapping[str, int]
    """Tests by type that do not stand yet."""
    per_chunk: int
    """Most slots of a type from one chunk."""
    standing: Collection[str] = ()
    """Keys of the slots whose tests stand."""
    superseded: Sequence[tuple[Chunk, Chunk]] = ()
    """Chunks that hold, each with one of an older document that differs from it."""
    spent: Collection[str] = ()
    """Keys of the slots that were tried in vain, as often as they may be."""


def plan(chunks: Sequence[Chunk], wanted: Wanted, seed: int) -> Plan:
    """Choose the slots to fill, in the order of the mix; a slot tried in vain takes the place of a test.

    Args:
        chunks: Chunks in the order of planning.
        wanted: Tests that do not stand yet.
        seed: Seed of the chunk that a type begins with.
    """
    slots: list[Slot] = []
    no_chunk: dict[str, int] = {}
    tried: list[Slot] = []
    search = (
        Search([chunk.with_heading for chunk in chunks]) if wanted.counts.get("multi_hop") else None
    )
    for type_, count in wanted.counts.items():
        spent: list[Slot] = []
        found: list[Slot] = []
        slots_of = (
            _of_changes(wanted.superseded)
            if type_ == "superseded"
            else _slots(type_, chunks, wanted.per_chunk, seed, search)
        )
        for slot in slots_of:
            if len(spent) + len(found) == count:
                break
            if slot.key in wanted.spent:
                spent.append(slot)
            elif slot.key not in wanted.standing:
                found.append(slot)
        slots += found
        tried += spent
        if left := count - len(spent) - len(found):
            no_chunk[type_] = left
    return Plan(slots=tuple(slots), no_chunk=no_chunk, tried=tuple(tried))


def _slots(
    type_: str, chunks: Sequence[Chunk], per_chunk: int, seed: int, search: Search | None
) -> Iterator[Slot]:
    start = u64(seed, "type", type_) % len(chunks) if chunks else 0
    for nth in range(per_chunk):
        for chunk in (*chunks[start:], *chunks[:start]):
            if type_ != "multi_hop" or search is None:
                yield Slot(type=type_, chunks=(chunk,), nth=nth)
            elif near := _nearest(chunk, chunks, search):
                yield Slot(type=type_, chunks=(chunk, *near), nth=nth)


def _of_changes(changes: Sequence[tuple[Chunk, Chunk]]) -> Iterator[Slot]:
    """Yield a slot for each place where a document supersedes another."""
    seen: Counter[tuple[Chunk, Chunk]] = Counter()
    for pair in changes:
        yield Slot(type="superseded", chunks=pair, nth=seen[pair])
        seen[pair] += 1


def _nearest(chunk: Chunk, chunks: Sequence[Chunk], search: Search) -> list[Chunk]:
    found = [chunks[number] for number in search.best(chunk.text, most=len(chunks))]
    return [c for c in found if c.document is not chunk.document or c.path != chunk.path][:_NEAREST]


class SlotsNow:
    """The passages of today for tests that stand.

    Args:
        documents: The documents now.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._chunks = [chunk for document in documents for chunk in chunks_of(document)]
        self._search = Search([chunk.with_heading for chunk in self._chunks])

    def slot(
        self, type_: str, places: Sequence[tuple[Document, int]], said: Sequence[str]
    ) -> Slot | None:
        """Return a slot of the passages at some places and of the three nearest; None if there is none.

        Args:
            type_: Type of the test.
            places: Documents, and places in their texts.
            said: Question and old quotes, to search for.
        """
        own = [self._at(*place) for place in places]
        near = [self._chunks[number] for number in self._search.best(*said, most=_NEAREST)]
        found = tuple(dict.fromkeys(chunk for chunk in (*own, *near) if chunk is not None))
        return Slot(type=type_, chunks=found, nth=0) if found else None

    def any_slot(self, type_: str) -> Slot:
        """Return a slot of the first passage, for a test that rests on none."""
        return Slot(type=type_, chunks=(self._chunks[0],), nth=0)

    def _at(self, document: Document, start: int) -> Chunk | None:
        own = (chunk for chunk in self._chunks if chunk.document is document)
        return next((chunk for chunk in own if chunk.start <= start < chunk.end), None)
