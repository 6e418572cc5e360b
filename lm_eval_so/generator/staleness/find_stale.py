"""Tests of a dataset held against their sources as they are now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lm_eval_so.core.dataset import SAMPLES_FILE
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import loads, to_json
from lm_eval_so.core.records.dataset import DocumentInfo
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.errors import InputError
from lm_eval_so.generator.dataset.stored import Stored, is_written, read_stored
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.documents.compose import compose, split_text
from lm_eval_so.generator.staleness.hold import (
    SEVERITY,
    Held,
    Quote,
    changed_numbers,
    hold,
    quotes_of,
)
from lm_eval_so.generator.staleness.keyed_text import Body, KeyedText, keyed_unit
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.rules import doc_id

_MOST = 600
"""Characters of a text that the record keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPassage:
    """A passage that a test rests on, and what became of it: the worst of its units."""

    passage: Passage
    file: str
    heading: str | None
    held: Held


class Sources:
    """The documents as they are, and as they were when tests were written.

    Args:
        documents: The documents now.
        stored: Parts of the dataset that stand.
    """

    def __init__(self, documents: Sequence[Document], stored: Stored) -> None:
        self._documents = {doc_id(document): document for document in documents}
        self._stored = {info.doc_id: info for info in stored.documents}
        self._old: dict[str, KeyedText] = {}

    @cached_property
    def _now(self) -> Body:
        return Body(KeyedText(d.file, d.units, d.sections) for d in self._documents.values())

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
        if passage.doc_id in self._documents:
            held = Held(state="same", file=file, unit=unit, old=passage.text, new=passage.text)
        else:
            old = self._before(info)
            found = [hold(quote, old, self._now) for quote in quotes]
            held = max(found, key=lambda each: (SEVERITY.index(each.state), len(each.numbers)))
        heading = unit.path[-1] if unit and unit.path else None
        return HeldPassage(passage=passage, file=file, heading=heading, held=held)

    def _text(self, info: DocumentInfo) -> KeyedText:
        if info.doc_id not in self._old:
            made = compose(split_text(info.text))
            self._old[info.doc_id] = KeyedText(info.file, made.units, made.sections)
        return self._old[info.doc_id]

    def _before(self, info: DocumentInfo | None) -> Body:
        """Return the documents as they were beside one of them; of its own file no other text counts."""
        if info is None:
            return Body([])
        others = (each for each in self._stored.values() if each.file != info.file)
        return Body([self._text(info), *map(self._text, others)])

    def new_passages(self) -> int:
        """Return how many units have a sentence that no stored document has."""
        old = Body(map(self._text, self._stored.values()))
        new = (d for each, d in self._documents.items() if each not in self._stored)
        units = (keyed_unit(unit) for document in new for unit in document.units)
        return sum(not all(map(old.has_sentence, unit.sentences)) for unit in units)


def find_stale(made: Path, folder: Path, documents: Sequence[Document]) -> Staleness:
    """Return which tests of a dataset no longer fit its sources.

    Tests that quote documents are held against these; the others against what the sources give now, by id.

    Args:
        made: Folder of the dataset as the sources give it now.
        folder: Folder of the dataset that stands.
        documents: The documents now.

    Raises:
        RecordError: If a file of the dataset is damaged; names the line.
    """
    stored = read_stored(folder)
    sources = Sources(documents, stored)
    written = tuple(_of_documents(sample, sources) for sample in stored.samples)
    standing = _contents(folder)
    return Staleness(
        dataset=stored.info.name if stored.info else folder.name,
        is_made=stored.info is not None,
        of=len(written) + len(standing),
        tests=(*written, *_rows(standing, folder, _contents(made), made)),
        new_passages=sources.new_passages() if written else 0,
        unanswerable=sum(s.behavior is Behavior.ABSTAIN for s in stored.samples),
    )


def _of_documents(sample: TestSample, sources: Sources) -> StaleTest:
    passages = sources.passages(sample)
    if not passages:
        return replace(_told(sample), origin="document", state="same")
    worst = max(passages, key=lambda p: (SEVERITY.index(p.held.state), len(p.held.numbers)))
    held = worst.held
    is_same = held.state == "same"
    expected = key(sample.expected or "")
    return StaleTest(
        id=sample.id,
        origin="document",
        state=held.state,
        question=sample.question,
        file=worst.file,
        heading=worst.heading,
        old=None if is_same else held.old[:_MOST],
        new=None if is_same or held.new is None else held.new[:_MOST],
        numbers=held.numbers,
        still_says=tuple(old for old, _ in held.numbers if old and key(old) in expected),
    )


def _rows(
    standing: Mapping[str, str], folder: Path, given: Mapping[str, str], made: Path
) -> Iterator[StaleTest]:
    """Yield the imported tests that differ: first those that stand, then those to come.

    Args:
        standing: Contents of those that stand, by id.
        folder: Their folder.
        given: Contents of those that the sources give now.
        made: Their folder.
    """
    differing = {each for each in {**standing, **given} if standing.get(each) != given.get(each)}
    if not differing:
        return
    before = {s.id: s for s in _imported(folder) if s.id in differing}
    now = {s.id: s for s in _imported(made) if s.id in differing}
    for old in before.values():
        new = now.pop(old.id, None)
        if new is None:
            yield replace(_told(old), state="gone", old=old.expected)
            continue
        numbers = changed_numbers(old.expected or "", new.expected or "")
        told = replace(_told(new), state="changed", old=old.expected, new=new.expected)
        yield replace(told, numbers=numbers)
    yield from (replace(_told(new), new=new.expected) for new in now.values())


def _told(sample: TestSample) -> StaleTest:
    origin = sample.provenance.source if sample.provenance else None
    file = origin.file if origin else ""
    return StaleTest(id=sample.id, origin="row", state="new", question=sample.question, file=file)


def _contents(folder: Path) -> dict[str, str]:
    """Return a digest of each imported test; its line in the file may change with the rows above."""
    return {s.id: digest(to_json(replace(s, provenance=None)))[:16] for s in _imported(folder)}


def _imported(folder: Path) -> Iterator[TestSample]:
    """Yield the imported tests of a folder; a line that is none was edited by hand, and fits no row."""
    file = folder / SAMPLES_FILE
    for _, line in read_lines(file) if file.exists() else ():
        try:
            sample = loads(line, TestSample)
        except InputError:
            continue
        if not is_written(sample):
            yield sample
