"""Tests that quote documents, held against these as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lm_eval_so.core.records.dataset import DocumentInfo
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.generator.dataset.stored import Stored
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.documents.compose import compose, split_text
from lm_eval_so.generator.staleness.hold import Held, Quote, hold, quotes_of
from lm_eval_so.generator.staleness.keyed_text import Body, KeyedText, keyed_unit
from lm_eval_so.generator.writing.rules import doc_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPassage:
    """A passage that a test rests on, and what became of it: the worst of its units."""

    passage: Passage
    file: str
    """Document that it was taken from."""
    heading: str | None
    header: str
    """Header row of its table; empty if it lies in none."""
    held: Held
    is_whole: bool
    """Whether it lies in one unit, so that `held` is about all of it."""


def worst_of(passages: Sequence[HeldPassage]) -> HeldPassage | None:
    """Return the passage that says most about a test: the worst, with the most numbers that changed."""
    return max(passages, key=lambda each: each.held.rank, default=None)


class Sources:
    """The documents as they are, and as they were when tests were written."""

    def __init__(self, documents: Sequence[Document], stored: Stored) -> None:
        self._documents = {doc_id(document): document for document in in_force(documents)}
        self._stored = {info.doc_id: info for info in stored.documents}
        self._known = {info.doc_id: info for info in stored.held_documents}
        self._old: dict[str, KeyedText] = {}
        self._bodies: dict[str, Body] = {}

    @cached_property
    def _now(self) -> Body:
        return Body(KeyedText(d.file, d.units, d.sections) for d in self._documents.values())

    @property
    def documents(self) -> list[Document]:
        """The documents as they are, without those that others supersede."""
        return list(self._documents.values())

    @property
    def new_documents(self) -> list[Document]:
        """Documents that were others, or none, when tests without an answer were held against them last."""
        return [each for name, each in self._documents.items() if name not in self._known]

    def is_current(self, passage: Passage) -> bool:
        """Return whether the document of a passage is as it was."""
        return passage.doc_id in self._documents

    def document(self, file: str | None) -> Document | None:
        """Return the document of a file as it is now."""
        return next((each for each in self._documents.values() if each.file == file), None)

    def passages(self, sample: TestSample) -> tuple[HeldPassage, ...]:
        """Return the passages of a sample that its answer rests on, each held against the documents now."""
        return tuple(
            self._held(passage)
            for passage in sample.context
            if passage.role == "gold" and passage.doc_id is not None and passage.span is not None
        )

    def _held(self, passage: Passage) -> HeldPassage:
        info = self._stored.get(passage.doc_id or "")
        start, end = passage.span or (0, 0)
        if info is None:  # only the quote is known
            quotes = [Quote(text=passage.text, unit=None)]
        else:
            units = tuple(unit.unit for unit in self._text(info).units)
            quotes = list(quotes_of(start, end, info.text, units))
        unit = quotes[0].unit
        file = info.file if info else ""
        if self.is_current(passage):
            held = Held(state="same", file=file, unit=unit, old=passage.text, new=passage.text)
        else:
            old = self._before(info)
            held = max(
                (hold(quote, old, self._now) for quote in quotes), key=lambda each: each.rank
            )
        heading = unit.path[-1] if unit and unit.path else None
        return HeldPassage(
            passage=passage,
            file=file,
            heading=heading,
            header=unit.header if unit else "",
            held=held,
            is_whole=len(quotes) == 1,
        )

    def _text(self, info: DocumentInfo) -> KeyedText:
        if info.doc_id not in self._old:
            made = compose(split_text(info.text))
            self._old[info.doc_id] = KeyedText(info.file, made.units, made.sections)
        return self._old[info.doc_id]

    def _before(self, info: DocumentInfo | None) -> Body:
        """Return the documents as they were beside one of them; of its own file no other text counts."""
        if info is None:
            return Body([])
        if info.doc_id not in self._bodies:
            others = (each for each in self._stored.values() if each.file != info.file)
            self._bodies[info.doc_id] = Body([self._text(info), *map(self._text, others)])
        return self._bodies[info.doc_id]

    def new_passages(self) -> int:
        """Return how many units of new documents have a sentence that no other document had."""
        old = Body(map(self._text, self._known.values()))
        units = (keyed_unit(unit) for document in self.new_documents for unit in document.units)
        return sum(not all(map(old.has_sentence, unit.sentences)) for unit in units)
