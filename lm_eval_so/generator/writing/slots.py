"""Slots: how many tests of each type, and from which chunks, whatever was read or answered first."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from lm_eval_so.core.hashing import digest, u64
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.writing.chunks import Chunk, chunks_of
from lm_eval_so.generator.writing.conflicts import superseded_passages
from lm_eval_so.generator.writing.likeness import Search

T = TypeVar("T")
SCENARIO = "scenario"
"""Type of a test that is a conversation to play."""
NEAREST = 3
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
        return digest([self.type, [chunk.sha256 for chunk in self.chunks], self.nth])[:16]


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


def in_turn(
    documents: Sequence[Document],
    seed: int,
    items_of: Callable[[Document], Iterable[T]],
    order: Callable[[T], Any],
) -> Iterator[T]:
    """Yield one thing of each document in force in turn.

    The order depends on seed and contents alone, so that a document more moves no other.

    Args:
        documents: The documents.
        seed: Seed of the order of documents.
        items_of: Function that returns the things of a document.
        order: Key of the order of a document's things.
    """
    by_seed = sorted(in_force(documents), key=lambda d: (u64(seed, "doc", d.sha256), d.file))
    for row in zip_longest(*(sorted(items_of(document), key=order) for document in by_seed)):
        yield from (item for item in row if item is not None)


def ordered(documents: Sequence[Document], seed: int) -> list[Chunk]:
    """Return the chunks of documents in force in the order of planning: one of each document in turn.

    A text that stands in several places counts once, or a slot would have the key of another.
    """
    found = in_turn(documents, seed, chunks_of, lambda c: (u64(seed, "chunk", c.sha256), c.start))
    first: dict[str, Chunk] = {}
    for chunk in found:
        first.setdefault(chunk.sha256, chunk)
    return [*first.values()]


def slots_of(type_: str, chunks: Sequence[Chunk], per_chunk: int, seed: int) -> Iterator[Slot]:
    """Yield the slots of a type, the first of each chunk before the second.

    Args:
        type_: The type, any but `superseded`.
        chunks: Chunks in the order of planning.
        per_chunk: Most slots from one chunk.
        seed: Seed of the chunk that the type begins with.
    """
    start = u64(seed, "type", type_) % len(chunks) if chunks else 0
    search = Search(chunks, lambda chunk: chunk.with_heading) if type_ == "multi_hop" else None
    for nth in range(per_chunk):
        for chunk in (*chunks[start:], *chunks[:start]):
            near = _nearest(chunk, search) if search else []
            if near or search is None:
                yield Slot(type=type_, chunks=(chunk, *near), nth=nth)


def slots_of_changes(documents: Sequence[Document], seed: int) -> Iterator[Slot]:
    """Yield a slot for each place where a document supersedes another."""
    seen: Counter[tuple[str, ...]] = Counter()
    pairs = superseded_passages(documents)
    for pair in sorted(pairs, key=lambda p: u64(seed, "superseded", *(c.sha256 for c in p))):
        texts = tuple(chunk.sha256 for chunk in pair)
        yield Slot(type="superseded", chunks=pair, nth=seen[texts])
        seen[texts] += 1


def _nearest(chunk: Chunk, search: Search[Chunk]) -> list[Chunk]:
    found = search.best(chunk.text)
    return [c for c in found if c.document is not chunk.document or c.path != chunk.path][:NEAREST]
